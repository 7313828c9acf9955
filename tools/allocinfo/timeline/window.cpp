// SPDX-License-Identifier: MIT
#include "trace.hpp"

#include "text.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace allocinfo::timeline {
namespace {

constexpr std::size_t some_frames = 12;

} // namespace

Busiest busiest(const Trace& trace, const Window& window)
{
    std::vector<std::vector<const Slice*>> accesses(trace.devices.size());
    for (const Slice& slice : trace.slices) {
        if (overlaps(window, slice) && slice.kind != Kind::wait && slice.kind != Kind::pool)
            accesses[trace.device_of[slice.row]].push_back(&slice);
    }
    const auto most = std::max_element(accesses.begin(), accesses.end(),
                                       [](const auto& a, const auto& b) { return a.size() < b.size(); });
    if (most == accesses.end())
        return {};
    return {static_cast<std::size_t>(most - accesses.begin()), std::move(*most)};
}

Window first_frames(const Trace& trace)
{
    const Window whole{0, trace.length};
    Busiest most = busiest(trace, whole);
    // Up to half a picture more is shown too: it is easier to read than two pictures.
    if (most.frames.size() <= some_frames + some_frames / 2)
        return whole;
    std::sort(most.frames.begin(), most.frames.end(), [](const Slice* a, const Slice* b) { return a->end < b->end; });
    return {0, std::max(most.frames[some_frames - 1]->end, trace.slices.front().begin)};
}

commonbuf::Result<Window> window_of(const Trace& trace, const Window& otherwise, std::optional<Time> from,
                                    std::optional<Time> to)
{
    Window window = otherwise;
    if (from || to)
        window = {from.value_or(0), to.value_or(trace.length)};
    const bool sane = std::isfinite(window.from) && std::isfinite(window.to) && window.from <= window.to;
    const bool any = sane && std::any_of(trace.slices.begin(), trace.slices.end(),
                                         [&window](const Slice& slice) { return overlaps(window, slice); });
    if (!any)
        return commonbuf::Error::invalid_argument(
            "show a part of the trace",
            commonbuf::text::format("it has nothing between {} and {} ms", window.from, window.to),
            commonbuf::text::format("the trace goes from 0 to {:.3f} ms", trace.length));
    // Never 0: shares are divided by it.
    constexpr Time least = 0.001;
    window.from = std::clamp(window.from, 0.0, trace.length);
    window.to = std::max(std::min(window.to, trace.length), window.from + least);
    return window;
}

} // namespace allocinfo::timeline
