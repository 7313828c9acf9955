// SPDX-License-Identifier: MIT
//
// Events are read one by one, so that a trace without its end gives all that it has, and a long
// one needs little more memory than its slices.
#include "trace.hpp"

#include "text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>

namespace allocinfo::timeline {
namespace {

using commonbuf::Error;
using commonbuf::Result;
using Json = nlohmann::json;

// Files may be forged. 31 years in microseconds are more than any clock has.
constexpr double latest = 1e15;
constexpr std::size_t most_rows = 4096;
constexpr std::size_t most_buffers = 16;
constexpr std::size_t longest_word = 200;
// About an hour of a camera; more would take minutes to read and gigabytes to hold.
constexpr std::size_t most_events = 2'000'000;

/// A word of the file, cut to a sane length.
std::string word(const Json& object, const char* key)
{
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string())
        return {};
    std::string text = found->get<std::string>();
    if (text.size() > longest_word) {
        std::size_t end = longest_word;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80) // no half characters
            --end;
        text = text.substr(0, end) + "…";
    }
    return text;
}

std::optional<double> number(const Json& object, const char* key)
{
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number())
        return std::nullopt;
    const double value = found->get<double>();
    if (!std::isfinite(value) || std::abs(value) > latest)
        return std::nullopt;
    return value;
}

std::optional<std::int64_t> integer(const Json& object, const char* key)
{
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number_integer())
        return std::nullopt;
    return found->get<std::int64_t>();
}

/// A number or a word, as a word.
std::string plain(const Json& object, const char* key)
{
    const auto found = object.find(key);
    if (found != object.end() && found->is_number_integer())
        return found->dump();
    return word(object, key);
}

/// Makes a Trace from events in the order of the file.
class Builder {
public:
    void add(const Json& event);
    Trace finish(bool complete);

    std::size_t events() const { return trace_.events; }

private:
    struct Row {
        std::int64_t pid;
        std::int64_t tid;
        std::string name;
        std::int64_t place = 0;
    };
    /// The begin or the end of a slice, or a whole slice.
    struct Edge {
        char phase;
        double at; ///< microseconds, as in the file
        Slice slice;
    };
    struct End {
        std::size_t row;
        double at;
        std::string name;
    };

    bool take(const Json& event);
    void take_name(std::size_t row, const Json& event);
    std::optional<std::size_t> row_of(const Json& event);
    void pair_up();
    void connect();
    void name_devices();

    Trace trace_;
    std::vector<Row> rows_;
    std::map<std::pair<std::int64_t, std::int64_t>, std::size_t> row_numbers_;
    std::vector<Edge> edges_;
    std::map<std::string, End> starts_;
    std::vector<std::pair<std::string, End>> ends_;
};

void add_details(Slice& slice, const Json& event)
{
    const auto args = event.find("args");
    if (args == event.end() || !args->is_object())
        return;
    slice.where = word(*args, "where");
    if (const std::string note = word(*args, "end"); !note.empty()) {
        slice.note = note;
        slice.open = note == "its fence has not signalled" || note == "the trace ended before";
        slice.failed = note == "failed" || note == "in vain";
    }
    if (const auto error = integer(*args, "errno")) {
        slice.failed = true;
        slice.note = "failed with errno " + std::to_string(*error);
    }
    const auto buffers = args->find("buffers");
    if (buffers == args->end() || !buffers->is_array())
        return;
    for (const Json& buffer : *buffers) {
        if (!buffer.is_object() || slice.buffers.size() == most_buffers)
            continue;
        BufferUse use{plain(buffer, "id"), word(buffer, "format"), word(buffer, "size"), word(buffer, "access")};
        slice.reads = slice.reads || use.access.starts_with("read");
        slice.writes = slice.writes || use.access.ends_with("write");
        slice.buffers.push_back(std::move(use));
    }
}

Kind kind_of(const std::string& category, const Slice& slice)
{
    if (category == "wait")
        return Kind::wait;
    if (category == "pool")
        return Kind::pool;
    return slice.reads || slice.writes ? Kind::access : Kind::other;
}

