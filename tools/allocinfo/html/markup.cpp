// SPDX-License-Identifier: MIT
#include "markup.hpp"

namespace allocinfo {

Markup Markup::raw(std::string markup)
{
    Markup result;
    result.text_ = std::move(markup);
    return result;
}

void Markup::append(std::string_view words)
{
    for (const char byte : words) {
        switch (byte) {
        case '&': text_ += "&amp;"; break;
        case '<': text_ += "&lt;"; break;
        case '>': text_ += "&gt;"; break;
        case '"': text_ += "&quot;"; break;
        case '\'': text_ += "&#39;"; break;
        case '\n':
        case '\t': text_ += byte; break;
        default:
            // HTML forbids other control characters, even escaped.
            if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f)
                text_ += "\xEF\xBF\xBD"; // U+FFFD
            else
                text_ += byte;
        }
    }
}

Markup element(std::string_view name, std::initializer_list<Attribute> attributes,
               std::initializer_list<Markup> content)
{
    std::string result = "<";
    result += name;
    for (const auto& [key, value] : attributes) {
        result += ' ';
        result += key;
        result += "=\"" + Markup(value).str() + '"';
    }
    // Only void elements may close themselves in HTML.
    const bool is_void = name == "meta" || name == "br" || name == "wbr" || name == "hr" || name == "rect" ||
                         name == "line" || name == "path";
    if (is_void)
        return Markup::raw(result + "/>");
    result += '>';
    for (const Markup& part : content)
        result += part.str();
    result += "</";
    result += name;
    return Markup::raw(result + '>');
}

} // namespace allocinfo
