// SPDX-License-Identifier: MIT
#include "page.hpp"

#include <algorithm>

namespace allocinfo {
namespace {

std::string micros(const Json& nanoseconds)
{
    return commonbuf::text::format("{:.1f}", nanoseconds.get<double>() / 1e3);
}

} // namespace

void render_costs(Page& page, const Json& document)
{
    if (document["heaps"].empty()) {
        page.line(0, "this machine has no heaps");
        return;
    }
    page.line(0, "buffers of {} bytes, no device attached; times in microseconds", plain(document["bytes"]));
    std::size_t widest = 4;
    for (const Json& heap : document["heaps"])
        widest = std::max(widest, text(heap["heap"]).size());
    page.line(
        0, "{}",
        page.faint(commonbuf::text::format("{:<{}}  {:<8}  {:>12}  {:>12}  {:>12}  {:>13}", "heap", widest, "kind",
                                           "read a MiB", "write a MiB", "read bracket", "write bracket")));
    for (const Json& heap : document["heaps"]) {
        if (heap["error"].is_object())
            page.line(0, "{:<{}}  {:<8}  {}", text(heap["heap"]), widest, text(heap["kind"]),
                      text(heap["error"]["message"]));
        else
            page.line(0, "{:<{}}  {:<8}  {:>12}  {:>12}  {:>12}  {:>13}", text(heap["heap"]), widest,
                      text(heap["kind"]), micros(heap["read_ns_per_mib"]), micros(heap["write_ns_per_mib"]),
                      micros(heap["read_bracket_ns"]), micros(heap["write_bracket_ns"]));
    }
}

} // namespace allocinfo
