// SPDX-License-Identifier: MIT
#include "plan/verdict_cache.hpp"

#include "os/os.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <vector>

namespace commonbuf {
namespace {

constexpr std::string_view first_line = "commonbuf verdicts 1";

/// What changes at every boot. What changes between two boots, a driver that is loaded again,
/// is in the identity of its devices.
std::string boot_line() { return "boot " + os::read_text("/proc/sys/kernel/random/boot_id").value_or("unknown"); }

/// Without what separates fields and lines.
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

std::optional<Outcome> outcome(std::string_view word)
{
    for (const Outcome each : {Outcome::proved, Outcome::accepted, Outcome::refused}) {
        if (word == to_string(each))
            return each;
    }
    return std::nullopt;
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
    return text;
}

std::optional<Verdict> VerdictCache::find(const std::string& identity, const std::string& heap,
                                          const std::string& layout) const
{
    if (identity.empty())
        return std::nullopt;
    const std::lock_guard lock(mutex_);
    const auto of_layout = verdicts_.find(layout);
    if (of_layout == verdicts_.end())
        return std::nullopt;
    const auto found = of_layout->second.find(std::pair<std::string_view, std::string_view>(identity, heap));
    return found != of_layout->second.end() ? std::optional(found->second) : std::nullopt;
}

void VerdictCache::remember(const std::string& identity, const std::string& heap, const std::string& layout,
                            const Verdict& verdict)
{
    // A program that plans for ever new sizes starts anew some day.
    constexpr std::size_t most_layouts = 1024;
    if (identity.empty() || !verdict.is_lasting())
        return;
    const std::lock_guard lock(mutex_);
    if (verdicts_.size() >= most_layouts)
        verdicts_.clear();
    verdicts_[layout][{identity, heap}] = verdict;
    if (!path_.empty())
        changes_[layout][{identity, heap}] = verdict;
}

void VerdictCache::forget(const std::string& identity, const std::string& heap, const std::string& layout)
{
    const std::lock_guard lock(mutex_);
    for (const std::string& origin : {heap, std::string(scattered)}) {
        if (const auto of_layout = verdicts_.find(layout); of_layout != verdicts_.end())
            of_layout->second.erase({identity, origin});
        if (!path_.empty())
            changes_[layout][{identity, origin}] = std::nullopt;
    }
}

Status VerdictCache::keep_in(std::string path)
{
    std::string text;
    if (os::kernel().read_file(path.c_str(), text) == 0) {
        if (!text.empty() && !text.starts_with(first_line))
            return Error::invalid_argument("remember verdicts in " + path, "the file is there and holds something else",
                                           "name another file, or remove this one");
    } else if (errno != ENOENT) {
        return Error::from_errno(errno, {"read", path});
    }
    const std::lock_guard lock(mutex_);
    // What this process saw itself counts more.
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
    if (os::kernel().replace_file(path_.c_str(), print(all)) != 0)
        return Error::from_errno(errno, {"write", path_});
    changes_.clear();
    return {};
}

VerdictCache::ByLayout<Verdict> VerdictCache::parse(std::string_view text)
{
    constexpr std::size_t fields = 9;
    constexpr std::size_t most_lines = 65536;
    ByLayout<Verdict> verdicts;
    const auto lines = split(text, '\n');
    if (lines.size() < 2 || lines[0] != first_line || lines[1] != boot_line() || lines[1] == "boot unknown")
        return verdicts;
    for (std::size_t i = 2; i < std::min(lines.size(), most_lines); ++i) {
        const auto parts = split(lines[i], '\t');
        if (parts.size() != fields || parts[0].empty())
            continue;
        const auto known = outcome(parts[3]);
        const auto error = number<int>(parts[4]);
        const auto needed = number<std::uint64_t>(parts[5]);
        const auto offered = number<std::uint64_t>(parts[6]);
        if (!known || !error || !needed || !offered)
            continue;
        Verdict verdict;
        verdict.outcome = *known;
        verdict.call = parts[7];
        verdict.sys_errno = *error;
        verdict.reason = parts[8];
        if (*error != 0)
            verdict.category = Error::from_errno(*error, Call(verdict.call)).category;
        if (*needed != 0)
            verdict.needed = *needed;
        if (*offered != 0)
            verdict.offered = *offered;
        if (verdict.is_lasting())
            verdicts[std::string(parts[2])][{std::string(parts[0]), std::string(parts[1])}] = std::move(verdict);
    }
    return verdicts;
}

std::string VerdictCache::print(const ByLayout<Verdict>& all)
{
    std::string text = text::format("{}\n{}\n", first_line, boot_line());
    for (const auto& [layout, verdicts] : all) {
        for (const auto& [key, verdict] : verdicts)
            text +=
                text::format("{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n", field(key.first), field(key.second), field(layout),
                             to_string(verdict.outcome), verdict.sys_errno, verdict.needed.value_or(0),
                             verdict.offered.value_or(0), field(verdict.call), field(verdict.reason));
    }
    return text;
}

} // namespace commonbuf
