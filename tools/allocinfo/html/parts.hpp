// SPDX-License-Identifier: MIT
#pragma once

#include "markup.hpp"
#include "../model.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// The sections of the page, and what they share.
namespace allocinfo::html {

/// A word or a number of the document; `otherwise` for null.
std::string words(const Json& value, const std::string& otherwise = "");

/// An unsigned number of the document; 0 for anything else.
std::uint64_t number(const Json& value);

/// "3 686 400".
std::string grouped(std::uint64_t value);

/// "3 686 400 bytes (3.5 MiB)".
std::string bytes(std::uint64_t value);

/// A verdict's sign and words.
struct Spelled {
    const char* sign;
    const char* meaning;
};
Spelled spelled(const Json& verdict);

/// A verdict's colour, sign and words: never only the colour.
Markup badge(const Json& verdict);

/// The class of style.hpp for a verdict: "verified", "proved", "accepted", "refused" or "untried".
std::string verdict_class(const Json& verdict);

/// A long name that may break over lines after '_', '/' and ':'.
Markup breakable(std::string_view name);

/// "at VIDIOC_PREPARE_BUF with EFAULT: the reason; 4 096 bytes needed, 0 offered".
Markup because(const Json& verdict);

/// A column's title, and whether it holds numbers.
struct Column {
    const char* title;
    bool numbers = false;
};

/// A table that scrolls if it is wider than the page.
Markup table(std::initializer_list<Column> head, const Markup& rows);

Markup section(const std::string& id, const std::string& title, std::initializer_list<Markup> content);

/// The heaps x uses matrix.
Markup matrix(const Json& document);

/// Why the heaps stand in this order, and every verdict in full.
Markup verdicts(const Json& document);

/// The memories and planes, drawn to scale, and their numbers.
Markup layout(const Json& layout);

/// What devices ask of the layout and the memory.
Markup constraints(const Json& constraints);

/// The page's style sheet.
extern const char* const style;

} // namespace allocinfo::html
