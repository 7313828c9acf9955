// SPDX-License-Identifier: MIT
//
// JSON back into values. A Value remembers its place in the document; the first mistake found
// anywhere is kept, and reading goes on with defaults, so that no path needs an exception.
#include "base/text.hpp"
#include "explain/json.hpp"

#include <commonbuf/explain.hpp>

#include <nlohmann/json.hpp>

#include <charconv>
#include <limits>

namespace commonbuf {
namespace {

using Json = nlohmann::json;
using std::chrono::nanoseconds;

class Value {
public:
    Value(const Json& json, std::string place, std::string& mistake)
        : json_(&json),
          place_(std::move(place)),
          mistake_(&mistake)
    {}

    void reject(std::string_view why) const
    {
        if (mistake_->empty())
            *mistake_ = text::format("{} {}", place_.empty() ? "the document" : place_, why);
    }

    bool is_null() const { return json_->is_null(); }

    /// A member; null if there is none.
    Value operator[](std::string_view name) const
    {
        static const Json none;
        if (!json_->is_object()) {
            reject("is not an object");
            return {none, place_, *mistake_};
        }
        const auto found = json_->find(name);
        return {found != json_->end() ? *found : none,
                place_.empty() ? std::string(name) : text::format("{}.{}", place_, name), *mistake_};
    }

    /// Each element of a list, as `read` gives it. Null reads as an empty list.
    template <typename Read>
    auto list(Read read) const
    {
        std::vector<decltype(read(*this))> all;
        if (is_null())
            return all;
        if (!json_->is_array()) {
            reject("is not a list");
            return all;
        }
        for (std::size_t i = 0; i < json_->size(); ++i)
            all.push_back(read(Value((*json_)[i], text::format("{}[{}]", place_, i), *mistake_)));
        return all;
    }

    std::vector<std::string> texts() const
    {
        return list([](const Value& each) { return each.text(); });
    }

    std::string text() const
    {
        if (!json_->is_string()) {
            reject("is not text");
            return {};
        }
        return json_->get<std::string>();
    }
    std::string text_or_empty() const { return is_null() ? std::string() : text(); }

    template <typename Number>
    Number number() const
    {
        const auto value = json_->is_number_unsigned() ? json_->get<std::uint64_t>() : 0;
        if (!json_->is_number_unsigned() || value > static_cast<std::uint64_t>(std::numeric_limits<Number>::max())) {
            reject(text::format("is not a whole number from 0 to {}", std::numeric_limits<Number>::max()));
            return {};
        }
        return static_cast<Number>(value);
    }
    template <typename Number>
    Number number_or(Number otherwise) const
    {
        return is_null() ? otherwise : number<Number>();
    }
    template <typename Number>
    std::optional<Number> number_or_none() const
    {
        return is_null() ? std::nullopt : std::optional(number<Number>());
    }

    bool flag() const
    {
        if (!json_->is_boolean()) {
            reject("is neither true nor false");
            return false;
        }
        return json_->get<bool>();
    }
    std::optional<bool> flag_or_none() const { return is_null() ? std::nullopt : std::optional(flag()); }

    /// The value from `first` to `last` with this name.
    template <typename Enum>
    Enum one_of(Enum first, Enum last) const
    {
        const std::string name = text();
        for (auto value = static_cast<unsigned>(first); value <= static_cast<unsigned>(last); ++value) {
            if (to_string(static_cast<Enum>(value)) == name)
                return static_cast<Enum>(value);
        }
        reject(text::format("is '{}', which is not a known name", name));
        return first;
    }
    template <typename Enum>
    std::optional<Enum> one_or_none(Enum first, Enum last) const
    {
        return is_null() ? std::nullopt : std::optional(one_of(first, last));
    }