void Builder::add(const Json& event)
{
    ++trace_.events;
    if (!event.is_object() || !take(event))
        ++trace_.ignored;
}

std::optional<std::size_t> Builder::row_of(const Json& event)
{
    const auto pid = integer(event, "pid");
    const auto tid = integer(event, "tid");
    if (!pid || !tid)
        return std::nullopt;
    const auto known = row_numbers_.find({*pid, *tid});
    if (known != row_numbers_.end())
        return known->second;
    if (rows_.size() == most_rows)
        return std::nullopt;
    rows_.push_back({*pid, *tid, "thread " + std::to_string(*tid)});
    return row_numbers_[{*pid, *tid}] = rows_.size() - 1;
}

void Builder::take_name(std::size_t row, const Json& event)
{
    const auto args = event.find("args");
    if (args == event.end() || !args->is_object())
        return;
    const std::string what = word(event, "name");
    if (what == "thread_name") {
        if (std::string name = word(*args, "name"); !name.empty())
            rows_[row].name = std::move(name);
    }
    if (what == "thread_sort_index")
        rows_[row].place = integer(*args, "sort_index").value_or(0);
}

/// Whether an event was used, or is of a kind that means nothing here.
bool Builder::take(const Json& event)
{
    const std::string phase = word(event, "ph");
    if (phase.size() != 1)
        return false;
    if (std::string_view("MBEXsf").find(phase) == std::string_view::npos)
        return true;
    if (phase == "M" && word(event, "name").starts_with("process_"))
        return true;
    const auto row = row_of(event);
    if (!row)
        return false;
    if (phase == "M") {
        take_name(*row, event);
        return true;
    }
    const auto at = number(event, "ts");
    if (!at)
        return false;
    if (phase == "s" || phase == "f") {
        const std::string id = plain(event, "id");
        if (phase == "s")
            starts_[id] = {*row, *at, word(event, "name")};
        else
            ends_.emplace_back(id, End{*row, *at, {}});
        return !id.empty();
    }
    Edge edge{phase[0], *at, {}};
    edge.slice.row = *row;
    edge.slice.begin = *at;
    edge.slice.name = word(event, "name");
    if (phase == "X") {
        const auto length = number(event, "dur");
        if (!length || *length < 0)
            return false;
        edge.slice.end = *at + *length;
    }
    add_details(edge.slice, event);
    edge.slice.kind = kind_of(word(event, "cat"), edge.slice);
    edges_.push_back(std::move(edge));
    return true;
}

/// Makes slices from begins and ends. A slice without an end lasts until the end of the trace.
void Builder::pair_up()
{
    std::stable_sort(edges_.begin(), edges_.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });
    double first = latest;
    double last = -latest;
    for (const Edge& edge : edges_) {
        first = std::min(first, edge.at);
        last = std::max({last, edge.at, edge.phase == 'X' ? edge.slice.end : edge.at});
    }
    std::vector<std::vector<Slice>> open(rows_.size());
    const auto keep = [&](Slice slice) {
        slice.begin = (slice.begin - first) / 1000;
        slice.end = (slice.end - first) / 1000;
        trace_.slices.push_back(std::move(slice));
    };
    for (Edge& edge : edges_) {
        auto& begun = open[edge.slice.row];
        if (edge.phase == 'X') {
            keep(std::move(edge.slice));
        } else if (edge.phase == 'B') {
            begun.push_back(std::move(edge.slice));
        } else if (begun.empty()) {
            ++trace_.ignored;
        } else {
            Slice slice = std::move(begun.back());
            begun.pop_back();
            slice.end = edge.at;
            slice.failed = slice.failed || edge.slice.failed;
            slice.open = slice.open || edge.slice.open;
            slice.note = edge.slice.note.empty() ? slice.note : edge.slice.note;
            keep(std::move(slice));
        }
    }
    for (auto& begun : open) {
        for (Slice& slice : begun) {
            slice.end = last;
            slice.open = true;
            slice.note = "it has no end in the trace";
            keep(std::move(slice));
        }
    }
    std::stable_sort(trace_.slices.begin(), trace_.slices.end(),
                     [](const Slice& a, const Slice& b) { return a.begin < b.begin; });
    trace_.length = trace_.slices.empty() ? 0 : (last - first) / 1000;
    for (auto& [id, end] : ends_) {
        const auto start = starts_.find(id);
        if (start == starts_.end()) {
            ++trace_.ignored;
            continue;
        }
        trace_.arrows.push_back({start->second.row, (start->second.at - first) / 1000, end.row, (end.at - first) / 1000,
                                 start->second.name});
    }
}

