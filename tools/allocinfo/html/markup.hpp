// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace allocinfo {

/// Text that is safe inside a page. Strings are escaped on conversion, so that names of devices
/// cannot become markup.
class Markup {
public:
    Markup() = default;
    // Implicit, so that escaping cannot be forgotten.
    Markup(std::string_view words) { append(words); }
    Markup(const std::string& words) { append(words); }
    Markup(const char* words) { append(words); }

    /// Takes markup that the program itself wrote.
    static Markup raw(std::string markup);

    Markup& operator+=(const Markup& more)
    {
        text_ += more.text_;
        return *this;
    }

    friend Markup operator+(Markup a, const Markup& b)
    {
        a += b;
        return a;
    }

    bool empty() const noexcept { return text_.empty(); }
    const std::string& str() const noexcept { return text_; }

private:
    void append(std::string_view words);

    std::string text_;
};

/// An attribute's name, which the program wrote, and its value, which is escaped.
using Attribute = std::pair<std::string_view, std::string>;

/// `<name attribute="value">content</name>`; well-formed as XML too.
Markup element(std::string_view name, std::initializer_list<Attribute> attributes,
               std::initializer_list<Markup> content = {});

/// The same without attributes. It has its own name because braces would be ambiguous.
inline Markup wrap(std::string_view name, std::initializer_list<Markup> content) { return element(name, {}, content); }

} // namespace allocinfo
