// SPDX-License-Identifier: MIT
#include "dump.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <limits>
#include <set>
#include <stdexcept>

namespace replay {
namespace {

using Json = nlohmann::json;

/// Does not leave this file: read_dump() makes an error of it.
struct Wrong : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// A value with the way to it, for messages. A member that is missing reads as null.
class Value {
public:
    Value(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

    [[noreturn]] void reject(const std::string& why) const { throw Wrong(where_ + " " + why); }

    bool is_null() const { return json_.is_null(); }

    Value operator[](const std::string& name) const
    {
        static const Json none;
        if (!json_.is_object())
            reject("is no object");
        const auto member = json_.find(name);
        return {member != json_.end() ? *member : none, where_.empty() ? name : where_ + "." + name};
    }

    std::vector<Value> elements() const
    {
        std::vector<Value> all;
        if (is_null())
            return all;
        if (!json_.is_array())
            reject("is no list");
        for (std::size_t i = 0; i < json_.size(); ++i)
            all.emplace_back(json_[i], where_ + "[" + std::to_string(i) + "]");
        return all;
    }

    std::string text() const
    {
        if (!json_.is_string())
            reject("is no text");
        return json_.get<std::string>();
    }
    std::string text_or(const std::string& other) const { return is_null() ? other : text(); }

    template <typename Number>
    Number number(Number least = 0, Number most = std::numeric_limits<Number>::max()) const
    {
        if (!json_.is_number_unsigned())
            reject("is no whole number from 0 on");
        const auto value = json_.get<std::uint64_t>();
        if (value < least || value > most)
            reject("is not between " + std::to_string(least) + " and " + std::to_string(most));
        return static_cast<Number>(value);
    }
    template <typename Number>
    Number number_or(Number other, Number least = 0, Number most = std::numeric_limits<Number>::max()) const
    {
        return is_null() ? other : number<Number>(least, most);
    }
    template <typename Number>
    std::optional<Number> maybe_number(Number least = 0) const
    {
        return is_null() ? std::nullopt : std::optional(number<Number>(least));
    }

    bool flag(bool other) const { return maybe_flag().value_or(other); }
    std::optional<bool> maybe_flag() const
    {
        if (is_null())
            return std::nullopt;
        if (!json_.is_boolean())
            reject("is neither true, false nor null");
        return json_.get<bool>();
    }

    /// The value among `all` that has this name.
    template <typename Enum, std::size_t count>
    Enum one_of(const std::array<Enum, count>& all) const
    {
        const std::string name = text();
        for (const Enum each : all) {
            if (to_string(each) == name)
                return each;
        }
        reject("is '" + name + "', which nobody knows");
    }

private:
    const Json& json_;
    std::string where_;
};

constexpr std::array kinds{cb::HeapKind::dma_heap, cb::HeapKind::udmabuf, cb::HeapKind::drm_dumb, cb::HeapKind::gbm,
                           cb::HeapKind::v4l2,     cb::HeapKind::vulkan,  cb::HeapKind::custom};
constexpr std::array choices{cb::Choice::neither, cb::Choice::without, cb::Choice::with, cb::Choice::either};

/// A category by its name. Dumps of schema 1 have names that were divided later.
cb::Category read_category(const Value& value)
{
    const std::string name = value.text();
    if (name == "exhausted")
        return cb::Category::out_of_memory;
    if (name == "device-lost")
        return cb::Category::device_gone;
    for (auto each = cb::Category::invalid_argument; each <= cb::Category::kernel_failure;
         each = static_cast<cb::Category>(static_cast<int>(each) + 1)) {
        if (to_string(each) == name)
            return each;
    }
    value.reject("is '" + name + "', which nobody knows");
}

int errno_of(const Value& value)
{
    constexpr int most = 200;
    const std::string name = value.text_or("");
    for (int error = 1; error < most && !name.empty(); ++error) {
        if (cb::errno_name(error) == name)
            return error;
    }
    return 0;
}

std::optional<cb::Error> read_error(const Value& value)
{
    if (value.is_null())
        return std::nullopt;
    cb::Error error;
    error.category = read_category(value["category"]);
    error.sys_errno = errno_of(value["errno"]);
    error.call = value["call"].text_or("");
    error.target = value["target"].text_or("");
    error.operation = value["operation"].text_or("");
    error.detail = value["detail"].text_or("");
    error.advice = value["advice"].text_or("");
    return error;
}

cb::MemoryProperties read_memory(const Value& value)
{
    if (value.is_null())
        return {};
    return {value["contiguous"].maybe_flag(), value["cached"].maybe_flag(), value["protected"].maybe_flag(),
            value["address_bits"].maybe_number<std::uint32_t>()};
}

HeapRecord read_heap(const Value& value)
{
    HeapRecord heap;
    heap.info.name = value["name"].text();
    heap.info.kind = value["kind"].one_of(kinds);
    heap.info.path = value["path"].text_or("");
    heap.info.scarce = value["scarce"].flag(false);
    heap.info.memory = read_memory(value["memory"]);
    heap.info.same_as = value["same_as"].text_or("");
    heap.info.obstacle = read_error(value["obstacle"]);
    heap.truth = heap.info.memory;
    if (const Value truth = value["truth"]; !truth.is_null()) {
        const cb::MemoryProperties told = read_memory(truth);
        heap.truth.contiguous = told.contiguous ? told.contiguous : heap.truth.contiguous;
        heap.truth.address_bits = told.address_bits ? told.address_bits : heap.truth.address_bits;
        heap.capacity = truth["capacity"].maybe_number<std::uint64_t>();
    }
    return heap;
}

cb::Format read_format(const Value& value)
{
    const auto format = cb::parse_format(value.text());
    if (!format)
        value.reject("is '" + value.text() + "', which is no format that commonbuf knows");
    return *format;
}

/// "LINEAR", or the number behind any other one.
cb::Modifier read_modifier(const Value& value)
{
    const Value number = value["value"];
    const std::string text = number.text();
    std::uint64_t code = 0;
    constexpr int hexadecimal = 16;
    const char* const end = text.data() + text.size();
    if (!text.starts_with("0x") || text.size() == 2 ||
        std::from_chars(text.data() + 2, end, code, hexadecimal).ptr != end)
        number.reject("is '" + text + "', and should be a number such as 0x1");
    return code;
}

cb::Constraint read_constraint(const Value& value)
{
    const auto constraint = cb::parse_constraint(value.text());
    if (!constraint)
        value.reject("is '" + value.text() + "', which nobody knows");
    return *constraint;
}

cb::Constraints read_constraints(const Value& value)
{
    cb::Constraints asked;
    if (value.is_null())
        return asked;
    asked.stride_align = value["stride_align"].number_or<std::uint32_t>(1, 1);
    asked.min_stride = value["min_stride"].number_or<std::uint32_t>(0);
    asked.max_stride = value["max_stride"].number_or(asked.max_stride);
    asked.height_align = value["height_align"].number_or<std::uint32_t>(1, 1);
    asked.offset_align = value["offset_align"].number_or<std::uint64_t>(1, 1);
    asked.size_align = value["size_align"].number_or<std::uint64_t>(1, 1);
    asked.min_size = value["min_size"].number_or<std::uint64_t>(0);
    asked.max_size = value["max_size"].number_or(asked.max_size);
    asked.contiguous = value["contiguous"].flag(false);
    asked.address_bits = value["address_bits"].number_or(asked.address_bits);
    if (!value["cached"].is_null())
        asked.cached = value["cached"].one_of(choices);
    if (!value["protected"].is_null())
        asked.protected_memory = value["protected"].one_of(choices);
    for (const Value& origin : value["origins"].elements())
        asked.add_origin({read_constraint(origin["constraint"]), origin["value"].number<std::uint64_t>(),
                          origin["device"].text_or(""), origin["call"].text_or("")});
    return asked;
}

/// Dumps that are written by hand need no origins: each number gets one here.
void add_origins(cb::Constraints& asked, const std::string& use)
{
    const cb::Constraints nothing;
    const auto note = [&](cb::Constraint constraint, std::uint64_t value, std::uint64_t usual) {
        if (value != usual)
            asked.add_origin({constraint, value, use, "as the dump says"});
    };
    note(cb::Constraint::stride_align, asked.stride_align, nothing.stride_align);
    note(cb::Constraint::min_stride, asked.min_stride, nothing.min_stride);
    note(cb::Constraint::max_stride, asked.max_stride, nothing.max_stride);
    note(cb::Constraint::height_align, asked.height_align, nothing.height_align);
    note(cb::Constraint::offset_align, asked.offset_align, nothing.offset_align);
    note(cb::Constraint::size_align, asked.size_align, nothing.size_align);
    note(cb::Constraint::min_size, asked.min_size, nothing.min_size);
    note(cb::Constraint::max_size, asked.max_size, nothing.max_size);
    note(cb::Constraint::contiguous, asked.contiguous ? 1 : 0, 0);
    note(cb::Constraint::address_bits, asked.address_bits, nothing.address_bits);
    note(cb::Constraint::cached, static_cast<std::uint64_t>(asked.cached), static_cast<std::uint64_t>(nothing.cached));
    note(cb::Constraint::protected_memory, static_cast<std::uint64_t>(asked.protected_memory),
         static_cast<std::uint64_t>(nothing.protected_memory));
}

SupportRecord read_support(const Value& value, const std::string& use)
{
    // Far above every tile; and far below what could overflow.
    constexpr std::uint32_t most = 65536;
    SupportRecord support;
    for (const Value& format : value["formats"].elements())
        support.formats.push_back(read_format(format));
    for (const Value& modifier : value["modifiers"].elements())
        support.modifiers.push_back(read_modifier(modifier));
    if (support.formats.empty() || support.modifiers.empty())
        value.reject("has no format or no modifier");
    const std::string memories = value["memories"].text_or("single");
    if (memories != "single" && memories != "per-plane")
        value["memories"].reject("is neither 'single' nor 'per-plane'");
    support.memories = memories == "single" ? cb::Memories::single : cb::Memories::per_plane;
    support.constraints = read_constraints(value["constraints"]);
    if (support.constraints.origins.empty())
        add_origins(support.constraints, use);
    const Value layout = value["layout"];
    if (layout.is_null())
        return support;
    support.plane_align = layout["plane_align"].number_or<std::uint32_t>(1, 1, most);
    for (const Value& plane : layout["planes"].elements())
        support.planes.push_back({plane["stride_align"].number_or<std::uint32_t>(1, 1, most),
                                  plane["rows_align"].number_or<std::uint32_t>(1, 1, most),
                                  plane["stride_divisor"].number_or<std::uint32_t>(1, 1, most),
                                  plane["rows_divisor"].number_or<std::uint32_t>(1, 1, most)});
    for (const cb::Format format : support.formats) {
        const cb::FormatInfo* info = cb::format_info(format);
        if (info == nullptr || support.planes.size() < info->plane_count || support.planes.size() > cb::max_planes)
            layout.reject("has " + std::to_string(support.planes.size()) + " planes, which does not do for " +
                          cb::to_string(format));
    }
    if (support.memories != cb::Memories::single)
        layout.reject("is for one memory, and the planes are in several");
    return support;
}

UseRecord read_use(const Value& value)
{
    UseRecord use;
    use.name = value["use"].text();
    use.identity = value["identity"].text_or("");
    if (const Value memory = value["memory"]; !memory.is_null()) {
        use.contiguous = memory["contiguous"].maybe_flag();
        use.address_bits = memory["address_bits"].maybe_number<std::uint32_t>(1);
    }
    for (const Value& support : value["support"].elements())
        use.support.push_back(read_support(support, use.name));
    use.error = read_error(value["error"]);
    if (value["support"].is_null() && !use.error)
        value.reject("has neither support nor an error that says why");
    return use;
}

void read_node(const Value& node, std::vector<UseRecord>& uses)
{
    const std::string path = node["path"].text();
    for (const Value& value : node["uses"].elements()) {
        UseRecord use = read_use(value);
        const auto at = use.name.find(path);
        for (const char* name : {"name", "driver"}) {
            if (at != std::string::npos && !node[name].is_null())
                use.aliases.push_back(std::string(use.name).replace(at, path.size(), "@" + node[name].text()));
        }
        uses.push_back(std::move(use));
    }
}

void must_differ(std::set<std::string>& names, const std::string& name)
{
    if (!names.insert(name).second)
        throw Wrong("the name " + name + " stands there twice");
}

Dump read(const Value& value)
{
    // In schema 1 errors had neither call nor target, and other names for some categories.
    constexpr unsigned first_schema = 1;
    constexpr std::uint32_t most_pixels = 65536;
    if (value["command"].text_or("") != "devices")
        value["command"].reject("is not 'devices'");
    if (const auto schema = value["schema"].number<unsigned>(); schema < first_schema || schema > cb::json_schema)
        value["schema"].reject("is not between 1 and " + std::to_string(cb::json_schema));
    if (value["heaps"].is_null())
        value["heaps"].reject("is missing: an older allocinfo made this");
    Dump dump;
    dump.size.width = value["width"].number<std::uint32_t>(1, most_pixels);
    dump.size.height = value["height"].number<std::uint32_t>(1, most_pixels);
    std::set<std::string> names;
    for (const Value& heap : value["heaps"].elements()) {
        dump.heaps.push_back(read_heap(heap));
        must_differ(names, dump.heaps.back().info.name);
    }
    for (const char* kind : {"v4l2", "drm"}) {
        for (const Value& node : value[kind].elements())
            read_node(node, dump.uses);
    }
    names.clear();
    for (const UseRecord& use : dump.uses)
        must_differ(names, use.name);
    return dump;
}

} // namespace

cb::Result<Dump> read_dump(const std::string& text)
{
    const std::string operation = "read a dump of devices";
    try {
        const Json json = Json::parse(text);
        if (!json.is_object())
            throw Wrong("it is no JSON object");
        return read(Value(json, ""));
    } catch (const std::exception& error) {
        return cb::Error::invalid_argument(operation, error.what(), "write it with 'allocinfo devices --json'");
    }
}

} // namespace replay
