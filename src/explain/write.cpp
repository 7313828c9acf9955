// SPDX-License-Identifier: MIT
//
// Values as JSON. docs/plan.schema.json describes every member.
#include "base/text.hpp"
#include "explain/explain.hpp"
#include "explain/members.hpp"

#include <commonbuf/explain.hpp>

#include <nlohmann/json.hpp>

namespace commonbuf {
namespace {

using Json = nlohmann::ordered_json;

class Writer {
public:
    template <typename Value>
    void operator()(const char* name, const Value& value)
    {
        object_[name] = write(value);
    }
    template <typename Value>
    void or_null(const char* name, const Value& value, const Value& none = {})
    {
        object_[name] = value == none ? Json(nullptr) : write(value);
    }
    void if_any(const char* name, std::uint32_t number)
    {
        if (number != 0)
            object_[name] = number;
    }
    void error_number(const char* name, int error)
    {
        object_[name] = error == 0 ? Json(nullptr) : Json(errno_name(error));
    }
    template <typename Values>
    void counted(const char* name, const Values& values, std::size_t count)
    {
        object_[name] = list(std::span(values).first(count));
    }
    template <typename Make>
    void derived(const char* name, Make make)
    {
        object_[name] = make();
    }
    void derived(const char* name) { object_[name] = nullptr; }

    static Json write(const std::string& text) { return text; }
    static Json write(const std::integral auto& number) { return number; }
    static Json write(std::chrono::nanoseconds time) { return time.count(); }
    static Json write(Modifier modifier) { return text::format("{:#x}", modifier.value); }
    static Json write(Memories memories) { return memories == Memories::single ? "single" : "per-plane"; }

    /// Names a format so that it can be read back: "NV12", or its code if it has no such name:
    /// "0x34325258", "v4l2:0x00000001".
    static Json write(Format format)
    {
        std::string name = to_string(format);
        if (parse_format(name) == format)
            return name;
        return text::format("{}{:#010x}", format.is_v4l2 ? "v4l2:" : "", format.fourcc);
    }
    static Json write(const Layout& layout)
    {
        Json object = members_of(layout);
        const FormatInfo* info = format_info(layout.format);
        for (std::size_t i = 0; i < layout.plane_count; ++i) {
            // Rows are rows only in a linear layout.
            const bool rows = info != nullptr && i < info->plane_count && layout.modifier == linear;
            Json& plane = object["planes"][i];
            plane["row_bytes"] = rows ? Json(min_stride(*info, i, layout.width)) : Json(nullptr);
            plane["rows"] = rows ? Json(plane_rows(*info, i, layout.height)) : Json(nullptr);
        }
        return object;
    }
    template <typename Value>
    static Json write(const std::optional<Value>& value)
    {
        return value ? write(*value) : Json(nullptr);
    }
    template <typename Value>
    static Json write(const std::vector<Value>& values)
    {
        return list(values);
    }
    template <typename Value>
    static Json write(const Value& value)
    {
        if constexpr (std::is_enum_v<Value>)
            return to_string(value);
        else
            return members_of(value);
    }

private:
    template <typename Value>
    static Json members_of(const Value& value)
    {
        Writer writer;
        explain::members(writer, value);
        return std::move(writer.object_);
    }
    template <typename Values>
    static Json list(const Values& values)
    {
        Json array = Json::array();
        for (const auto& value : values)
            array.push_back(write(value));
        return array;
    }

    Json object_ = Json::object();
};

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json write(const Report& report, const Error* error)
{
    Json object = Writer::write(report);
    const Answer first = answer(report);
    object["answer"] = {{"headline", first.headline}, {"reason", text_or_null(first.reason)}};
    object["request"]["uses"] = report.uses;
    if (error == nullptr && !report.heaps.empty() && report.heaps.front().verdict.serves())
        object["chosen"] = {{"heap", report.heaps.front().heap.name},
                            {"kind", to_string(report.heaps.front().heap.kind)},
                            {"verdict", to_string(report.heaps.front().verdict.outcome)}};
    for (std::size_t i = 0; i < report.heaps.size(); ++i)
        object["heaps"][i]["why_below"] = text_or_null(why_below(report, i));
    if (report.nearest)
        object["nearest"]["text"] = explain::describe(*report.nearest, report.uses.size());
    if (report.cpu_cost_effect)
        object["cpu_cost_effect"]["text"] =
            report.heaps.empty() ? "" : explain::describe(*report.cpu_cost_effect, report.heaps);
    if (error != nullptr)
        object["error"] = Writer::write(*error);
    return object;
}

std::string dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

} // namespace

std::string to_json(const Report& report, const Error* error) { return dump(write(report, error)); }
std::string to_json(const HeapInfo& heap) { return dump(Writer::write(heap)); }
std::string to_json(const Layout& layout) { return dump(Writer::write(layout)); }
std::string to_json(const Constraints& constraints) { return dump(Writer::write(constraints)); }
std::string to_json(const Error& error) { return dump(Writer::write(error)); }
std::string to_json(const Verdict& verdict) { return dump(Writer::write(verdict)); }

} // namespace commonbuf
