// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/error.hpp>
#include <commonbuf/export.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Cameras, codecs and other devices behind the Video4Linux API (videodev2.h;
/// Documentation/userspace-api/media/v4l in the kernel).
namespace commonbuf::v4l2 {

/// Which of a node's queues: frames come out of the device (capture) or go into it (output).
enum class Role : std::uint8_t { capture, output };

/// Returns "capture" or "output".
COMMONBUF_API std::string_view to_string(Role role) noexcept;

/// One /dev/videoN.
struct NodeInfo {
    std::string path;   ///< for example "/dev/video0"
    std::string name;   ///< the kernel's name of the node, for example "vivid-000-vid-cap", by its device number
    std::string driver; ///< empty if the node cannot be opened; so are the fields below
    std::string card;
    std::string bus;
    std::string version;                        ///< of the driver, usually the kernel's
    bool capture = false;                       ///< has a capture queue
    bool output = false;                        ///< has an output queue
    bool metadata = false;                      ///< its queues carry only metadata, which is opaque
    bool memory_to_memory = false;              ///< each file handle has both queues for itself
    bool encodes = false;                       ///< memory to memory, raw images in, compressed ones out
    bool decodes = false;                       ///< memory to memory, compressed images in, raw ones out
    bool multiplanar = false;                   ///< speaks the multi-planar API
    bool streaming = false;                     ///< has queues of buffers at all
    std::vector<std::uint32_t> capture_formats; ///< V4L2 fourccs
    std::vector<std::uint32_t> output_formats;  ///< V4L2 fourccs
    std::optional<Error> obstacle;              ///< why the node could not be queried
};

/// Lists every V4L2 video node, including those that cannot be opened.
COMMONBUF_API std::vector<NodeInfo> nodes();

} // namespace commonbuf::v4l2