    /// What `read` makes of this; none for null.
    template <typename Read>
    auto maybe(Read read) const
    {
        return is_null() ? std::nullopt : std::optional(read(*this));
    }

private:
    const Json* json_;
    std::string place_;
    std::string* mistake_;
};

std::optional<std::uint64_t> parse_hex(std::string_view text)
{
    constexpr int base = 16;
    std::uint64_t value = 0;
    if (!text.starts_with("0x"))
        return std::nullopt;
    const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), value, base);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

Format read_format(const Value& value)
{
    constexpr std::string_view v4l2 = "v4l2:";
    // "0x" and eight digits, which no name is.
    constexpr std::size_t code_size = 10;
    const std::string name = value.text();
    const bool of_v4l2 = name.starts_with(v4l2);
    const std::string_view rest = std::string_view(name).substr(of_v4l2 ? v4l2.size() : 0);
    if (const auto code = rest.size() == code_size ? parse_hex(rest) : std::nullopt) {
        Format format(static_cast<std::uint32_t>(*code));
        format.is_v4l2 = of_v4l2;
        return format;
    }
    const auto format = parse_format(name);
    if (!format)
        value.reject(text::format("is '{}', which is not a known format", name));
    return format.value_or(Format());
}

Modifier read_modifier(const Value& object)
{
    const Value value = object["modifier_value"];
    const std::string digits = value.text();
    const auto number = parse_hex(digits);
    if (!number)
        value.reject(text::format("is '{}', which is not a number such as 0x1", digits));
    return number.value_or(0);
}

int read_errno(const Value& value)
{
    constexpr int most = 4095; // MAX_ERRNO of the kernel
    if (value.is_null())
        return 0;
    const std::string name = value.text();
    for (int error = 1; error <= most; ++error) {
        if (errno_name(error) == name)
            return error;
    }
    value.reject(text::format("is '{}', which is not an error of the system", name));
    return 0;
}

Category read_category(const Value& value)
{
    return value.one_of(Category::invalid_argument, Category::kernel_failure);
}

Constraint read_constraint(const Value& value)
{
    const std::string name = value.text();
    const auto constraint = parse_constraint(name);
    if (!constraint)
        value.reject(text::format("is '{}', which is not a known constraint", name));
    return constraint.value_or(Constraint());
}

Error read_error(const Value& value)
{
    Error error;
    error.category = read_category(value["category"]);
    error.sys_errno = read_errno(value["errno"]);
    error.call = value["call"].text_or_empty();
    error.target = value["target"].text_or_empty();
    error.operation = value["operation"].text_or_empty();
    error.needed = value["needed"].number_or_none<std::uint64_t>();
    error.offered = value["offered"].number_or_none<std::uint64_t>();
    error.detail = value["detail"].text_or_empty();
    error.advice = value["advice"].text_or_empty();
    return error;
}

Verdict read_verdict(const Value& value)
{
    Verdict verdict;
    verdict.outcome = value["verdict"].one_of(Outcome::proved, Outcome::refused);
    verdict.call = value["call"].text_or_empty();
    verdict.category = value["category"].maybe(read_category);
    verdict.sys_errno = read_errno(value["errno"]);
    verdict.constraint = value["constraint"].maybe(read_constraint);
    verdict.reason = value["reason"].text_or_empty();
    verdict.needed = value["needed"].number_or_none<std::uint64_t>();
    verdict.offered = value["offered"].number_or_none<std::uint64_t>();
    return verdict;
}

UseVerdict read_use(const Value& value) { return {value["use"].text(), read_verdict(value)}; }

Plane read_plane(const Value& value)
{
    return {value["memory"].number<std::uint32_t>(), value["stride"].number<std::uint32_t>(),
            value["offset"].number<std::uint64_t>(), value["size"].number<std::uint64_t>()};
}

/// Puts at most max_planes elements into an array; returns how many.
template <typename Element>
std::uint32_t fill(std::array<Element, max_planes>& array, const Value& value, Element (*read)(const Value&))
{
    const auto all = value.list(read);
    if (all.size() > max_planes) {
        value.reject(text::format("has {} elements; {} are possible", all.size(), max_planes));
        return 0;
    }
    std::copy(all.begin(), all.end(), array.begin());
    return static_cast<std::uint32_t>(all.size());
}

Layout read_layout(const Value& value)
{
    Layout layout;
    layout.format = read_format(value["format"]);
    layout.modifier = read_modifier(value);
    layout.width = value["width"].number<std::uint32_t>();
    layout.height = value["height"].number<std::uint32_t>();
    layout.plane_count = fill(layout.planes, value["planes"], read_plane);
    layout.memory_count = fill<std::uint64_t>(layout.memory_sizes, value["memories"],
                                              [](const Value& size) { return size.number<std::uint64_t>(); });
    return layout;
}

Constraints read_constraints(const Value& value)
{
    Constraints asked;
    asked.stride_align = value["stride_align"].number<std::uint32_t>();
    asked.min_stride = value["min_stride"].number<std::uint32_t>();
    asked.max_stride = value["max_stride"].number_or(asked.max_stride);
    asked.height_align = value["height_align"].number<std::uint32_t>();
    asked.offset_align = value["offset_align"].number<std::uint64_t>();
    asked.size_align = value["size_align"].number<std::uint64_t>();
    asked.min_size = value["min_size"].number<std::uint64_t>();
    asked.max_size = value["max_size"].number_or(asked.max_size);
    asked.contiguous = value["contiguous"].flag();
    asked.address_bits = value["address_bits"].number<std::uint32_t>();
    asked.cached = value["cached"].one_of(Choice::neither, Choice::either);
    asked.protected_memory = value["protected"].one_of(Choice::neither, Choice::either);
    asked.origins = value["origins"].list([](const Value& origin) {
        return Origin{read_constraint(origin["constraint"]), origin["value"].number<std::uint64_t>(),
                      origin["device"].text(), origin["call"].text()};
    });
    return asked;
}

HeapInfo read_heap_info(const Value& value)
{
    HeapInfo heap;
    heap.name = value["name"].text();
    heap.kind = value["kind"].one_of(HeapKind::dma_heap, HeapKind::custom);
    heap.path = value["path"].text();
    heap.scarce = value["scarce"].flag();
    const Value memory = value["memory"];
    heap.memory = {memory["contiguous"].flag_or_none(), memory["cached"].flag_or_none(),
                   memory["protected"].flag_or_none(), memory["address_bits"].number_or_none<std::uint32_t>()};
    heap.same_as = value["same_as"].text_or_empty();
    heap.obstacle = value["obstacle"].maybe(read_error);
    return heap;
}

HeapVerdict read_heap(const Value& value)
{
    HeapVerdict heap;
    heap.heap = read_heap_info(value);
    heap.verdict = read_verdict(value);
    heap.uses = value["uses"].list(read_use);
    heap.below_by = value["below_by"].one_or_none(RankKey::outcome, RankKey::name);
    heap.preference = value["preference"].number_or_none<std::uint32_t>();
    if (const auto time = value["cpu_time_ns"].number_or_none<nanoseconds::rep>())
        heap.cpu_time = nanoseconds(*time);
    return heap;
}

Arrangement read_arrangement(const Value& value)
{
    const Value memories = value["memories"];
    const std::string name = memories.text();
    if (name != "single" && name != "per-plane")
        memories.reject("is neither 'single' nor 'per-plane'");
    return {read_format(value["format"]), read_modifier(value),
            name == "per-plane" ? Memories::per_plane : Memories::single};
}

CpuCost read_cost(const Value& value)
{
    CpuCost cost;
    cost.heap = value["heap"].text();
    cost.bytes = value["bytes"].number<std::uint64_t>();
    for (const auto& [member, time] : explain::cost_times)
        cost.*time = nanoseconds(value[member].number<nanoseconds::rep>());
    return cost;
}

Preferences read_preferences(const Value& value)
{
    Preferences preferences;
    preferences.prefer = value["prefer"].texts();
    preferences.forbid = value["forbid"].texts();
    preferences.fall_back = value["fall_back"].flag();
    preferences.constraints = read_constraints(value["constraints"]);
    preferences.cpu_costs = value["cpu_costs"].list(read_cost);
    return preferences;
}

ResolvedPurpose read_purpose(const Value& value)
{
    const std::string name = value["purpose"].text();
    const auto purpose = parse_purpose(name);
    if (!purpose)
        value["purpose"].reject(text::format("is '{}', which is not a known name", name));
    return {purpose.value_or(Purpose::none), value["uses"].texts(), value["left_out"].list(read_use)};
}

NearestConversion read_nearest(const Value& value)
{
    return {read_arrangement(value["arrangement"]), value["taken_by"].number<std::uint32_t>(),
            value["lacking"].list([](const Value& each) {
                return NearestConversion::Lacking{each["use"].text(), each["has"].list(read_arrangement)};
            })};
}

CpuCostEffect read_effect(const Value& value)
{
    return {value["kind"].one_of(CpuCostEffect::Kind::no_cpu_use, CpuCostEffect::Kind::changed),
            value["access"].one_or_none(Access::read, Access::read_write), value["without"].text_or_empty()};
}

Request read_request(const Value& value)
{
    Request request;
    request.format = read_format(value["format"]);
    request.width = value["width"].number<std::uint32_t>();
    request.height = value["height"].number<std::uint32_t>();
    request.count = value["count"].number<std::uint32_t>();
    request.lines_before = value["lines_before"].number<std::uint32_t>();
    request.lines_after = value["lines_after"].number<std::uint32_t>();
    request.alternatives = value["alternatives"].list(read_format);
    return request;
}

Report read_report(const Value& value)
{
    Report report;
    if (const Value version = value["schema"]; version.number<unsigned>() != json_schema)
        version.reject(text::format("is not {}", json_schema));
    report.request = read_request(value["request"]);
    report.preferences = read_preferences(value["preferences"]);
    report.uses = value["request"]["uses"].texts();
    report.purposes = value["purposes"].list(read_purpose);
    report.layout = value["layout"].maybe(read_layout);
    report.constraints = read_constraints(value["constraints"]);
    report.heaps = value["heaps"].list(read_heap);
    report.set_aside = value["layouts_set_aside"].list([](const Value& entry) {
        return LayoutVerdict{read_layout(entry["layout"]), entry["use"].text(), read_verdict(entry)};
    });
    report.not_served = value["uses_not_served"].list(read_use);
    report.nearest = value["nearest"].maybe(read_nearest);
    report.cpu_cost_effect = value["cpu_cost_effect"].maybe(read_effect);
    return report;
}

template <typename Read>
auto read(std::string_view text, const char* what, Read read_value)
    -> Result<decltype(read_value(std::declval<const Value&>()))>
{
    const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
    std::string mistake;
    if (json.is_discarded())
        mistake = "the text is not JSON";
    auto value = read_value(Value(json, "", mistake));
    if (!mistake.empty())
        return Error::invalid_argument(text::format("read {} from JSON", what), mistake);
    return value;
}

} // namespace

Result<Report> report_from_json(std::string_view text) { return read(text, "a report", read_report); }
Result<HeapInfo> heap_info_from_json(std::string_view text) { return read(text, "a heap", read_heap_info); }
Result<Layout> layout_from_json(std::string_view text) { return read(text, "a layout", read_layout); }
Result<Constraints> constraints_from_json(std::string_view text) { return read(text, "constraints", read_constraints); }
Result<Verdict> verdict_from_json(std::string_view text) { return read(text, "a verdict", read_verdict); }
std::optional<Error> error_from_json(std::string_view text)
{
    // In an optional: a Result<Error> could not tell an error that was read from its own failure.
    const auto found = read(text, "an error", [](const Value& value) { return std::optional(read_error(value)); });
    return found ? *found : std::nullopt;
}

} // namespace commonbuf
