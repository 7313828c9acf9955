// SPDX-License-Identifier: MIT
#include "costs.hpp"

#include "input.hpp"
#include "text.hpp"

#include <unistd.h>

#include <array>
#include <iostream>
#include <limits>
#include <optional>
#include <set>
#include <utility>

namespace allocinfo {
namespace {

using commonbuf::CpuCost;
using commonbuf::Error;
using commonbuf::HeapInfo;
using commonbuf::Result;
using commonbuf::text::format;
using std::chrono::nanoseconds;

constexpr const char* advice = "write the file again: allocinfo bench-access --save FILE";

/// The times by their names in documents. The names carry the units.
constexpr std::array times{
    std::pair{"read_ns_per_mib", &CpuCost::read},
    std::pair{"write_ns_per_mib", &CpuCost::write},
    std::pair{"read_bracket_ns", &CpuCost::read_bracket},
    std::pair{"write_bracket_ns", &CpuCost::write_bracket},
};

Result<CpuCost> measure(commonbuf::Heap& heap, std::uint64_t bytes)
{
    const HeapInfo& info = heap.info();
    if (info.obstacle)
        return *info.obstacle;
    if (!info.same_as.empty())
        return Error::unsupported("measure " + info.name, "it is another name of " + info.same_as);
    constexpr auto patience = std::chrono::seconds(20);
    return commonbuf::measure_cpu_cost(heap, bytes, commonbuf::deadline_in(patience));
}

/// A whole number from 0 on that fits a time; nullopt for anything else.
std::optional<std::int64_t> whole(const Json& object, const char* member)
{
    const auto found = object.find(member);
    if (found == object.end() || !found->is_number_unsigned())
        return std::nullopt;
    const auto value = found->get<std::uint64_t>();
    if (value > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
        return std::nullopt;
    return static_cast<std::int64_t>(value);
}

/// Reads a heap's entry. Says what is wrong with it; nullopt if nothing is.
std::optional<std::string> read_entry(const Json& entry, CpuCost& cost)
{
    if (!entry.is_object())
        return "it is not an object";
    const auto name = entry.find("heap");
    if (name == entry.end() || !name->is_string() || name->get<std::string>().empty())
        return "'heap' is not a name";
    cost.heap = name->get<std::string>();
    const auto bytes = whole(entry, "bytes");
    if (!bytes || *bytes == 0)
        return "'bytes' is not a size";
    cost.bytes = static_cast<std::uint64_t>(*bytes);
    for (const auto& [member, time] : times) {
        const auto value = whole(entry, member);
        if (!value)
            return format("'{}' is not a time: write a whole number from 0 on", member);
        cost.*time = nanoseconds(*value);
    }
    return std::nullopt;
}

} // namespace

bool names_heap(std::string_view word, const HeapInfo& heap)
{
    return word == heap.name || word == commonbuf::to_string(heap.kind);
}

std::vector<MeasuredHeap> measure_heaps(const std::vector<std::shared_ptr<commonbuf::Heap>>& heaps, std::uint64_t bytes)
{
    // Progress for people: each line replaces the one before, and the last one goes away.
    const bool watched = ::isatty(STDERR_FILENO) != 0;
    std::vector<MeasuredHeap> measured;
    for (const auto& heap : heaps) {
        if (watched)
            std::cerr << format("\r\033[Kmeasuring {} ({} of {})", commonbuf::text::printable(heap->info().name),
                                measured.size() + 1, heaps.size())
                      << std::flush;
        measured.push_back({heap->info(), measure(*heap, bytes)});
    }
    if (watched)
        std::cerr << "\r\033[K" << std::flush;
    return measured;
}

Json costs_document(const std::vector<MeasuredHeap>& heaps, std::uint64_t bytes)
{
    Json result = {{"schema", schema}, {"command", "bench-access"}, {"bytes", bytes}, {"heaps", Json::array()}};
    for (const MeasuredHeap& measured : heaps) {
        Json entry = {{"heap", measured.heap.name}, {"kind", to_string(measured.heap.kind)}};
        entry["bytes"] = measured.cost ? Json(measured.cost->bytes) : Json(nullptr);
        for (const auto& [member, time] : times)
            entry[member] = measured.cost ? Json(((*measured.cost).*time).count()) : Json(nullptr);
        entry["error"] = measured.cost ? Json(nullptr) : error_json(measured.cost.error());
        result["heaps"].push_back(std::move(entry));
    }
    return result;
}

Result<std::vector<CpuCost>> parse_costs(std::string_view text, const std::string& path)
{
    const auto wrong = [&path](std::string why) {
        return Error::invalid_argument("read CPU costs from " + path, std::move(why), advice);
    };
    const Json document = Json::parse(text, nullptr, false);
    if (!document.is_object())
        return wrong("it is not a JSON object");
    if (const auto command = document.find("command"); command == document.end() || *command != "bench-access")
        return wrong("it is not a document of bench-access");
    if (const auto version = document.find("schema");
        version == document.end() || !version->is_number_unsigned() || *version < 1U || *version > schema)
        return wrong(format("its schema is not between 1 and {}", schema)); // what is read is the same in all
    const auto heaps = document.find("heaps");
    if (heaps == document.end() || !heaps->is_array())
        return wrong("'heaps' is not a list");
    std::vector<CpuCost> costs;
    std::set<std::string> names;
    for (std::size_t i = 0; i < heaps->size(); ++i) {
        const Json& entry = (*heaps)[i];
        if (entry.is_object() && entry.contains("error") && entry["error"].is_object())
            continue;
        CpuCost cost;
        if (const auto why = read_entry(entry, cost))
            return wrong(format("heap {} of the list: {}", i, *why));
        if (!names.insert(cost.heap).second)
            return wrong(format("heap {} of the list: '{}' occurs twice", i, cost.heap));
        costs.push_back(std::move(cost));
    }
    if (costs.empty())
        return wrong("it has no heap that was measured");
    return costs;
}

Result<std::vector<CpuCost>> read_costs(const std::string& path)
{
    constexpr std::size_t largest_file = std::size_t{1} << 20U;
    const auto text = read_file(path, largest_file);
    if (!text) {
        auto error = text.error();
        error.advice = advice;
        return error;
    }
    return parse_costs(*text, path);
}

} // namespace allocinfo
