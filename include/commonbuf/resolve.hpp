// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/purpose.hpp>
#include <commonbuf/use.hpp>
#include <commonbuf/report.hpp>

#include <span>
#include <vector>

namespace commonbuf {

/// The uses that a purpose means on this machine, without duplicates, and how they were
/// found.
struct Resolution {
    std::vector<Use> uses;
    std::vector<ResolvedPurpose> purposes;
};

/// Find the devices of this machine that a purpose means. The rule:
///
///   camera_output       every V4L2 node with a capture queue that is no memory-to-memory
///                       device, as capture
///   video_encoder       every memory-to-memory node that takes raw images and gives
///                       compressed ones, as output
///   video_decoder       every memory-to-memory node that takes compressed images and gives
///                       raw ones, as capture
///   gpu_texture,        the uses in `gpu`: the library brings no Vulkan device of its own
///   gpu_render_target
///   composer            every DRM card that has displays, as scanout
///   cpu_*               this process's CPU; it often reads or writes when one of the
///                       flags says so
///
/// Each class means every device that takes one of the request's formats in its size: a caller
/// that does not name a camera gets memory that all cameras can use. Devices that cannot be
/// opened or do not take the image are left out, and the result says so. If these are too many
/// devices, name them instead.
///
/// Opens the nodes of the classes that are asked for; the uses keep open what they need.
/// Errors: invalid_argument (no flag), not_present (no device of a class takes the image;
/// each with its reason), unsupported (a GPU flag without `gpu`, or a class of a backend
/// that this build lacks).
COMMONBUF_API Result<Resolution> resolve(Purpose purpose, const Request& request, std::span<const Use> gpu = {});

} // namespace commonbuf
