// SPDX-License-Identifier: MIT
#pragma once

#include "truth_buffer.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace truth {

/// One device with all buffers of a set imported. What it does not do it throws as Refused.
class Device {
public:
    Device() = default;
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    virtual ~Device() = default;

    /// Imports the buffers, and keeps them until the device goes or stops. What V4L2 has not been
    /// given yet it knows only from then on.
    virtual void take(const std::vector<Buffer>& buffers) = 0;

    /// What the device has written, and where.
    struct Frame {
        std::size_t buffer;
        Picture expected; ///< what stands there, if all is well
    };

    /// For devices that write: `give` hands over a buffer, `next` waits for the first of those, and
    /// `stop` takes back what is left, and ends the work for good. The caller keeps one buffer.
    virtual void give(std::size_t buffer);
    virtual Frame next(std::uint32_t seed);
    virtual void stop() {}

    /// For devices that read: looks at a buffer, which holds this picture. Throws Refused where the
    /// device sees another one.
    virtual void see(std::size_t buffer, const Picture& picture);
};

/// Opens the device of a use for images of a layout. What has to be made in the device's own memory
/// (a picture to compare with) is made here, before there are any buffers.
std::unique_ptr<Device> open_device(const Use& use, const Layout& layout);

std::unique_ptr<Device> open_camera(const Use& use, const Layout& layout);
std::unique_ptr<Device> open_m2m(const Use& use, const Layout& layout);
std::unique_ptr<Device> open_display(const Use& use, const Layout& layout);
std::unique_ptr<Device> open_gpu(const Use& use, const Layout& layout);
std::unique_ptr<Device> open_cpu(const Use& use, const Layout& layout);

} // namespace truth
