// SPDX-License-Identifier: MIT
#include "truth_device.hpp"

#include <deque>
#include <stdexcept>

namespace truth {
namespace {

/// The CPU, by mappings of the dma-bufs.
class Cpu final : public Device {
public:
    explicit Cpu(const Layout& layout) : layout_(layout) {}

    void take(const std::vector<Buffer>& buffers) override { buffers_ = &buffers; }

    void give(std::size_t buffer) override { given_.push_back(buffer); }

    Frame next(std::uint32_t seed) override
    {
        const std::size_t buffer = given_.front();
        given_.pop_front();
        Picture picture = draw(*shape_of(layout_.fourcc), layout_.width, layout_.height, seed);
        (*buffers_)[buffer].write(picture);
        return {buffer, std::move(picture)};
    }

    void stop() override { given_.clear(); }

    void see(std::size_t buffer, const Picture& picture) override
    {
        expect_same(picture, (*buffers_)[buffer].read(), "the CPU sees another picture");
    }

private:
    Layout layout_;
    const std::vector<Buffer>* buffers_ = nullptr;
    std::deque<std::size_t> given_;
};

} // namespace

void Device::give(std::size_t) { throw std::logic_error("this device writes nothing"); }

Device::Frame Device::next(std::uint32_t) { throw std::logic_error("this device writes nothing"); }

void Device::see(std::size_t, const Picture&) { throw std::logic_error("this device reads nothing"); }

std::unique_ptr<Device> open_cpu(const Use&, const Layout& layout) { return std::make_unique<Cpu>(layout); }

std::unique_ptr<Device> open_device(const Use& use, const Layout& layout)
{
    if (shape_of(layout.fourcc) == nullptr)
        throw Unknowable("nobody here knows the pixels of " + letters(layout.fourcc));
    if (layout.modifier != 0)
        throw Unknowable("nobody here can read tiles");
    switch (use.kind) {
    case DeviceKind::camera: return open_camera(use, layout);
    case DeviceKind::m2m_source:
    case DeviceKind::m2m_sink: return open_m2m(use, layout);
    case DeviceKind::display: return open_display(use, layout);
    case DeviceKind::gpu: return open_gpu(use, layout);
    case DeviceKind::cpu: break;
    }
    return open_cpu(use, layout);
}

} // namespace truth
