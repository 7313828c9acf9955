// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/format.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace commonbuf {

/// The modifiers that somebody accepts for one format.
///
/// LINEAR and INVALID are elements like all others: the first is explicit, the second
/// implicit, and neither stands for the other, nor for "anything".
///
/// A modifier may carry how many planes an image has with it: compression adds planes to
/// those of the format. 0 stands for "not said".
///
/// A value: sorted, without duplicates, free of resources; readable from any thread.
class COMMONBUF_API ModifierSet {
public:
    struct Element {
        Modifier modifier;
        std::uint32_t plane_count = 0; ///< 0: not said

        friend bool operator==(const Element&, const Element&) noexcept = default;
    };

    ModifierSet() = default;
    ModifierSet(std::initializer_list<Modifier> modifiers);
    /// In any order. Of duplicates, the one with the most planes stays.
    static ModifierSet of(std::vector<Element> elements);

    bool contains(Modifier modifier) const noexcept;

    /// How many planes an image with this modifier has; 0 when that is not said, nothing
    /// when the modifier is not in the set.
    std::optional<std::uint32_t> plane_count(Modifier modifier) const noexcept;

    /// By ascending value. Borrowed from the set.
    std::span<const Element> elements() const& noexcept { return elements_; }
    std::span<const Element> elements() const&& = delete;
    std::size_t size() const noexcept { return elements_.size(); }
    bool empty() const noexcept { return elements_.empty(); }

    /// What both have. A plane count that only one says is kept; a modifier of which they
    /// say different ones is left out, for one of them would read the image wrongly.
    friend COMMONBUF_API ModifierSet intersection(const ModifierSet& a, const ModifierSet& b);

    friend bool operator==(const ModifierSet&, const ModifierSet&) noexcept = default;

private:
    std::vector<Element> elements_;
};

COMMONBUF_API ModifierSet intersection(const ModifierSet& a, const ModifierSet& b);

/// What either has, with the larger of the plane counts.
COMMONBUF_API ModifierSet union_of(const ModifierSet& a, const ModifierSet& b);

/// "LINEAR, X_TILED, Y_TILED_CCS (2 planes)"; "none" for an empty set.
COMMONBUF_API std::string to_string(const ModifierSet& set);

} // namespace commonbuf
