// SPDX-License-Identifier: MIT
#include "plan/verdict_cache.hpp"

#include "base/names.hpp"
#include "base/text.hpp"
#include "os/file.hpp"
#include "os/os.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace commonbuf {
namespace {

/// Every version of the file begins so.
constexpr std::string_view magic = "commonbuf verdicts ";
constexpr std::string_view first_line = "commonbuf verdicts 4";

/// A line that is another one after every boot. If a driver is loaded again without a boot, the
/// identity of its devices changes.
std::string boot_line() { return "boot " + os::read_text("/proc/sys/kernel/random/boot_id").value_or("unknown"); }

/// A text without the characters that separate fields and lines.
std::string field(std::string text)
{
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
    return text;
}

std::vector<std::string_view> split(std::string_view text, char separator)
{
    std::vector<std::string_view> parts;
    while (true) {
        const auto end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos)
            return parts;
        text.remove_prefix(end + 1);
    }
}

template <typename Number>
std::optional<Number> number(std::string_view text)
{
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// A field that may be empty, as `parse` reads it. Clears `good` for what it cannot read.
template <typename Value, typename Parse>
void take(std::string_view text, Parse parse, std::optional<Value>& to, bool& good)
{
    to = text.empty() ? std::nullopt : parse(text);
    good = good && (text.empty() || to);
}

/// The name of a value, or its number.
template <typename Value>
std::string or_empty(std::optional<Value> value)
{
    if constexpr (std::is_enum_v<Value>)
        return std::string(value ? to_string(*value) : std::string_view());
    else
        return value ? std::to_string(*value) : std::string();
}

/// What stands behind the key of a line. Nothing if it is not a verdict of ours.
std::optional<Verdict> parse_verdict(std::span<const std::string_view> fields)
{
    const auto outcome = find_named<Outcome>(fields[0]);
    const auto error = number<int>(fields[2]);
    if (!outcome || !error)
        return std::nullopt;
    Verdict verdict{
        .outcome = *outcome, .call = std::string(fields[6]), .sys_errno = *error, .reason = std::string(fields[7])};
    bool good = true;
    take(fields[1], find_named<Category>, verdict.category, good);
    take(fields[3], number<std::uint64_t>, verdict.needed, good);
    take(fields[4], number<std::uint64_t>, verdict.offered, good);
    take(fields[5], parse_constraint, verdict.constraint, good);
    return good ? std::optional(std::move(verdict)) : std::nullopt;
}

std::string print_verdict(const Verdict& verdict)
{
    return text::format("{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}", to_string(verdict.outcome), or_empty(verdict.category),
                        verdict.sys_errno, or_empty(verdict.needed), or_empty(verdict.offered),
                        or_empty(verdict.constraint), field(verdict.call), field(verdict.reason));
}

} // namespace

std::string class_of(const Layout& layout)
{
    std::string text = text::format("{:x}{} {:x} {}x{}", layout.format.fourcc, layout.format.is_v4l2 ? "v" : "",
                                    layout.modifier.value, layout.width, layout.height);
    for (const Plane& plane : layout.used_planes())
        text += text::format(" {}:{}+{}/{}", plane.memory, plane.offset, plane.stride, plane.size);
    for (const std::uint64_t size : layout.used_memories())
        text += text::format(" {}", size);
    if (layout.lines_before != 0 || layout.lines_after != 0 || layout.rows != 0)
        text += text::format(" ~{}:{}:{}", layout.lines_before, layout.lines_after, layout.rows);
    return text;
}

std::optional<Verdict> VerdictCache::find(const std::string& identity, const std::string& heap,
                                          const std::string& layout) const
{
    if (identity.empty() || heap.empty())
        return std::nullopt;
    const std::lock_guard lock(mutex_);
    const auto of_layout = verdicts_.find(layout);
    if (of_layout == verdicts_.end())
        return std::nullopt;
    const auto found = of_layout->second.find(KeyView(identity, heap));
    return found != of_layout->second.end() ? std::optional(found->second) : std::nullopt;
}

