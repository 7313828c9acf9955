// SPDX-License-Identifier: MIT
//
// JSON back into values. A Value remembers its place in the document; the first mistake found
// anywhere is kept, and reading goes on with defaults, so that no path needs an exception.
#include "base/names.hpp"
#include "base/text.hpp"
#include "explain/members.hpp"

#include <commonbuf/explain.hpp>

#include <nlohmann/json.hpp>

#include <charconv>
#include <limits>

namespace commonbuf {
namespace {

using Json = nlohmann::json;
using std::chrono::nanoseconds;

std::optional<std::uint64_t> parse_hex(std::string_view text)
{
    constexpr int base = 16;
    std::uint64_t value = 0;
    if (!text.starts_with("0x"))
        return std::nullopt;
    const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), value, base);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

class Value {
public:
    Value(const Json& json, std::string place, std::string& mistake)
        : json_(&json),
          place_(std::move(place)),
          mistake_(&mistake)
    {}

    template <typename T>
    void operator()(const char* name, T& to) const
    {
        (*this)[name].read(to);
    }
    template <typename T>
    void or_null(const char* name, T& to, T none = {}) const
    {
        to = (*this)[name].get<std::optional<T>>().value_or(std::move(none));
    }
    void if_any(const char* name, std::uint32_t& to) const
    {
        to = 0;
        if (json_->is_object() && json_->contains(name))
            (*this)(name, to);
    }
    void error_number(const char* name, int& to) const
    {
        constexpr int max_errno = 4095; // MAX_ERRNO of the kernel
        const Value value = (*this)[name];
        to = 0;
        if (value.json_->is_null())
            return;
        const auto wanted = value.get<std::string>();
        while (++to <= max_errno) {
            if (errno_name(to) == wanted)
                return;
        }
        to = 0;
        value.reject(text::format("is '{}', which is not an error of the system", wanted));
    }
    template <typename Element, std::size_t size>
    void counted(const char* name, std::array<Element, size>& to, std::uint32_t& count) const
    {
        const Value value = (*this)[name];
        const auto all = value.get<std::vector<Element>>();
        if (all.size() > size)
            return value.reject(text::format("has {} elements; {} are possible", all.size(), size));
        std::copy(all.begin(), all.end(), to.begin());
        count = static_cast<std::uint32_t>(all.size());
    }
    template <typename... Make>
    void derived(const char* /*name*/, Make... /*make*/) const
    {}

    template <typename T>
    T get() const
    {
        T value{};
        read(value);
        return value;
    }
    void read(std::string& to) const
    {
        if (json_->is_string())
            to = json_->get<std::string>();
        else
            reject("is not text");
    }
    void read(bool& to) const
    {
        if (json_->is_boolean())
            to = json_->get<bool>();
        else
            reject("is neither true nor false");
    }
    template <std::integral Number>
    void read(Number& to) const
    {
        constexpr Number max = std::numeric_limits<Number>::max();
        if (!json_->is_number_unsigned() || json_->get<std::uint64_t>() > std::uint64_t{max})
            reject(text::format("is not a whole number from 0 to {}", max));
        else
            to = json_->get<Number>();
    }
    void read(nanoseconds& to) const { to = nanoseconds(get<nanoseconds::rep>()); }
    void read(Format& to) const
    {
        constexpr std::string_view v4l2 = "v4l2:";
        // "0x" and eight digits, which no name is.
        constexpr std::size_t code_size = 10;
        const auto name = get<std::string>();
        const bool of_v4l2 = name.starts_with(v4l2);
        const std::string_view rest = std::string_view(name).substr(of_v4l2 ? v4l2.size() : 0);
        if (const auto code = rest.size() == code_size ? parse_hex(rest) : std::nullopt) {
            to = static_cast<std::uint32_t>(*code);
            to.is_v4l2 = of_v4l2;
        } else {
            take(to, parse_format(name), text::format("is '{}', which is not a known format", name));
        }
    }
    void read(Modifier& to) const
    {
        const auto digits = get<std::string>();
        take(to, parse_hex(digits), text::format("is '{}', which is not a number such as 0x1", digits));
    }
    void read(Memories& to) const
    {
        const auto name = get<std::string>();
        if (name != "single" && name != "per-plane")
            reject("is neither 'single' nor 'per-plane'");
        to = name == "per-plane" ? Memories::per_plane : Memories::single;
    }
    void read(Purpose& to) const
    {
        const auto name = get<std::string>();
        take(to, parse_purpose(name), text::format("is '{}', which is not a known name", name));
    }
    /// Null reads as none.
    template <typename T>
    void read(std::optional<T>& to) const
    {
        to = json_->is_null() ? std::nullopt : std::optional(get<T>());
    }
    /// Null reads as an empty list.
    template <typename T>
    void read(std::vector<T>& to) const
    {
        if (json_->is_null())
            return;
        if (!json_->is_array())
            return reject("is not a list");
        for (std::size_t i = 0; i < json_->size(); ++i)
            to.push_back(Value((*json_)[i], text::format("{}[{}]", place_, i), *mistake_).get<T>());
    }
    void read(Report& to) const
    {
        if (const Value version = (*this)["schema"]; version.get<unsigned>() != json_schema)
            version.reject(text::format("is not {}", json_schema));
        explain::members(*this, to);
        (*this)["request"]("uses", to.uses);
    }
    template <typename T>
    void read(T& to) const
    {
        if constexpr (std::is_enum_v<T>) {
            const auto name = get<std::string>();
            take(to, find_named<T>(name), text::format("is '{}', which is not a known name", name));
        } else {
            explain::members(*this, to);
        }
    }

private:
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
    void reject(std::string_view why) const
    {
        if (mistake_->empty())
            *mistake_ = text::format("{} {}", place_.empty() ? "the document" : place_, why);
    }
    template <typename T, typename Found>
    void take(T& to, const std::optional<Found>& found, std::string_view otherwise) const
    {
        if (found)
            to = *found;
        else
            reject(otherwise);
    }

    const Json* json_;
    std::string place_;
    std::string* mistake_;
};

template <typename T>
Result<T> read(std::string_view text, const char* what)
{
    const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
    std::string mistake;
    if (json.is_discarded())
        mistake = "the text is not JSON";
    auto value = Value(json, "", mistake).get<T>();
    if (!mistake.empty())
        return Error::invalid_argument(text::format("read {} from JSON", what), mistake);
    return value;
}

} // namespace

Result<Report> report_from_json(std::string_view text) { return read<Report>(text, "a report"); }
Result<HeapInfo> heap_info_from_json(std::string_view text) { return read<HeapInfo>(text, "a heap"); }
Result<Layout> layout_from_json(std::string_view text) { return read<Layout>(text, "a layout"); }
Result<Constraints> constraints_from_json(std::string_view text) { return read<Constraints>(text, "constraints"); }
Result<Verdict> verdict_from_json(std::string_view text) { return read<Verdict>(text, "a verdict"); }
std::optional<Error> error_from_json(std::string_view text)
{
    // In an optional: a Result<Error> could not tell an error that was read from its own failure.
    const auto found = read<std::optional<Error>>(text, "an error");
    return found ? *found : std::nullopt;
}

} // namespace commonbuf
