// SPDX-License-Identifier: MIT
#include "svg.hpp"

#include "style.hpp"

#include "../html/markup.hpp"
#include "text.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

namespace allocinfo::timeline {
namespace {

using commonbuf::text::format;

// In pixels.
constexpr double names_width = 190; ///< of the column with the devices' names
constexpr double right_margin = 24;
constexpr double top = 92; ///< title, legend and axis
constexpr double row_height = 22;
constexpr double bar_height = 18;
constexpr double device_gap = 8;
constexpr double least_plot = 1040;
constexpr double most_plot = 12000;
constexpr double frame_width = 26; ///< at least, as far as that gives no endless picture
constexpr double letter = 6.3;     ///< about the width of one
// What viewers can handle.
constexpr std::size_t most_bars = 20000;
constexpr std::size_t most_arrows = 20000;

std::string pixels(double value) { return format("{:.1f}", value); }

/// "3.5 ms", "12.25 µs".
std::string duration(Time time)
{
    return time >= 1 || time <= 0 ? format("{:.3f} ms", time) : format("{:.2f} µs", time * 1000);
}

std::size_t letters(std::string_view text)
{
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80; }));
}

Markup label(double x, double y, const char* kind, const std::string& words)
{
    return element("text", {{"class", kind}, {"x", pixels(x)}, {"y", pixels(y)}}, {words});
}

Markup rect(const std::string& kind, double x, double y, double width, double height)
{
    return element(
        "rect",
        {{"class", kind}, {"x", pixels(x)}, {"y", pixels(y)}, {"width", pixels(width)}, {"height", pixels(height)}});
}

/// "3→4": the buffers that it reads, and those that it writes.
std::string brief(const Slice& slice)
{
    std::string read;
    std::string written;
    for (const BufferUse& use : slice.buffers) {
        std::string& side = use.access == "read" ? read : written;
        side += side.empty() ? use.id : "+" + use.id;
    }
    return read.empty() || written.empty() ? read + written : read + "→" + written;
}

/// What the mouse shows.
std::string details(const Trace& trace, const Slice& slice)
{
    std::string text = format("{}: {}", trace.devices[trace.device_of[slice.row]].name, slice.name);
    text += format("\n{:.3f} to {:.3f} ms ({})", slice.begin, slice.end, duration(slice.end - slice.begin));
    for (const BufferUse& use : slice.buffers)
        text += format("\nbuffer {}: {} {}, {}", use.id, use.format, use.size, use.access);
    if (!slice.note.empty())
        text += "\n" + slice.note;
    if (!slice.where.empty())
        text += "\n" + slice.where;
    return text;
}

const char* class_of(const Slice& slice)
{
    switch (slice.kind) {
    case Kind::wait: return "wait";
    case Kind::pool: return "pool";
    case Kind::access: return slice.writes ? "write" : "read";
    case Kind::other: break;
    }
    return "other";
}

class Picture {
public:
    Picture(const Trace& trace, const Window& window);

    std::string draw(const std::string& path);

private:
    double x_of(Time time) const
    {
        const double part = (std::clamp(time, window_.from, window_.to) - window_.from) / (window_.to - window_.from);
        return names_width + part * plot_;
    }
    double middle(std::size_t row) const { return y_of_row_[row] + bar_height / 2; }

    void place_rows();
    Markup axis() const;
    Markup devices() const;
    Markup legend() const;
    Markup bars();
    Markup bar(const Slice& slice) const;
    Markup arrows();

    const Trace& trace_;
    Window window_;
    double plot_ = least_plot;
    double bottom_ = top;
    std::vector<double> y_of_row_;
    std::vector<bool> is_seen_; ///< rows with something in the window
    std::size_t left_out_ = 0;
};

Picture::Picture(const Trace& trace, const Window& window) : trace_(trace), window_(window)
{
    const auto frames = static_cast<double>(busiest(trace, window).frames.size());
    plot_ = std::clamp(frames * frame_width, least_plot, most_plot);
    place_rows();
}

void Picture::place_rows()
{
    is_seen_.resize(trace_.device_of.size());
    y_of_row_.resize(trace_.device_of.size());
    for (const Slice& slice : trace_.slices)
        is_seen_[slice.row] = is_seen_[slice.row] || overlaps(window_, slice);
    for (const Device& device : trace_.devices) {
        bool any = false;
        for (const std::size_t row : device.rows) {
            if (!is_seen_[row])
                continue;
            y_of_row_[row] = bottom_ + device_gap / 2;
            bottom_ += row_height;
            any = true;
        }
        bottom_ += any ? device_gap : 0;
    }
}