void VerdictCache::remember(const std::string& identity, const std::string& heap, const std::string& layout,
                            const Verdict& verdict)
{
    // A program that always plans for new sizes starts again with an empty cache one day.
    constexpr std::size_t max_layouts = 1024;
    if (identity.empty() || heap.empty() || !verdict.is_lasting())
        return;
    const std::lock_guard lock(mutex_);
    if (verdicts_.size() >= max_layouts)
        verdicts_.clear();
    verdicts_[layout][{identity, heap}] = verdict;
    if (!path_.empty())
        changes_[layout][{identity, heap}] = verdict;
}

bool VerdictCache::replace(const std::string& identity, const std::string& heap, const std::string& layout,
                           const Verdict& verdict)
{
    if (identity.empty() || heap.empty() || !verdict.is_lasting())
        return false;
    if (!verdict.serves()) {
        const std::lock_guard lock(mutex_);
        if (const auto of_layout = verdicts_.find(layout); of_layout != verdicts_.end())
            of_layout->second.erase({identity, scattered});
        if (!path_.empty())
            changes_[layout][{identity, scattered}] = std::nullopt;
    }
    remember(identity, heap, layout, verdict);
    return true;
}

Status VerdictCache::keep_in(std::string path)
{
    if (Status good = os::check_file(path); !good)
        return good;
    std::string text;
    if (os::kernel().read_file(path.c_str(), text) == 0) {
        if (!text.empty() && !text.starts_with(magic))
            return Error::invalid_argument("remember verdicts in " + path, "the file is there and holds something else",
                                           "name another file, or remove this one");
    } else if (errno != ENOENT) {
        return Error::from_errno(errno, {"read", path});
    }
    const std::lock_guard lock(mutex_);
    // What this process saw itself counts for more.
    for (auto& [layout, verdicts] : parse(text))
        verdicts_[layout].merge(verdicts);
    path_ = std::move(path);
    return {};
}

Status VerdictCache::save()
{
    const std::lock_guard lock(mutex_);
    if (path_.empty() || changes_.empty())
        return {};
    std::string text;
    if (os::kernel().read_file(path_.c_str(), text) != 0)
        text.clear();
    ByLayout<Verdict> all = parse(text);
    for (const auto& [layout, changes] : changes_) {
        for (const auto& [key, verdict] : changes) {
            if (verdict)
                all[layout][key] = *verdict;
            else
                all[layout].erase(key);
        }
    }
    if (const Status written = os::replace_file(path_, print(all)); !written)
        return written.error();
    changes_.clear();
    return {};
}

VerdictCache::ByLayout<Verdict> VerdictCache::parse(std::string_view text)
{
    constexpr std::size_t key_fields = 3;
    constexpr std::size_t fields = key_fields + 8;
    constexpr std::size_t max_lines = 65536;
    ByLayout<Verdict> verdicts;
    const auto lines = split(text, '\n');
    if (lines.size() < 2 || lines[0] != first_line || lines[1] != boot_line() || lines[1] == "boot unknown")
        return verdicts;
    for (std::size_t i = 2; i < std::min(lines.size(), max_lines); ++i) {
        const auto parts = split(lines[i], '\t');
        if (parts.size() != fields || parts[0].empty())
            continue;
        auto verdict = parse_verdict(std::span(parts).subspan(key_fields));
        if (verdict && verdict->is_lasting())
            verdicts[std::string(parts[2])][{std::string(parts[0]), std::string(parts[1])}] = std::move(*verdict);
    }
    return verdicts;
}

std::string VerdictCache::print(const ByLayout<Verdict>& all)
{
    std::string text = text::format("{}\n{}\n", first_line, boot_line());
    for (const auto& [layout, verdicts] : all) {
        for (const auto& [key, verdict] : verdicts)
            text += text::format("{}\t{}\t{}\t{}\n", field(key.first), field(key.second), field(layout),
                                 print_verdict(verdict));
    }
    return text;
}

} // namespace commonbuf
