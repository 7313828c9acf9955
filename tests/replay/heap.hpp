// SPDX-License-Identifier: MIT
#pragma once

#include "dump.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace replay {

/// The heaps of one machine. Memory is a memfd, which takes no room until it is written to.
/// Which heap it came from stands in its name, so that a trial can tell.
class Heaps {
public:
    explicit Heaps(std::vector<HeapRecord> records);

    const std::vector<std::shared_ptr<cb::Heap>>& all() const noexcept { return heaps_; }

    /// The heap of a descriptor; nullptr for one from elsewhere.
    const HeapRecord* origin(int memory) const;

private:
    std::vector<HeapRecord> records_;
    std::string prefix_;
    std::vector<std::shared_ptr<cb::Heap>> heaps_;
};

/// Bytes of a descriptor's memory; nothing when it has no size.
std::optional<std::uint64_t> size_of(int memory);

} // namespace replay
