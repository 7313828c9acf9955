// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/node.hpp"
#include "os/node_lock.hpp"

#include <commonbuf/format.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/v4l2/colorimetry.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace commonbuf::v4l2 {

/// As many bytes as V4L2 can count in its 32 bits.
std::uint32_t narrow(std::uint64_t bytes) noexcept;

/// The V4L2 name of an arrangement; 0 for none. An opaque format is its own, in as many memories as
/// the driver says.
std::uint32_t pixel_format(const Arrangement& arrangement) noexcept;

/// The same, as a node calls it, if V4L2 has two names.
std::uint32_t code_of(const Node& node, Role role, const Arrangement& arrangement);

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
    std::uint32_t asked_field = V4L2_FIELD_NONE; ///< what was asked for, to get this

    /// Whether each buffer holds one field of an interlaced picture.
    bool is_one_field() const noexcept
    {
        return field == V4L2_FIELD_ALTERNATE || field == V4L2_FIELD_TOP || field == V4L2_FIELD_BOTTOM;
    }
};

/// The image that the device fills or reads, from the start of its memory: the picture with the
/// lines around it. Other layouts stay as they are.
Layout with_lines(const Layout& layout) noexcept;

/// A layout as the driver sees it. A stride of 0 asks the driver for its own.
v4l2_format to_v4l2(const Node& node, Role role, const Layout& picture, std::uint32_t field = V4L2_FIELD_NONE);

/// Colours in a format, in either API. For a capture queue, they are asked for.
Colorimetry colorimetry_of(const v4l2_format& format) noexcept;
void set_colorimetry_of(v4l2_format& format, Role role, const Colorimetry& wanted) noexcept;

/// The colours to set along with a format: those that the caller wants, or else those that an
/// output queue has. Nothing if they are the driver's business.
std::optional<Colorimetry> colours_to_set(const Node& node, Role role);

/// A format of which only the fourcc is given: the driver fills in the rest.
v4l2_format bare_format(const Node& node, Role role, std::uint32_t fourcc) noexcept;

/// Makes the first memory of a format at least this large.
void enlarge(v4l2_format& format, std::uint32_t bytes) noexcept;

Answer from_v4l2(const v4l2_format& format) noexcept;

/// What a queue is set to (VIDIOC_G_FMT).
Result<v4l2_format> current_format(const Node& node, Role role);

/// Asks what a driver makes of a layout (VIDIOC_TRY_FMT). One that has interlaced pictures is also
/// asked for their fields woven into each other, and one by one, until same_image() holds.
Result<Answer> try_format(const Node& node, Role role, const Layout& layout);

/// Sets a queue to a layout: the format, and for an encoder which part of it is picture.
/// Errors: what the driver says, unsupported (it makes something else of it).
Result<Answer> set_format(const Node& node, Role role, const Layout& layout, std::optional<Colorimetry> colours = {});

/// Keeps other programs from setting formats meanwhile; nothing to do where each file has formats
/// of its own. Errors: busy.
Result<os::NodeLock> lock_formats(const Node& node);

/// Whether a driver's answer is the layout that it was asked for, except for its sizes.
/// Errors: unsupported, with both numbers.
Status same_image(const Node& node, Role role, const Layout& picture, const Answer& answer, std::string_view call);

/// Which sizes a node has in a format, as advice: "use 640x360, 1280x720"; empty if it does not
/// say (VIDIOC_ENUM_FRAMESIZES).
std::string sizes_advice(const Node& node, std::uint32_t fourcc);

} // namespace commonbuf::v4l2
