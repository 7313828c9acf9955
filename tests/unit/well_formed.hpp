// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <regex>
#include <string>
#include <vector>

namespace allocinfo {

/// Why a page is no well-formed XML; empty when it is. Knows what such pages hold: tags,
/// quoted attributes and the five named entities.
inline std::string malformed(const std::string& page)
{
    static const std::regex tag(R"(<(/?)([a-zA-Z1-6]+)((?:\s+[a-zA-Z0-9-]+="[^"<]*")*)\s*(/?)>)");
    static const std::regex entity("&(amp|lt|gt|quot|#39);");
    std::vector<std::string> open;
    std::size_t at = page.find("\n") + 1; // behind the document type, or the XML declaration
    while (at < page.size()) {
        if (page[at] == '<') {
            std::smatch match;
            const auto begin = page.begin() + static_cast<std::ptrdiff_t>(at);
            if (!std::regex_search(begin, page.end(), match, tag, std::regex_constants::match_continuous))
                return "no tag: " + page.substr(at, 60);
            if (match[1].length() != 0) {
                if (open.empty() || open.back() != match[2])
                    return "closes " + match[2].str() + " in " + (open.empty() ? "nothing" : open.back());
                open.pop_back();
            } else if (match[4].length() == 0) {
                open.push_back(match[2]);
            }
            at += static_cast<std::size_t>(match.length());
        } else {
            if (page[at] == '&' &&
                !std::regex_search(page.substr(at, 8), entity, std::regex_constants::match_continuous))
                return "no entity: " + page.substr(at, 20);
            if (static_cast<unsigned char>(page[at]) < 0x20 && page[at] != '\n' && page[at] != '\t')
                return "a control character";
            ++at;
        }
    }
    return open.empty() ? "" : open.back() + " stays open";
}

} // namespace allocinfo
