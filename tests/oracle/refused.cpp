// SPDX-License-Identifier: MIT
#include "refused.hpp"

#include "truth_shape.hpp"
#include "truth_system.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace oracle {
namespace {

std::uint32_t rounded_up(std::uint32_t number, std::uint32_t to) { return (number + to - 1) / to * to; }

truth::Layout make(const truth::Shape& shape, std::uint32_t width, std::uint32_t height, std::uint32_t stride,
                   std::uint32_t rows, bool apart)
{
    truth::Layout layout{shape.fourcc, 0, width, height, {}, {}};
    std::uint64_t offset = 0;
    for (std::size_t i = 0; i < shape.planes.size(); ++i) {
        const std::uint32_t row = shape.stride(i, stride);
        layout.planes.push_back({apart ? static_cast<std::uint32_t>(i) : 0, row, offset});
        const std::uint64_t size = std::uint64_t{row} * shape.rows(i, rows);
        if (apart)
            layout.memories.push_back(size);
        else
            offset += size;
    }
    if (!apart)
        layout.memories = {offset};
    return layout;
}

} // namespace

std::vector<truth::Layout> natural_layouts(std::uint32_t fourcc, std::uint32_t width, std::uint32_t height, bool brief)
{
    const truth::Shape* shape = truth::shape_of(fourcc);
    if (shape == nullptr)
        return {};
    constexpr std::uint32_t line = 64;
    constexpr std::uint32_t wide = 256;
    constexpr std::uint32_t block = 16;
    const auto bytes = [&](std::uint32_t pixels) { return static_cast<std::uint32_t>(shape->row_bytes(0, pixels)); };
    std::vector<std::pair<std::uint32_t, std::uint32_t>> strides_and_rows{
        {bytes(width), height},
        {rounded_up(bytes(width), line), height},
        {bytes(rounded_up(width, block)), rounded_up(height, block)},
    };
    if (!brief)
        strides_and_rows.emplace_back(rounded_up(bytes(width), wide), height);
    std::vector<truth::Layout> all;
    for (const bool apart : {false, true}) {
        if (apart && shape->planes.size() == 1)
            continue;
        for (const auto& [stride, rows] : strides_and_rows) {
            truth::Layout layout = make(*shape, width, height, stride, rows, apart);
            if (std::find(all.begin(), all.end(), layout) == all.end())
                all.push_back(std::move(layout));
        }
    }
    return all;
}

std::vector<truth::Layout> larger(const truth::Layout& layout)
{
    constexpr std::uint64_t page = 4096;
    std::vector<truth::Layout> all;
    const auto add = [&](auto more) {
        truth::Layout& next = all.emplace_back(layout);
        for (std::size_t i = 0; i < next.memories.size(); ++i)
            next.memories[i] += more(i);
    };
    add([=](std::size_t) { return page; });
    for (const std::uint64_t rows : {std::uint64_t{16}, std::uint64_t{64}}) {
        add([&](std::size_t memory) {
            std::uint64_t longest = 0;
            for (const truth::Plane& plane : layout.planes) {
                if (plane.memory == memory)
                    longest = std::max<std::uint64_t>(longest, plane.stride);
            }
            return rows * longest;
        });
    }
    return all;
}

std::vector<const truth::Heap*> willing(const std::vector<truth::Heap>& heaps, const truth::Layout& layout)
{
    if (heaps.empty())
        throw std::logic_error("there is no heap to try a refused layout on");
    constexpr std::uint64_t fits_a_region = 2U << 20U; // three of them, in the smallest region of the boards
    constexpr int of_one_device = 3;
    const auto reluctance = [&](const truth::Heap& heap) {
        if (heap.region)
            return layout.bytes() <= fits_a_region ? 0 : 2;
        return heap.kind == truth::HeapKind::dma_heap || heap.kind == truth::HeapKind::udmabuf ? 1 : of_one_device;
    };
    const auto best = std::min_element(heaps.begin(), heaps.end(), [&](const auto& one, const auto& other) {
        return reluctance(one) < reluctance(other);
    });
    if (reluctance(*best) < of_one_device)
        return {&*best};
    std::vector<const truth::Heap*> all;
    all.reserve(heaps.size());
    for (const truth::Heap& heap : heaps)
        all.push_back(&heap);
    return all;
}

std::string describe(const truth::Layout& layout)
{
    std::string text = truth::letters(layout.fourcc) + " " + std::to_string(layout.width) + "x" +
                       std::to_string(layout.height) + (layout.modifier == 0 ? " LINEAR" : " tiled");
    for (const truth::Plane& plane : layout.planes)
        text += ", stride " + std::to_string(plane.stride) + " at " + std::to_string(plane.offset) + " of memory " +
                std::to_string(plane.memory);
    for (const std::uint64_t bytes : layout.memories)
        text += ", " + std::to_string(bytes) + " bytes";
    return text;
}

} // namespace oracle
