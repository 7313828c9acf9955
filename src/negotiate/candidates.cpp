// SPDX-License-Identifier: MIT
#include "negotiate/candidates.hpp"

#include "format/checked.hpp"
#include "text/text.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace commonbuf::negotiate {
namespace {

std::string planning(const Request& request)
{
    return text::format("plan {} {}x{}", to_string(request.format), request.width, request.height);
}

std::string_view to_string(Memories memories)
{
    return memories == Memories::single ? "all planes in one memory" : "one memory per plane";
}

const Support::Entry* find_entry(const Support& support, Memories memories)
{
    const auto entry = std::find_if(support.entries.begin(), support.entries.end(), [memories](const auto& each) {
        return each.modifier == linear && each.memories == memories;
    });
    return entry != support.entries.end() ? &*entry : nullptr;
}

/// What all uses ask for when the image lies in memory like this.
Result<Constraints> merged(const Request& request, const std::vector<UseSupport>& uses, Memories memories)
{
    Constraints all;
    for (const UseSupport& use : uses) {
        const Support::Entry* entry = find_entry(use.support, memories);
        if (entry == nullptr)
            return fail(Category::incompatible, planning(request),
                        text::format("{} does not take {} linear with {}", use.use,
                                     commonbuf::to_string(request.format), to_string(memories)));
        auto both = merge(all, entry->constraints);
        if (!both)
            return fail(both.error());
        all = std::move(*both);
    }
    return all;
}

/// Appends the layouts of one arrangement of memories, from tight to padded.
void append(std::vector<Candidate>& result, const Request& request, const FormatInfo& info, Memories memories,
            const Constraints& constraints)
{
    // What displays and GPUs round strides to but do not say: 64 is the most common
    // (i915, most ARM display controllers), 256 is AMD's, 128 and 512 stand between
    // and above for the rest. A device that knows better says so in its support.
    constexpr auto steps = std::to_array<std::uint32_t>({1, 64, 128, 256, 512, 1024});
    const checked::Number rows = checked::round_up(request.height, constraints.height_align);
    if (!rows || *rows > std::numeric_limits<std::uint32_t>::max())
        return;
    for (const std::uint32_t step : steps) {
        Constraints padded = constraints;
        const checked::Number align = checked::common_multiple(constraints.stride_align, step);
        if (!align || *align > std::numeric_limits<std::uint32_t>::max())
            continue;
        padded.stride_align = static_cast<std::uint32_t>(*align);
        const auto stride = fit_stride(padded, min_stride(info, 0, request.width));
        if (!stride)
            continue;
        auto layout = linear_layout(request, *stride, memories, static_cast<std::uint32_t>(*rows));
        if (!layout)
            continue;
        bool too_large = false;
        for (std::uint32_t i = 0; i < layout->memory_count; ++i) {
            const checked::Number size = checked::round_up(layout->memory_sizes[i], constraints.size_align);
            too_large = too_large || !size;
            layout->memory_sizes[i] = size.value_or(0);
        }
        const bool known =
            std::any_of(result.begin(), result.end(), [&](const Candidate& each) { return each.layout == *layout; });
        if (!too_large && !known)
            result.push_back({*layout, constraints});
    }
}

/// An opaque format has one layout: what the drivers say. Importer::fit() brings the size.
Result<std::vector<Candidate>> opaque_candidates(const Request& request, const std::vector<UseSupport>& uses)
{
    auto constraints = merged(request, uses, Memories::single);
    if (!constraints)
        return fail(constraints.error());
    const auto stride = fit_stride(*constraints, 0);
    if (!stride)
        return fail(stride.error());
    const checked::Number size =
        checked::round_up(std::max<std::uint64_t>(std::uint64_t{*stride} * request.height, 1), constraints->size_align);
    if (!size)
        return fail(Category::invalid_argument, planning(request), "the sizes overflow 64 bits");
    auto layout = opaque_layout(request, *stride, *size);
    if (!layout)
        return fail(layout.error());
    return std::vector{Candidate{*layout, std::move(*constraints)}};
}

} // namespace

Status check_request(const Request& request)
{
    // More than any device has; and the square of it times 8 bytes is far from 2^63.
    constexpr std::uint32_t most = 65536;
    const std::string operation = planning(request);
    const FormatInfo* info = format_info(request.format);
    if (info == nullptr && !is_opaque(request.format))
        return fail(Category::unsupported, operation, "the library does not know this format");
    for (const auto& [name, value] : {std::pair("width", request.width), std::pair("height", request.height)}) {
        if (value == 0 || value > most)
            return fail(Category::invalid_argument, operation,
                        text::format("a {} of {} is not between 1 and {} pixels", name, value, most));
    }
    constexpr std::uint32_t most_buffers = 1024;
    if (request.count == 0 || request.count > most_buffers)
        return fail(Category::invalid_argument, operation,
                    text::format("{} buffers are not between 1 and {}", request.count, most_buffers));
    if (info == nullptr)
        return {};
    if (request.width % info->hsub != 0 || request.height % info->vsub != 0)
        return fail(Category::invalid_argument, operation,
                    text::format("{} shares samples among {}x{} pixels", info->name, info->hsub, info->vsub),
                    text::format("use {}x{}", (request.width + info->hsub - 1U) / info->hsub * info->hsub,
                                 (request.height + info->vsub - 1U) / info->vsub * info->vsub));
    return {};
}

Result<std::vector<Candidate>> candidates(const Request& request, const std::vector<UseSupport>& uses)
{
    if (is_opaque(request.format))
        return opaque_candidates(request, uses);
    const FormatInfo* info = format_info(request.format);
    if (info == nullptr)
        return fail(Category::unsupported, planning(request), "the library does not know this format");

    std::vector<Candidate> result;
    std::optional<Error> why_not;
    for (const Memories memories : {Memories::single, Memories::per_plane}) {
        if (memories == Memories::per_plane && info->plane_count == 1)
            continue; // the same as a single memory
        const auto constraints = merged(request, uses, memories);
        if (constraints)
            append(result, request, *info, memories, *constraints);
        else if (!why_not)
            why_not = constraints.error();
    }
    if (result.empty()) {
        if (!why_not)
            why_not =
                fail(Category::incompatible, planning(request), "the uses agree on no stride that this format can have")
                    .value();
        return fail(std::move(*why_not));
    }
    return result;
}

} // namespace commonbuf::negotiate
