// SPDX-License-Identifier: MIT
#include "document.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

namespace allocinfo::timeline {
namespace {

constexpr std::array kinds{std::pair{Kind::access, "accesses"}, std::pair{Kind::wait, "waits"},
                           std::pair{Kind::pool, "in the pool"}, std::pair{Kind::other, "other"}};

/// Milliseconds with the digits of a clock of nanoseconds.
double rounded(Time time) { return std::round(time * 1e6) / 1e6; }

/// How long at least one of them went on.
Time busy(std::vector<std::pair<Time, Time>> spans)
{
    std::sort(spans.begin(), spans.end());
    Time sum = 0;
    Time until = -1;
    for (const auto& [begin, end] : spans) {
        sum += std::max(0.0, end - std::max(begin, until));
        until = std::max(until, end);
    }
    return sum;
}

Json entry(const Trace& trace, const Window& window, std::size_t device, Kind kind, const char* name)
{
    std::vector<std::pair<Time, Time>> spans;
    const Slice* longest = nullptr;
    Time total = 0;
    std::size_t failed = 0;
    std::size_t open = 0;
    for (const Slice& slice : trace.slices) {
        if (trace.device_of[slice.row] != device || slice.kind != kind || !overlaps(window, slice))
            continue;
        const Time length = slice.end - slice.begin;
        if (longest == nullptr || length > longest->end - longest->begin)
            longest = &slice;
        total += length;
        failed += slice.failed ? 1U : 0U;
        open += slice.open ? 1U : 0U;
        // Only the part inside the window, so that it can be given as a share of the window.
        spans.emplace_back(std::max(slice.begin, window.from), std::min(slice.end, window.to));
    }
    if (longest == nullptr)
        return nullptr;
    const auto count = spans.size();
    return {{"device", trace.devices[device].name},
            {"what", name},
            {"count", count},
            {"failed", failed},
            {"open", open},
            {"total_ms", rounded(total)},
            {"mean_ms", rounded(total / static_cast<double>(count))},
            {"longest_ms", rounded(longest->end - longest->begin)},
            {"longest_at_ms", rounded(longest->begin)},
            {"longest", longest->name},
            {"busy_ms", rounded(busy(std::move(spans)))}};
}

} // namespace

Json document(const Trace& trace, const Window& window, const std::string& path)
{
    Json devices = Json::array();
    for (std::size_t device = 0; device < trace.devices.size(); ++device) {
        for (const auto& [kind, name] : kinds) {
            if (Json made = entry(trace, window, device, kind, name); !made.is_null())
                devices.push_back(std::move(made));
        }
    }
    std::set<std::string> buffers;
    for (const Slice& slice : trace.slices) {
        for (const BufferUse& use : slice.buffers)
            buffers.insert(use.id);
    }
    return {{"schema", schema},
            {"command", "timeline"},
            {"file", path},
            {"length_ms", rounded(trace.length)},
            {"from_ms", rounded(window.from)},
            {"to_ms", rounded(window.to)},
            {"complete", trace.complete},
            {"events", trace.events},
            {"ignored", trace.ignored},
            {"buffers", buffers.size()},
            {"devices", std::move(devices)}};
}

} // namespace allocinfo::timeline
