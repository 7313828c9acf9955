// SPDX-License-Identifier: MIT
#include "document.hpp"

#include "../page.hpp"

#include <algorithm>
#include <array>

namespace allocinfo::doctor {
namespace {

constexpr std::array<const char*, 4> severities{"ok", "note", "warning", "problem"};

const char* name(Severity severity) { return severities.at(static_cast<std::size_t>(severity)); }

} // namespace

Json document(const std::vector<Finding>& findings)
{
    Json result = {{"schema", schema}, {"command", "doctor"}};
    result["worst"] = name(Severity::ok);
    Severity worst = Severity::ok;
    result["findings"] = Json::array();
    for (const Finding& finding : findings) {
        worst = std::max(worst, finding.severity);
        result["findings"].push_back({
            {"severity", name(finding.severity)},
            {"topic", finding.topic},
            {"looked_at", finding.looked_at},
            {"found", finding.found},
            {"advice", finding.advice.empty() ? Json(nullptr) : Json(finding.advice)},
            {"commands", finding.commands},
        });
    }
    result["worst"] = name(worst);
    return result;
}

} // namespace allocinfo::doctor

namespace allocinfo {

void render_doctor(Page& page, const Json& document)
{
    const auto paint = [&](const std::string& severity) {
        const std::string padded = commonbuf::text::format("{:<7}", severity);
        if (severity == "ok")
            return page.good(padded);
        if (severity == "note")
            return page.faint(padded);
        return severity == "warning" ? page.fair(padded) : page.bad(padded);
    };
    for (const Json& finding : document["findings"]) {
        page.line(0, "{}  {}: {}", paint(text(finding["severity"])), page.bold(text(finding["looked_at"])),
                  text(finding["found"]));
        if (finding["advice"].is_string())
            page.line(2, " what to do: {}", text(finding["advice"]));
        for (const Json& command : finding["commands"])
            page.line(3, " {}", text(command));
    }
}

} // namespace allocinfo
