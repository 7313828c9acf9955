// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace commonbuf::drm {

/// Which values a property takes (DRM_MODE_PROP_* in drm_mode.h).
enum class PropertyKind : std::uint8_t {
    range,        ///< from min to max, unsigned
    signed_range, ///< from min to max, 64-bit two's complement
    enumeration,  ///< one of `names`
    bitmask,      ///< any of `names`, whose values are bit numbers
    object,       ///< the id of another object, or 0
    blob,         ///< the id of a blob, or 0
};

/// One property of one object, as the kernel describes it.
struct COMMONBUF_API PropertyInfo {
    std::string name;
    std::uint32_t id = 0;
    PropertyKind kind = PropertyKind::range;
    bool immutable = false;
    std::uint64_t value = 0; ///< at the time of asking
    std::uint64_t min = 0;   ///< of ranges
    std::uint64_t max = 0;   ///< of ranges
    std::vector<std::pair<std::string, std::uint64_t>> names;

    /// Returns the value to set for one of `names`; for a bitmask that is the bit.
    std::optional<std::uint64_t> named(std::string_view value_name) const noexcept;

    /// Whether the property takes this value, as far as its description says.
    bool takes(std::uint64_t wanted) const noexcept;
};

} // namespace commonbuf::drm
