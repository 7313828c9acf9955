// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

/// The values of enums by their names, and back.
namespace commonbuf {

template <typename Enum, std::size_t size>
using Names = std::array<std::pair<Enum, std::string_view>, size>;

template <typename Enum, std::size_t size>
constexpr std::string_view name_of(const Names<Enum, size>& names, Enum value) noexcept
{
    const auto* const found = std::ranges::find(names, value, [](const auto& each) { return each.first; });
    return found != names.end() ? found->second : "unknown";
}

template <typename Enum, std::size_t size>
constexpr std::optional<Enum> parse_name(const Names<Enum, size>& names, std::string_view name) noexcept
{
    const auto* const found = std::ranges::find(names, name, [](const auto& each) { return each.second; });
    return found != names.end() ? std::optional(found->first) : std::nullopt;
}

/// Finds the value of a small enum that to_string() names so.
template <typename Enum>
std::optional<Enum> find_named(std::string_view name)
{
    static_assert(sizeof(Enum) == 1);
    for (unsigned i = 0; i <= UINT8_MAX && name != "unknown"; ++i) {
        if (to_string(static_cast<Enum>(i)) == name)
            return static_cast<Enum>(i);
    }
    return std::nullopt;
}

} // namespace commonbuf
