// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/layout.hpp>
#include <commonbuf/use.hpp>

#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace commonbuf::negotiate {

struct UseSupport {
    std::string use;
    std::shared_ptr<const Support> support;
};

/// The arrangements that all uses share.
///
/// Takes linear time in the entries of all uses if they come sorted, and sorts them otherwise.
/// Walks through each support once, from its first entry to its last. Points into the supports of
/// `uses`, which must outlive it.
class SharedWays {
public:
    explicit SharedWays(std::span<const UseSupport> uses);

    std::size_t size() const noexcept { return shared_.size(); }

    /// Sorted by value: the arrangements of one format stand together.
    Arrangement operator[](std::size_t index) const noexcept;

    /// Each use's entry for a shared arrangement, in the order of the uses.
    std::vector<const Support::Entry*> entries(const Arrangement& way) const;

private:
    std::span<const UseSupport> uses_;
    std::vector<std::uint32_t> shared_; ///< entries of the first use
};

/// How a use accepts an arrangement; nullptr if it does not.
const Support::Entry* find_entry(const Support& support, const Arrangement& way) noexcept;

} // namespace commonbuf::negotiate
