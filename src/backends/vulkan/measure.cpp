// SPDX-License-Identifier: MIT
//
// Measures what a GPU asks of strides and offsets, because no call says it: trial images without
// memory and with explicit layouts, one number changed at a time. A driver that does not accept a
// number answers VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT.
#include "backends/vulkan/measure.hpp"

#include "backends/vulkan/image.hpp"

#include <algorithm>
#include <array>

namespace commonbuf::vulkan {
namespace {

constexpr auto steps = std::to_array<std::uint32_t>({1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096});

/// Returns the smallest odd multiple of `step` that is not below `least`.
template <typename Number>
Number odd_multiple(Number least, std::uint32_t step)
{
    const Number count = (least + step - 1) / step;
    return (count % 2 != 0 ? count : count + 1) * step;
}

/// Tries layouts with images of this usage.
struct Prober {
    std::shared_ptr<const Context> context;
    const ImageUsage& usage;
    bool troubled = false; ///< a call failed for another reason than the numbers, so nothing was learned

    bool takes(const Result<Layout>& layout)
    {
        if (!layout)
            return false;
        constexpr std::array<std::uint32_t, 1> one_memory{0};
        const auto image = BareImage::create(context, *layout, usage, one_memory);
        troubled = troubled || (!image && image.error().is_transient());
        return image.has_value();
    }
};

/// Returns the alignment of the last plane's offset; nothing if the driver accepts none.
std::optional<std::uint32_t> offset_step(Prober& prober, const Layout& natural)
{
    for (const std::uint32_t step : steps) {
        Layout moved = natural;
        Plane& last = moved.planes.at(moved.plane_count - 1);
        const std::uint64_t offset = odd_multiple(last.offset, step);
        moved.memory_sizes[0] += offset - last.offset;
        last.offset = offset;
        if (prober.takes(moved))
            return step;
    }
    return std::nullopt;
}

} // namespace

std::optional<Constraints> measure_images(const std::shared_ptr<const Context>& context, const Request& request,
                                          const ImageUsage& usage, const std::string& device)
{
    const FormatInfo* info = format_info(request.format);
    if (info == nullptr)
        return Constraints{};
    Constraints found;
    const auto note = [&](Constraint constraint, std::uint64_t value) {
        found.add_origin({constraint, value, device, "vkCreateImage"});
    };
    Prober prober{context, usage};
    const auto least = static_cast<std::uint32_t>(min_stride(*info, 0, request.width));
    const auto* const align = std::ranges::find_if(steps, [&](std::uint32_t step) {
        return prober.takes(linear_layout(request, odd_multiple(least, step), Memories::single));
    });
    if (align != steps.end()) {
        if (*align != 1) {
            found.stride_align = *align;
            note(Constraint::stride_align, *align);
        }
        const auto natural = linear_layout(request, odd_multiple(least, *align), Memories::single);
        if (const auto offset = natural ? offset_step(prober, *natural) : std::nullopt; offset.value_or(1) != 1) {
            found.offset_align = *offset;
            note(Constraint::offset_align, *offset);
        }
    }
    // If not even a plain image is accepted, the trial says why.
    return prober.troubled ? std::nullopt : std::optional(std::move(found));
}

} // namespace commonbuf::vulkan