/// Rows of one name are one device; rows without slices belong to none.
void Builder::name_devices()
{
    std::vector<bool> used(rows_.size());
    for (const Slice& slice : trace_.slices)
        used[slice.row] = true;
    std::vector<std::size_t> order;
    bool several = false;
    for (std::size_t row = 0; row < rows_.size(); ++row) {
        if (used[row])
            order.push_back(row);
        several = several || rows_[row].pid != rows_.front().pid;
    }
    std::stable_sort(order.begin(), order.end(),
                     [this](std::size_t a, std::size_t b) { return rows_[a].place < rows_[b].place; });
    std::map<std::pair<std::int64_t, std::string>, std::size_t> known;
    trace_.device_of.resize(rows_.size());
    for (const std::size_t row : order) {
        const auto [entry, fresh] = known.try_emplace({rows_[row].pid, rows_[row].name}, trace_.devices.size());
        if (fresh)
            trace_.devices.push_back({several
                                          ? commonbuf::text::format("{} (process {})", rows_[row].name, rows_[row].pid)
                                          : rows_[row].name,
                                      {}});
        trace_.devices[entry->second].rows.push_back(row);
        trace_.device_of[row] = entry->second;
    }
    // An arrow from or to a row without a device is left out.
    std::erase_if(trace_.arrows, [&](const Arrow& arrow) { return !used[arrow.from_row] || !used[arrow.to_row]; });
}

Trace Builder::finish(bool complete)
{
    pair_up();
    name_devices();
    trace_.complete = complete;
    return std::move(trace_);
}

/// Ends the parsing of a file that is too long.
struct TooLong {};

Error not_a_trace(const std::string& name, std::string detail)
{
    return Error::invalid_argument("read " + name, std::move(detail), how_to_get_one);
}

} // namespace

Result<Trace> parse(std::string_view text, const std::string& name, const Progress& progress)
{
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return not_a_trace(name, "the file is empty");
    Builder builder;
    int depth_of_events = 1;
    bool in_events = true;
    const auto taken = [&](int depth, Json::parse_event_t what, Json& value) {
        using Event = Json::parse_event_t;
        if (depth == 0 && what == Event::object_start)
            depth_of_events = 2;
        if (depth == 1 && what == Event::key && depth_of_events == 2)
            in_events = value == "traceEvents";
        if (depth != depth_of_events || (what != Event::object_end && what != Event::array_end && what != Event::value))
            return true;
        if (in_events)
            builder.add(value);
        if (builder.events() > most_events)
            throw TooLong();
        constexpr std::size_t often = 1024;
        if (progress && builder.events() % often == 0)
            progress(builder.events());
        return false; // it is not kept
    };
    bool complete = true;
    try {
        [[maybe_unused]] const Json rest = Json::parse(text.begin(), text.end(), taken);
    } catch (const Json::parse_error& error) {
        // Only the end may be missing, even in the middle of an event.
        complete = false;
        if (error.byte <= text.size() || builder.events() == 0)
            return not_a_trace(name, commonbuf::text::format("it is not JSON from byte {} on", error.byte));
    } catch (const Json::exception& error) {
        return not_a_trace(name, error.what()); // numbers out of range
    } catch (const TooLong&) {
        return Error::invalid_argument(
            "read " + name, commonbuf::text::format("it has more than {} events", most_events), "trace a shorter run");
    }
    Trace trace = builder.finish(complete);
    if (trace.events == trace.ignored)
        return not_a_trace(name, "it is JSON, but no trace: it holds no events");
    if (trace.slices.empty())
        return not_a_trace(name, "nothing happens in this trace");
    return trace;
}

} // namespace allocinfo::timeline
