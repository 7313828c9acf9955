// SPDX-License-Identifier: MIT
//
// allocinfo bench-access: what reading and writing by CPU costs in each heap.
#include "../costs.hpp"
#include "../device_heaps.hpp"
#include "../output.hpp"
#include "command.hpp"
#include "text.hpp"

#include <algorithm>

namespace allocinfo {
namespace {

using commonbuf::Error;
using Heaps = std::vector<std::shared_ptr<commonbuf::Heap>>;

constexpr const char* name = "bench-access";

void add_options(Options& options)
{
    Words& words = options.words();
    options.bytes("--size", words.bytes, "the size of the buffer, such as 4M (default 8M)");
    options.list("--heap", words.only, "HEAP", "measure only this heap, or this kind of heap");
    options.added_heaps();
    options.word("--save", words.save, "FILE", "also write the data to this file, for plan --cpu-costs");
}

/// The heaps to measure. Errors: usage, and those of heaps_with().
Expected<Heaps> wanted(const Words& words)
{
    auto found = heaps_with(words.added_heaps);
    if (!found || words.only.empty())
        return found;
    const auto is_named = [](const auto& heap, const std::string& word) { return names_heap(word, heap->info()); };
    for (const std::string& word : words.only) {
        if (std::none_of(found->begin(), found->end(), [&](const auto& heap) { return is_named(heap, word); }))
            return wrong(commonbuf::text::format("this machine has no heap '{}'", word), "allocinfo heaps lists them");
    }
    std::erase_if(*found, [&](const auto& heap) {
        return std::none_of(words.only.begin(), words.only.end(),
                            [&](const std::string& word) { return is_named(heap, word); });
    });
    return found;
}

Exit run(const Words& words)
{
    if (words.bytes == 0)
        return give_up(name, wrong("--size is 0", "write --size 8M"), words.json);
    const auto heaps = wanted(words);
    if (!heaps)
        return give_up(name, heaps.error(), words.json);
    const auto measured = measure_heaps(*heaps, words.bytes);
    const Json document = costs_document(measured, words.bytes);
    print(document, words.json);
    if (!words.save.empty()) {
        if (const auto written = write_file(words.save, dump(document)); !written)
            return give_up(name, {written.error(), trouble}, false);
    }
    if (std::any_of(measured.begin(), measured.end(), [](const MeasuredHeap& heap) { return heap.cost.has_value(); }))
        return done;
    return give_up(
        name,
        Error::not_present("measure heaps", "no heap of this machine can be measured", "allocinfo doctor says why"),
        false);
}

} // namespace

const Command bench_access_command{name, "measure what CPU reads and writes cost in each heap", add_options, run};

} // namespace allocinfo
