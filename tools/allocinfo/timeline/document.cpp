// SPDX-License-Identifier: MIT
#include "document.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

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

/// What is known of one kind of slices of one device.
struct Sum {
    std::vector<std::pair<Time, Time>> spans{};
    const Slice* longest = nullptr;
    Time total = 0;
    std::size_t failed = 0;
    std::size_t open = 0;

    void add(const Slice& slice, const Window& window)
    {
        const Time length = slice.end - slice.begin;
        if (longest == nullptr || length > longest->end - longest->begin)
            longest = &slice;
        total += length;
        failed += slice.failed ? 1U : 0U;
        open += slice.open ? 1U : 0U;
        // Only the part inside the window, so that it can be given as a share of the window.
        spans.emplace_back(std::max(slice.begin, window.from), std::min(slice.end, window.to));
    }
};

Json entry(const std::string& device, const char* name, Sum sum)
{
    const auto count = sum.spans.size();
    return {{"device", device},
            {"what", name},
            {"count", count},
            {"failed", sum.failed},
            {"open", sum.open},
            {"total_ms", rounded(sum.total)},
            {"mean_ms", rounded(sum.total / static_cast<double>(count))},
            {"longest_ms", rounded(sum.longest->end - sum.longest->begin)},
            {"longest_at_ms", rounded(sum.longest->begin)},
            {"longest", sum.longest->name},
            {"busy_ms", rounded(busy(std::move(sum.spans)))}};
}

} // namespace

Json document(const Trace& trace, const Window& window, const std::string& path)
{
    // One look at each slice, however many devices a forged file has.
    std::vector<std::array<Sum, kinds.size()>> sums(trace.devices.size());
    for (const Slice& slice : trace.slices) {
        if (overlaps(window, slice))
            sums[trace.device_of[slice.row]][static_cast<std::size_t>(slice.kind)].add(slice, window);
    }
    Json devices = Json::array();
    for (std::size_t device = 0; device < trace.devices.size(); ++device) {
        for (const auto& [kind, name] : kinds) {
            Sum& sum = sums[device][static_cast<std::size_t>(kind)];
            if (sum.longest != nullptr)
                devices.push_back(entry(trace.devices[device].name, name, std::move(sum)));
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
