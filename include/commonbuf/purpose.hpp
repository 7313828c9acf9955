// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace commonbuf {

/// What an image is for, as a set of flags, for callers who do not want to name devices.
/// resolve() turns it into the uses of this machine's devices.
enum class Purpose : std::uint32_t {
    none = 0,
    camera_output = 1U << 0U,     ///< a camera fills it
    video_encoder = 1U << 1U,     ///< an encoder reads it
    video_decoder = 1U << 2U,     ///< a decoder fills it
    gpu_texture = 1U << 3U,       ///< a GPU samples it
    gpu_render_target = 1U << 4U, ///< a GPU draws into it
    composer = 1U << 5U,          ///< a display shows it
    cpu_read_rarely = 1U << 6U,
    cpu_read_often = 1U << 7U, ///< only memory behind the CPU's caches
    cpu_write_rarely = 1U << 8U,
    cpu_write_often = 1U << 9U,
};

constexpr Purpose operator|(Purpose a, Purpose b) noexcept
{
    return static_cast<Purpose>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr Purpose operator&(Purpose a, Purpose b) noexcept
{
    return static_cast<Purpose>(static_cast<std::uint32_t>(a) & static_cast<std::uint32_t>(b));
}
constexpr Purpose& operator|=(Purpose& a, Purpose b) noexcept { return a = a | b; }

/// Tell whether a set has all flags of another one.
constexpr bool has(Purpose set, Purpose flags) noexcept { return (set & flags) == flags; }

/// Name one flag: "camera-output", "cpu-read-often"...; "unknown" for anything else.
COMMONBUF_API std::string_view to_string(Purpose flag) noexcept;

/// Find a flag by its name; nothing for other names.
COMMONBUF_API std::optional<Purpose> parse_purpose(std::string_view name) noexcept;

} // namespace commonbuf
