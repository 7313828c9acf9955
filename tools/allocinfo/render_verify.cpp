// SPDX-License-Identifier: MIT
//
// What verify found: the choice, and one line for each use.
#include "page.hpp"

namespace allocinfo {
namespace {

using commonbuf::text::format;

std::string line(const Json& use)
{
    const auto word = [&use](const char* member) { return text(use[member]); };
    const std::string name = text(use["use"]);
    const std::string result = word("result");
    if (result == "same")
        return format("{}: same, {} frames compared with {}{}", name, use["frames"].get<unsigned>(), word("stage"),
                      use["reason"].is_null() ? "" : "; " + word("reason"));
    if (result == "not-checked")
        return format("{}: not checked: {}", name, word("reason"));
    if (result == "failed")
        return format("{}: failed: {}", name, word("reason"));
    std::string words = format("{}: different, {} wrong bytes in {} frames", name,
                               use["wrong_bytes"].get<std::uint64_t>(), use["frames"].get<unsigned>());
    if (const Json& first = use["first"]; !first.is_null())
        words += format("; first in frame {} at plane {}, row {}, byte {}: {:#04x} instead of {:#04x}",
                        first["frame"].get<unsigned>(), first["plane"].get<unsigned>(), first["row"].get<unsigned>(),
                        first["byte"].get<std::uint64_t>(), first["found"].get<unsigned>(),
                        first["expected"].get<unsigned>());
    words += format("; cause: {}", use["cause"].is_null() ? "unknown" : word("cause"));
    return use["reason"].is_null() ? words : words + ": " + word("reason");
}

} // namespace

void render_verification(Page& page, const Json& document)
{
    const Json& request = document.contains("request") ? document["request"] : document["verification"];
    const Json& verification = document["verification"];
    if (verification["heap"].is_null())
        page.line(0, "verify: nothing could be checked");
    else
        page.line(0, "verify {} {}x{} on heap {} ({}), {} buffers, stride {}", text(request["format"]),
                  plain(request["width"]), plain(request["height"]), text(verification["heap"]),
                  text(document["chosen"]["verdict"]), plain(verification["buffers"]),
                  plain(document["layout"]["planes"][0]["stride"]));
    for (const Json& use : verification["uses"]) {
        page.line(1, "{}", line(use));
        if (!use["known"].is_null())
            page.line(2, "remembered as {}", text(use["known"]));
        else if (!use["known_reason"].is_null())
            page.line(2, "not remembered: {}", text(use["known_reason"]));
    }
}

} // namespace allocinfo
