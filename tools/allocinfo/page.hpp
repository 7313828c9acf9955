// SPDX-License-Identifier: MIT
#pragma once

#include "render.hpp"
#include "text.hpp"

#include <string>
#include <vector>

namespace allocinfo {

/// A string of a document, without control characters; `otherwise` for null.
std::string text(const Json& value, const char* otherwise = "");

/// A number or a word as people read it; `otherwise` for null.
std::string plain(const Json& value, const char* otherwise = "unknown");

/// The words of an array, or "none".
std::string list(const Json& array);

/// A line and the lines below it.
struct Branch {
    std::string text;
    std::vector<Branch> children;

    template <typename... Arguments>
    Branch& add(fmt::format_string<Arguments...> pattern, Arguments&&... arguments)
    {
        children.push_back({commonbuf::text::format(pattern, std::forward<Arguments>(arguments)...), {}});
        return children.back();
    }
};

/// Lines for a terminal.
class Page {
public:
    explicit Page(Colour colour) : colour_(colour) {}

    template <typename... Arguments>
    void line(std::size_t depth, fmt::format_string<Arguments...> pattern, Arguments&&... arguments)
    {
        constexpr std::size_t indent = 4;
        text_.append(depth * indent, ' ');
        text_ += commonbuf::text::format(pattern, std::forward<Arguments>(arguments)...);
        text_ += '\n';
    }

    /// Prints a branch as a tree.
    void tree(const Branch& root);

    std::string bold(const std::string& words) const { return paint("1", words); }
    std::string faint(const std::string& words) const { return paint("2", words); }
    std::string good(const std::string& words) const { return paint("32", words); }
    std::string fair(const std::string& words) const { return paint("33", words); }
    std::string bad(const std::string& words) const { return paint("31", words); }

    /// "verified", "proved", "accepted, not proved", "refused" or "not tried".
    std::string verdict(const std::string& outcome) const;

    std::string take() { return std::move(text_); }

private:
    std::string paint(const char* code, const std::string& words) const;
    void below(const Branch& branch, const std::string& indent);

    Colour colour_;
    std::string text_;
};

/// "refused at VIDIOC_PREPARE_BUF with EFAULT: the reason".
std::string verdict_line(const Page& page, const Json& entry);

/// Whether one of a heap's uses decided its verdict, and not a failure of the heap itself.
bool decided_by_use(const Json& heap);

/// "system (dma-heap)".
std::string heap_title(const Page& page, const Json& heap);

/// Who asks for what: "min_stride 5120: v4l2:/dev/video0:capture (VIDIOC_TRY_FMT)".
void add_origins(Branch& branch, const Page& page, const Json& origins);

void render_plan(Page& page, const Json& document);
void render_constraints(Page& page, const Json& document);
void render_doctor(Page& page, const Json& document);
void render_costs(Page& page, const Json& document);
void render_timeline(Page& page, const Json& document);
void render_verification(Page& page, const Json& document);

} // namespace allocinfo
