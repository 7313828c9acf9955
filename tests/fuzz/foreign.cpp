// SPDX-License-Identifier: MIT
//
// The door: what somebody says of dma-bufs that are what they are. What comes in is judged here by arithmetic of
// its own, in 128 bits.
#include "input.hpp"

#include "fake/machine.hpp"

#include <commonbuf/foreign.hpp>

#include <array>
#include <cstdlib>
#include <utility>
#include <vector>

namespace {

using namespace commonbuf;
__extension__ typedef unsigned __int128 Wide;

Layout any_layout(fuzz::Input& input)
{
    const auto formats = all_formats();
    Layout layout;
    const auto which = input.take<std::uint8_t>() % (formats.size() + 1);
    layout.format = which < formats.size() ? formats[which].format : Format::v4l2(input.take<std::uint32_t>());
    constexpr std::array<std::uint64_t, 4> modifiers{0, 0, 0x0100000000000001, 0x0100000000000004};
    const auto modifier = input.take<std::uint8_t>();
    layout.modifier = modifier < 200 ? modifiers[modifier % modifiers.size()] : input.take<std::uint64_t>();
    layout.width = input.take<std::uint16_t>();
    layout.height = input.take<std::uint16_t>();
    layout.plane_count = input.take<std::uint8_t>() % 6;
    layout.memory_count = input.take<std::uint8_t>() % 6;
    for (Plane& plane : layout.planes) {
        plane.memory = input.take<std::uint8_t>() % 5;
        plane.stride = input.take<std::uint32_t>();
        plane.offset = input.take<std::uint64_t>();
        plane.size = input.take<std::uint64_t>();
    }
    for (std::uint64_t& bytes : layout.memory_sizes)
        bytes = input.take<std::uint64_t>();
    layout.lines_before = input.take<std::uint16_t>();
    layout.lines_after = input.take<std::uint16_t>();
    layout.rows = input.take<std::uint16_t>();
    return layout;
}

/// What the comment of admit() states.
void judge(const Buffer& buffer, const ForeignLimits& limits)
{
    const Layout& layout = buffer.layout();
    if (layout.width > limits.max_width || layout.height > limits.max_height)
        std::abort();
    const FormatInfo* info = format_info(layout.format);
    for (std::uint32_t i = 0; i < layout.plane_count; ++i) {
        const Plane& plane = layout.planes[i];
        if (plane.memory >= layout.memory_count || Wide{plane.offset} + plane.size > buffer.size(plane.memory))
            std::abort();
        if (info == nullptr)
            continue;
        if (layout.modifier == linear) {
            const PlaneInfo& pixels = info->planes[i];
            const Wide samples = (Wide{layout.width} + pixels.hsub - 1) / pixels.hsub;
            const Wide row = (samples + pixels.block_width - 1) / pixels.block_width * pixels.block_bytes;
            const Wide rows = (Wide{layout.height} + pixels.vsub - 1) / pixels.vsub;
            if (plane.stride < row || plane.offset + (rows - 1) * plane.stride + row > buffer.size(plane.memory))
                std::abort();
        } else if (layout.modifier != implicit_modifier && (plane.size == 0 || plane.stride == 0)) {
            std::abort();
        }
    }
    if (info != nullptr && layout.plane_count != 0) {
        const Plane& first = layout.planes[0];
        if (Wide{layout.lines_before} * first.stride > first.offset ||
            Wide{first.offset} + first.size + Wide{layout.lines_after} * first.stride > buffer.size(first.memory))
            std::abort();
    }
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::Input input(data, size);
    fake::Machine machine;
    const Layout layout = any_layout(input);
    ForeignLimits limits{.max_width = 4096, .max_height = 4096};
    ForeignBuffer foreign{layout, {}};
    const unsigned count = input.take<std::uint8_t>() % 6;
    const unsigned twice = input.take<std::uint8_t>() % 8;
    for (unsigned i = 0; i < count; ++i) {
        if (i == twice && i != 0)
            foreign.memories.push_back(duplicate(foreign.memories.front().get()).value());
        else
            foreign.memories.emplace_back(machine.add_dma_buf(input.take<std::uint32_t>()));
    }
    {
        const auto buffer = admit(std::move(foreign), limits);
        if (buffer)
            judge(*buffer, limits);
        else if (buffer.error().message().empty())
            std::abort();

        // The same as a protocol says it: the sizes follow.
        std::vector<ForeignPlane> planes;
        for (std::uint32_t i = 0; i < layout.plane_count && i < max_planes; ++i) {
            const Plane& plane = layout.planes[i];
            planes.push_back({plane.memory, plane.stride, plane.offset & 0xffffffU, layout.modifier});
        }
        std::vector<std::uint64_t> sizes;
        ForeignBuffer described;
        for (unsigned i = 0; i < count; ++i) {
            sizes.push_back(input.take<std::uint32_t>());
            described.memories.emplace_back(machine.add_dma_buf(sizes.back()));
        }
        if (const auto made = foreign_layout(layout.format, layout.width, layout.height, planes, sizes)) {
            described.layout = *made;
            if (const auto admitted = admit(std::move(described), limits))
                judge(*admitted, limits);
        }
    }
    if (!machine.leaks().empty())
        std::abort();
    return 0;
}
