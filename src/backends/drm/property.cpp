// SPDX-License-Identifier: MIT
#include <commonbuf/drm/property.hpp>

#include <algorithm>

namespace commonbuf::drm {

std::optional<std::uint64_t> PropertyInfo::named(std::string_view value_name) const noexcept
{
    const auto found =
        std::find_if(names.begin(), names.end(), [&](const auto& entry) { return entry.first == value_name; });
    if (found == names.end())
        return std::nullopt;
    if (kind != PropertyKind::bitmask)
        return found->second;
    constexpr std::uint64_t bits = 64;
    return found->second < bits ? std::optional(std::uint64_t{1} << found->second) : std::nullopt;
}

bool PropertyInfo::takes(std::uint64_t wanted) const noexcept
{
    if (immutable)
        return false;
    switch (kind) {
    case PropertyKind::range: return wanted >= min && wanted <= max;
    case PropertyKind::signed_range: {
        const auto number = static_cast<std::int64_t>(wanted);
        return number >= static_cast<std::int64_t>(min) && number <= static_cast<std::int64_t>(max);
    }
    case PropertyKind::enumeration:
        return std::any_of(names.begin(), names.end(), [&](const auto& entry) { return entry.second == wanted; });
    case PropertyKind::bitmask: {
        std::uint64_t all = 0;
        for (const auto& entry : names)
            all |= named(entry.first).value_or(0);
        return (wanted & ~all) == 0;
    }
    case PropertyKind::object:
    case PropertyKind::blob: break;
    }
    return wanted <= UINT32_MAX;
}

} // namespace commonbuf::drm