/// Lines at 1, 2 or 5 times a power of ten, about a hundred pixels apart.
Markup Picture::axis() const
{
    const double wanted = (window_.to - window_.from) / (plot_ / 100);
    const double power = std::pow(10.0, std::floor(std::log10(wanted)));
    const double step = wanted <= power       ? power
                        : wanted <= 2 * power ? 2 * power
                        : wanted <= 5 * power ? 5 * power
                                              : 10 * power;
    const int digits = std::clamp(static_cast<int>(-std::floor(std::log10(step * 1.0001))), 0, 6);
    Markup marks;
    const double first = std::ceil(window_.from / step);
    const auto count = static_cast<int>(std::clamp(std::floor(window_.to / step) - first + 1, 0.0, most_plot));
    for (int i = 0; i < count; ++i) {
        const double time = (first + i) * step;
        const double x = x_of(time);
        marks += element("line", {{"class", "grid"},
                                  {"x1", pixels(x)},
                                  {"x2", pixels(x)},
                                  {"y1", pixels(top - 4)},
                                  {"y2", pixels(bottom_)}});
        marks += label(x, top - 10, "tick", format("{:.{}f}", time, digits));
    }
    return marks + label(names_width - 12, top - 10, "soft device", "ms");
}

Markup Picture::devices() const
{
    Markup content;
    double y = top;
    bool shaded = true;
    for (const Device& device : trace_.devices) {
        const auto rows = static_cast<double>(
            std::count_if(device.rows.begin(), device.rows.end(), [this](std::size_t row) { return is_seen_[row]; }));
        if (rows == 0)
            continue;
        const double height = rows * row_height + device_gap;
        if (shaded)
            content += rect("band", 0, y, names_width + plot_ + right_margin, height);
        shaded = !shaded;
        constexpr std::size_t fits = 26;
        std::string name = device.name;
        if (letters(name) > fits) {
            std::size_t end = 0;
            for (std::size_t seen = 0; end < name.size(); ++end) {
                const bool begins = (static_cast<unsigned char>(name[end]) & 0xc0U) != 0x80;
                if (begins && seen++ == fits - 1)
                    break;
            }
            name = name.substr(0, end) + "…";
        }
        content += element("g", {{"class", "name"}},
                           {wrap("title", {device.name}), label(names_width - 12, y + height / 2 + 4, "device", name)});
        y += height;
    }
    return content;
}

Markup Picture::legend() const
{
    Markup content;
    double x = names_width;
    constexpr double y = 40;
    const auto say = [&](const Markup& sign, const char* words) {
        content += sign;
        content += label(x + 30, y + 12, "", words);
        x += 30 + letter * static_cast<double>(letters(words)) + 22;
    };
    const auto some = [this](auto which) { return std::any_of(trace_.slices.begin(), trace_.slices.end(), which); };
    const auto swatch = [&](const char* kind) { return rect(kind, x, y, 24, 16); };
    say(swatch("read"), "reads");
    say(swatch("write"), "writes");
    say(rect("read", x, y, 24, 8) + rect("write", x, y + 8, 24, 8), "both");
    say(swatch("wait"), "waits");
    if (some([](const Slice& slice) { return slice.kind == Kind::pool; }))
        say(swatch("pool"), "in the pool");
    if (some([](const Slice& slice) { return slice.kind == Kind::other; }))
        say(swatch("other"), "other");
    if (some([](const Slice& slice) { return slice.failed; }))
        say(rect("failed", x + 1, y + 1, 22, 14), "failed");
    if (some([](const Slice& slice) { return slice.open; }))
        say(rect("open", x, y, 24, 16), "had not ended");
    const auto line = [&](const std::string& kind) {
        return element("path", {{"class", "arrow " + kind},
                                {"d", format("M {:.1f} {:.1f} h 24", x, y + 8)},
                                {"marker-end", "url(#head)"}});
    };
    say(line("fence"), "fence");
    if (std::any_of(trace_.arrows.begin(), trace_.arrows.end(),
                    [](const Arrow& arrow) { return arrow.name == "frame"; }))
        say(line("frame"), "dequeued frame");
    return content;
}

