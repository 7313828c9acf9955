// SPDX-License-Identifier: MIT
//
// allocinfo bench-access: what reading and writing by CPU costs in each heap.
#include "commands.hpp"
#include "costs.hpp"
#include "device_heaps.hpp"
#include "output.hpp"
#include "text.hpp"

#include <algorithm>

namespace allocinfo {
namespace {

using commonbuf::Category;
using commonbuf::Error;

Exit give_up(const commonbuf::Error& error, Exit status, bool json)
{
    if (json)
        print(error_document("bench-access", error), json);
    complain(error);
    return status;
}

} // namespace

Exit run_bench_access(const BenchAccessOptions& options, bool json)
{
    if (options.bytes == 0)
        return give_up(
            Error::invalid_argument("read the command line", "a buffer of 0 bytes is none", "write --size 8M"), usage,
            json);
    const auto found = heaps_with(options.added);
    if (!found)
        return give_up(found.error(), status_of(found.error()), json);
    auto heaps = *found;
    for (const std::string& word : options.heaps) {
        if (std::none_of(heaps.begin(), heaps.end(),
                         [&word](const auto& heap) { return names_heap(word, heap->info()); }))
            return give_up(Error::invalid_argument("read the command line",
                                                   commonbuf::text::format("this machine has no heap '{}'", word),
                                                   "allocinfo heaps lists them"),
                           usage, json);
    }
    if (!options.heaps.empty())
        heaps.erase(std::remove_if(heaps.begin(), heaps.end(),
                                   [&options](const auto& heap) {
                                       return std::none_of(
                                           options.heaps.begin(), options.heaps.end(),
                                           [&heap](const std::string& word) { return names_heap(word, heap->info()); });
                                   }),
                    heaps.end());
    const auto measured = measure_heaps(heaps, options.bytes);
    const Json document = costs_document(measured, options.bytes);
    print(document, json);
    if (!options.save.empty()) {
        if (const auto written =
                write_file(options.save, document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
            !written)
            return give_up(written.error(), trouble, false);
    }
    if (std::any_of(measured.begin(), measured.end(), [](const MeasuredHeap& heap) { return heap.cost.has_value(); }))
        return done;
    return give_up(Error::not_present("measure heaps", "no heap of this machine could be measured",
                                      "allocinfo doctor says what stands in the way"),
                   trouble, false);
}

} // namespace allocinfo
