// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/node.hpp"
#include "verify/picture.hpp"

#include <commonbuf/buffer.hpp>
#include <commonbuf/content.hpp>
#include <commonbuf/deadline.hpp>

#include <memory>
#include <optional>
#include <span>

namespace commonbuf::v4l2 {

/// The last picture that a camera gave frame after frame in its own memory. Kept between
/// calls: frames that equal it need no new one, and a small region has no room for
/// the driver's buffers beside ours.
using StillPicture = std::optional<content::Picture>;

/// Frames in these buffers against a frame in the driver's own memory.
Result<Content> verify_capture(const std::shared_ptr<Node>& node, std::span<const Buffer> buffers, std::uint32_t frames,
                               Deadline deadline, StillPicture& still);

/// The same work done twice, once in the driver's own memory alone and once with these
/// buffers on one side, through file handles of its own.
Result<Content> verify_m2m(const Node& node, Role role, std::span<const Buffer> buffers, std::uint32_t frames,
                           Deadline deadline);

/// Sets the queue's format to an image in the driver's own stride; the layout that it
/// gives. Errors: unsupported (it makes another image of it), busy.
Result<Layout> set_own_layout(const Node& node, Role role, const Layout& image);

/// Has a capture queue fill the whole image, where it can be told to fill a part alone.
/// Called after the format is set and before there are slots. Errors: unsupported (it
/// fills a part, with the numbers).
Status fill_whole_image(const Node& node, const Layout& image);

/// A Content that says why nothing was checked.
Content not_checked(std::string reason);

} // namespace commonbuf::v4l2