Markup Picture::bar(const Slice& slice) const
{
    const double x = x_of(slice.begin);
    const double y = y_of_row_[slice.row];
    constexpr double least = 1.5;
    const double width = std::max(x_of(slice.end) - x, least);
    Markup content = wrap("title", {details(trace_, slice)});
    if (slice.kind == Kind::access && slice.reads && slice.writes)
        content +=
            rect("read", x, y, width, bar_height / 2) + rect("write", x, y + bar_height / 2, width, bar_height / 2);
    else
        content += rect(class_of(slice), x, y, width, bar_height);
    content += rect("edge", x, y, width, bar_height);
    if (slice.failed)
        content += rect("failed", x + 1, y + 1, std::max(width - 2, least), bar_height - 2);
    else if (slice.open)
        content += rect("open", x, y, width, bar_height);
    // Its buffers, or what it waits for.
    const std::string words = slice.kind == Kind::wait || slice.buffers.empty() ? slice.name : brief(slice);
    if (static_cast<double>(letters(words)) * letter + 4 < width)
        content += label(x + width / 2, y + bar_height / 2 + 4, "", words);
    return element("g", {{"class", "bar"}}, {content});
}

Markup Picture::bars()
{
    std::string all;
    std::size_t drawn = 0;
    for (const Slice& slice : trace_.slices) {
        if (!overlaps(window_, slice))
            continue;
        if (drawn++ < most_bars)
            all += bar(slice).str();
        else
            ++left_out_;
    }
    return Markup::raw(std::move(all));
}

Markup Picture::arrows()
{
    std::string all;
    std::size_t drawn = 0;
    for (const Arrow& arrow : trace_.arrows) {
        const auto inside = [this](Time time) { return time >= window_.from && time <= window_.to; };
        // The order of a device's own accesses is that of its bars.
        if (trace_.device_of[arrow.from_row] == trace_.device_of[arrow.to_row])
            continue;
        if (!inside(arrow.from) || !inside(arrow.to) || !is_seen_[arrow.from_row] || !is_seen_[arrow.to_row])
            continue;
        if (drawn++ >= most_arrows) {
            ++left_out_;
            continue;
        }
        const double x1 = x_of(arrow.from);
        const double x2 = x_of(arrow.to);
        const double y1 = middle(arrow.from_row);
        const double y2 = middle(arrow.to_row);
        const double bend = std::max(14.0, std::abs(x2 - x1) / 3);
        const auto& from = trace_.devices[trace_.device_of[arrow.from_row]].name;
        const auto& to = trace_.devices[trace_.device_of[arrow.to_row]].name;
        const std::string kind = arrow.name == "frame" ? "frame" : "fence";
        all += element("g", {},
                       {wrap("title", {format("{} of {} for {}\n{:.3f} ms", kind, from, to, arrow.from)}),
                        element("path", {{"class", "arrow " + kind},
                                         {"d", format("M {:.1f} {:.1f} C {:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}", x1,
                                                      y1, x1 + bend, y1, x2 - bend, y2, x2, y2)},
                                         {"marker-end", "url(#head)"}})})
                   .str();
    }
    return Markup::raw(std::move(all));
}

std::string Picture::draw(const std::string& path)
{
    const Markup grid = devices() + axis();
    const Markup content = bars() + arrows();
    const double width = names_width + plot_ + right_margin;
    const double height = bottom_ + 16 + (left_out_ != 0 ? 18 : 0);
    std::string title = path.substr(path.find_last_of('/') + 1);
    title += format(": {:.1f} to {:.1f} ms of {:.1f}", window_.from, window_.to, trace_.length);
    if (!trace_.complete)
        title += "; the end of the file is missing";
    Markup note;
    if (left_out_ != 0)
        note = label(names_width, bottom_ + 20, "soft",
                     format("{} more are not drawn: choose a shorter part with --from and --to", left_out_));
    const Markup head = element("marker",
                                {{"id", "head"},
                                 {"viewBox", "0 0 8 8"},
                                 {"refX", "7"},
                                 {"refY", "4"},
                                 {"markerWidth", "7"},
                                 {"markerHeight", "7"},
                                 {"orient", "auto"}},
                                {element("path", {{"class", "head"}, {"d", "M 0 0.5 L 8 4 L 0 7.5 z"}})});
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
           element("svg",
                   {{"xmlns", "http://www.w3.org/2000/svg"},
                    {"width", pixels(width)},
                    {"height", pixels(height)},
                    {"viewBox", format("0 0 {:.1f} {:.1f}", width, height)},
                    {"role", "img"}},
                   {wrap("title", {title}), wrap("style", {Markup::raw(style)}), wrap("defs", {head}),
                    rect("page", 0, 0, width, height), label(names_width, 24, "title", title), legend(), grid, content,
                    note})
               .str() +
           "\n";
}

} // namespace

std::string svg(const Trace& trace, const Window& window, const std::string& path)
{
    return Picture(trace, window).draw(path);
}

} // namespace allocinfo::timeline
