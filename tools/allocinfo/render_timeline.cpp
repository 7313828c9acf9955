// SPDX-License-Identifier: MIT
#include "page.hpp"

#include <algorithm>

namespace allocinfo {

void render_timeline(Page& page, const Json& document)
{
    page.line(0, "{}: {:.3f} ms, {} buffers, {} events", page.bold(text(document["file"])),
              document["length_ms"].get<double>(), document["buffers"].get<std::size_t>(),
              document["events"].get<std::size_t>());
    if (!document["complete"].get<bool>())
        page.line(0, "{}", page.fair("the end of the file is missing: the program was killed, or still runs"));
    if (const auto ignored = document["ignored"].get<std::size_t>(); ignored != 0)
        page.line(0, "{}", page.fair(commonbuf::text::format("{} events make no sense and are not shown", ignored)));
    const double from = document["from_ms"].get<double>();
    const double to = document["to_ms"].get<double>();
    if (from > 0 || to < document["length_ms"].get<double>())
        page.line(0, "from {:.3f} to {:.3f} ms:", from, to);

    std::size_t widest = 6;
    for (const Json& entry : document["devices"])
        widest = std::max(widest, text(entry["device"]).size());
    widest = std::min<std::size_t>(widest, 40);
    page.line(0, "");
    page.line(
        0, "{}",
        page.faint(commonbuf::text::format("{:<{}}  {:<11} {:>7} {:>6} {:>11} {:>10} {:>10} {:>11}", "device", widest,
                                           "what", "count", "busy", "total ms", "mean ms", "longest", "at ms")));
    for (const Json& entry : document["devices"]) {
        const double share = entry["busy_ms"].get<double>() / std::max(to - from, 1e-6) * 100;
        const auto failed = entry["failed"].get<std::size_t>();
        const auto open = entry["open"].get<std::size_t>();
        page.line(0, "{:<{}}  {:<11} {:>7} {:>5.0f}% {:>11.3f} {:>10.3f} {:>10.3f} {:>11.3f}{}{}",
                  text(entry["device"]), widest, text(entry["what"]), entry["count"].get<std::size_t>(),
                  std::min(share, 100.0), entry["total_ms"].get<double>(), entry["mean_ms"].get<double>(),
                  entry["longest_ms"].get<double>(), entry["longest_at_ms"].get<double>(),
                  failed != 0 ? page.bad(commonbuf::text::format("  {} failed", failed)) : "",
                  open != 0 ? page.fair(commonbuf::text::format("  {} without end", open)) : "");
    }
}

} // namespace allocinfo
