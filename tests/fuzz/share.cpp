// SPDX-License-Identifier: MIT
//
// Messages between processes: any bytes, and honest ones with some bytes changed. What is read is within the limits,
// names only descriptors that came, and is written again as the same.
#include "input.hpp"

#include "share/message.hpp"

#include <drm_fourcc.h>

#include <cstddef>
#include <cstdlib>
#include <span>
#include <vector>

namespace {

using namespace commonbuf;
namespace wire = share::wire;

std::vector<std::byte> honest()
{
    wire::BufferOnWay buffer;
    buffer.layout = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::per_plane);
    buffer.memories = {0, 1};
    buffer.ready = {wire::FenceOnWay::State::descriptor, 2, 0};
    buffer.picture.colour = Colour{};
    buffer.picture.crop = Crop{0, 0, 64, 32};
    buffer.data.resize(8);
    return wire::write({{buffer}, {{1, {}}}}, 3);
}

void check(std::span<const std::byte> bytes, std::size_t descriptors, const share::Limits& limits)
{
    const auto contents = wire::read(bytes, descriptors, limits);
    if (!contents) {
        if (contents.error().message().empty())
            std::abort();
        return;
    }
    if (contents->buffers.size() > limits.max_buffers || contents->releases.size() > limits.max_releases)
        std::abort();
    std::vector<unsigned> fences(descriptors);
    std::vector<unsigned> memories(descriptors);
    const auto fence = [&](const wire::FenceOnWay& each) {
        if (each.state != wire::FenceOnWay::State::descriptor)
            return;
        if (each.place >= descriptors || ++fences[each.place] > 1)
            std::abort();
    };
    for (const wire::BufferOnWay& buffer : contents->buffers) {
        const Layout& layout = buffer.layout;
        if (buffer.data.size() > limits.max_data || layout.plane_count > max_planes ||
            layout.memory_count > max_planes || buffer.memories.size() != layout.memory_count)
            std::abort();
        for (const std::uint16_t place : buffer.memories) {
            if (place >= descriptors)
                std::abort();
            ++memories[place];
        }
        fence(buffer.ready);
        const auto& crop = buffer.picture.crop;
        if (crop && (std::uint64_t{crop->left} + crop->width > layout.width ||
                     std::uint64_t{crop->top} + crop->height > layout.height))
            std::abort();
    }
    for (const wire::ReleaseOnWay& release : contents->releases)
        fence(release.until);
    for (std::size_t i = 0; i < descriptors; ++i) {
        if ((fences[i] == 0) == (memories[i] == 0))
            std::abort(); // unused, or used for both
    }
    const auto again = wire::read(wire::write(*contents, descriptors), descriptors, limits);
    if (!again || again->buffers.size() != contents->buffers.size() ||
        again->releases.size() != contents->releases.size())
        std::abort();
    for (std::size_t i = 0; i < contents->buffers.size(); ++i) {
        if (again->buffers[i].layout != contents->buffers[i].layout ||
            again->buffers[i].memories != contents->buffers[i].memories ||
            again->buffers[i].data != contents->buffers[i].data ||
            again->buffers[i].picture != contents->buffers[i].picture)
            std::abort();
    }
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::Input input(data, size);
    share::Limits limits;
    const auto kind = input.take<std::uint8_t>();
    const std::size_t descriptors = input.take<std::uint8_t>() % 5;
    limits.max_buffers = input.take<std::uint8_t>() % 8;
    limits.max_data = input.take<std::uint16_t>();
    if (kind % 2 == 0) {
        check(std::as_bytes(input.rest()), descriptors, limits);
        return 0;
    }
    std::vector<std::byte> bytes = honest();
    while (!input.rest().empty()) {
        const std::size_t at = input.take<std::uint16_t>() % bytes.size();
        bytes[at] = std::byte{input.take<std::uint8_t>()};
    }
    check(bytes, kind % 4 == 1 ? 3 : descriptors, limits);
    return 0;
}
