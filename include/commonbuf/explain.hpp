// SPDX-License-Identifier: MIT
#pragma once

/// Reports and errors for people and for programs: sentences, and JSON that is read back.

#include <commonbuf/constraints.hpp>
#include <commonbuf/error.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/heap_info.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/report.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/verdict.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace commonbuf {

/// What a report says first.
struct Answer {
    std::string headline; ///< the heap that serves and the layout, or that none serves
    std::string reason;   ///< the one reason that decided
};

/// Give the answer of a report in two lines: the heap, and what puts it above the next one. If no
/// heap serves, the reason is that of the nearest heap, or of the nearest conversion.
COMMONBUF_API Answer answer(const Report& report);

/// Say in a sentence which key puts a heap of a report below the one above it. Empty for the first
/// heap, and for an index beyond the last.
COMMONBUF_API std::string why_below(const Report& report, std::size_t heap);

/// Say in words how heaps are ranked.
COMMONBUF_API std::string_view ranking_rule() noexcept;

/// The version of the JSON below, as its member "schema" says. It is raised if a member changes
/// its meaning or goes away; new members may come at any time.
inline constexpr unsigned json_schema = 3;

/// Write a value as JSON, as docs/plan.schema.json describes it.
///
/// Members that follow from others are for readers without this library ("chosen", "message",
/// "why_below"...) and are not read back. What is not known is null. Bytes that are not UTF-8
/// become U+FFFD. An Error is written without its report. A report that belongs to an error has the
/// error as its member "error".
COMMONBUF_API std::string to_json(const Report& report, const Error* error = nullptr);
COMMONBUF_API std::string to_json(const HeapInfo& heap);
COMMONBUF_API std::string to_json(const Layout& layout);
COMMONBUF_API std::string to_json(const Constraints& constraints);
COMMONBUF_API std::string to_json(const Verdict& verdict);
COMMONBUF_API std::string to_json(const Error& error);

/// Read a value back: it equals the one that was written. Unknown members are ignored; a missing
/// one reads as null.
///
/// The text may come from anybody. Sizes and counts are those that it says: pass a layout through
/// check() before memory is accessed by it. Errors: invalid_argument, with the place in the document.
COMMONBUF_API Result<Report> report_from_json(std::string_view text);
COMMONBUF_API Result<HeapInfo> heap_info_from_json(std::string_view text);
COMMONBUF_API Result<Layout> layout_from_json(std::string_view text);
COMMONBUF_API Result<Constraints> constraints_from_json(std::string_view text);
COMMONBUF_API Result<Verdict> verdict_from_json(std::string_view text);

/// The same for an error; none if the text is not one.
COMMONBUF_API std::optional<Error> error_from_json(std::string_view text);

} // namespace commonbuf
