// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/node.hpp"

#include <commonbuf/format.hpp>
#include <commonbuf/layout.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace commonbuf::v4l2 {

/// As many bytes as V4L2 can count in its 32 bits.
std::uint32_t narrow(std::uint64_t bytes) noexcept;

/// The V4L2 name of a format in an arrangement of memories; 0 for none. An opaque format
/// is its own, in one memory.
std::uint32_t pixel_format(Format format, Memories memories) noexcept;

/// The same, as a node calls it. Drivers use MJPG and JPEG for the same frames, one JPEG image each.
std::uint32_t code_of(const Node& node, Role role, Format format, Memories memories);

/// How a layout with several planes lies in memory.
Memories memories_of(const Layout& layout) noexcept;

/// The rows of the first plane, including padding.
std::uint32_t padded_rows(const Layout& layout) noexcept;

/// What a driver answered to a format, for either API.
struct Answer {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::uint32_t fourcc = 0;
    std::uint32_t field = 0;
    std::uint32_t memory_count = 0;
    std::array<std::uint32_t, max_planes> strides{};
    std::array<std::uint32_t, max_planes> sizes{};
};

/// A layout as the driver sees it. A stride of 0 asks the driver for its own.
v4l2_format to_v4l2(const Node& node, Role role, const Layout& layout);

/// A format of which only the fourcc is given: the driver fills in the rest.
v4l2_format bare_format(const Node& node, Role role, std::uint32_t fourcc) noexcept;

/// Makes the first memory of a format at least this large.
void enlarge(v4l2_format& format, std::uint32_t bytes) noexcept;

Answer from_v4l2(const v4l2_format& format) noexcept;

/// What a queue is set to (VIDIOC_G_FMT).
Result<v4l2_format> current_format(const Node& node, Role role);

/// Sets a queue to a layout: the format, and for an encoder which part of it is picture.
/// Errors: what the driver says, unsupported (it makes something else of it).
Result<Answer> set_format(const Node& node, Role role, const Layout& layout);

/// Whether a driver's answer is the layout that it was asked for, except for its sizes.
/// Errors: unsupported, with both numbers.
Status same_image(const Node& node, Role role, const Layout& layout, const Answer& answer, std::string_view call);

/// Which sizes a node has in a format, as advice: "use 640x360, 1280x720"; empty if it does not
/// say (VIDIOC_ENUM_FRAMESIZES).
std::string sizes_advice(const Node& node, std::uint32_t fourcc);

} // namespace commonbuf::v4l2
