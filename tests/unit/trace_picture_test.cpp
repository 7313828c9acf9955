// SPDX-License-Identifier: MIT
#include "fake/machine.hpp"
#include "render.hpp"
#include "timeline/document.hpp"
#include "timeline/svg.hpp"
#include "timeline/trace.hpp"
#include "well_formed.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace allocinfo::timeline {
namespace {

using commonbuf::Category;

bool has(const std::string& page, const std::string& words) { return page.find(words) != std::string::npos; }

/// A trace made by hand; times in milliseconds.
class Script {
public:
    Script& row(int tid, const std::string& name)
    {
        return add({{"ph", "M"}, {"pid", 1}, {"tid", tid}, {"name", "thread_name"}, {"args", {{"name", name}}}});
    }
    static Json buffer(int id, const std::string& access)
    {
        return {{"id", id}, {"format", "XR24"}, {"size", "64x32"}, {"access", access}};
    }
    Script& slice(int tid, const std::string& category, const std::string& name, double begin, double end,
                  Json args = Json::object())
    {
        return add({{"ph", "X"},
                    {"pid", 1},
                    {"tid", tid},
                    {"name", name},
                    {"cat", category},
                    {"ts", begin * 1000},
                    {"dur", (end - begin) * 1000},
                    {"args", std::move(args)}});
    }
    Script& arrow(int number, const std::string& name, int from, double at, int to, double until)
    {
        const auto end = [&](const char* phase, int tid, double time) {
            return Json{{"ph", phase}, {"pid", 1}, {"tid", tid}, {"name", name}, {"id", number}, {"ts", time * 1000}};
        };
        return add(end("s", from, at)).add(end("f", to, until));
    }
    Script& add(Json event)
    {
        events_.push_back(std::move(event));
        return *this;
    }
    std::string text() const { return events_.dump(); }
    Json& json() { return events_; }

private:
    Json events_ = Json::array();
};

/// A camera with two rows, a job, a CPU that waits, from 5 s on.
Script pipeline()
{
    Script script;
    script.row(10, "cam").row(11, "cam").row(20, "blur").row(1, "CPU").row(99, "nobody");
    script.slice(10, "v4l2", "capture", 5000, 5010, {{"buffers", {Script::buffer(1, "write")}}, {"where", "a.cpp:1"}});
    script.slice(11, "v4l2", "capture", 5000, 5020, {{"buffers", {Script::buffer(2, "write")}}, {"end", "failed"}});
    script.slice(20, "job", "blur", 5010, 5018,
                 {{"buffers", {Script::buffer(1, "read"), Script::buffer(3, "write")}}, {"where", "bü.cpp:2"}});
    script.slice(1, "wait", "wait for blur", 5011, 5018.5);
    script.slice(1, "cpu", "read", 5019, 5030, {{"buffers", {Script::buffer(3, "read")}}});
    script.arrow(1, "frame", 10, 5009.9, 20, 5010.1).arrow(2, "fence", 20, 5017.9, 1, 5018.4);
    return script;
}

Trace parsed(const std::string& text)
{
    auto trace = parse(text, "t.json");
    if (!trace) {
        ADD_FAILURE() << trace.error().message();
        return {};
    }
    return std::move(*trace);
}

std::string drawn(const Trace& trace)
{
    return svg(trace, window_of(trace, {0, trace.length}, std::nullopt, std::nullopt).value(), "/tmp/t.json");
}

/// What the boxes of a class are: x, y, width.
std::vector<std::array<double, 3>> boxes(const std::string& picture, const std::string& kind)
{
    const std::regex box("<rect class=\"" + kind + R"rx(" x="([^"]*)" y="([^"]*)" width="([^"]*)")rx");
    std::vector<std::array<double, 3>> found;
    for (std::sregex_iterator match(picture.begin(), picture.end(), box), end; match != end; ++match)
        found.push_back({std::stod((*match)[1]), std::stod((*match)[2]), std::stod((*match)[3])});
    return found;
}

TEST(Timeline, RowsOfOneNameAreOneDevice)
{
    const Trace trace = parsed(pipeline().text());
    ASSERT_EQ(trace.devices.size(), 3U) << "a row without slices is nobody's";
    EXPECT_EQ(trace.devices[0].name, "cam");
    EXPECT_EQ(trace.devices[0].rows.size(), 2U);
    EXPECT_EQ(trace.length, 30);
    ASSERT_EQ(trace.slices.size(), 5U);
    EXPECT_EQ(trace.slices[0].begin, 0);
    EXPECT_EQ(trace.slices[0].end, 10);
    EXPECT_TRUE(trace.slices[0].writes && !trace.slices[0].reads);
    EXPECT_TRUE(trace.slices[1].failed);
    EXPECT_TRUE(trace.slices[2].reads && trace.slices[2].writes);
    EXPECT_EQ(trace.slices[3].kind, Kind::wait);
    EXPECT_EQ(trace.arrows.size(), 2U);
    EXPECT_TRUE(trace.complete);
    EXPECT_EQ(trace.ignored, 0U);
}

TEST(Timeline, RowsStandInTheirOrder)
{
    Script script = pipeline();
    for (const auto& [tid, place] : {std::pair{1, 1}, {20, 2}, {10, 3}, {11, 4}})
        script.add(
            {{"ph", "M"}, {"pid", 1}, {"tid", tid}, {"name", "thread_sort_index"}, {"args", {{"sort_index", place}}}});
    const Trace trace = parsed(script.text());
    EXPECT_EQ(trace.devices[0].name, "CPU");
    EXPECT_EQ(trace.devices[2].name, "cam");
    // The same name in another process is another device.
    script.add({{"ph", "X"}, {"pid", 2}, {"tid", 1}, {"name", "read"}, {"ts", 5e6}, {"dur", 1}});
    EXPECT_EQ(parsed(script.text()).devices.size(), 4U);
    EXPECT_EQ(parsed(script.text()).devices[1].name, "CPU (process 1)");
}

TEST(Timeline, BeginsFindTheirEnds)
{
    const auto edge = [](const char* phase, double at, const char* name) {
        return Json{{"ph", phase}, {"pid", 1}, {"tid", 1}, {"name", name}, {"ts", at}};
    };
    Script script;
    script.add(edge("E", 500, "stray"));
    script.add(edge("E", 4000, "")).add(edge("B", 1000, "outer")).add(edge("B", 2000, "inner")); // in no order
    script.add(edge("E", 3000, "")).add(edge("B", 5000, "open")).add(edge("X", 1000, "whole"));
    script.json().back()["dur"] = 6000;
    const Trace trace = parsed(script.text());
    EXPECT_EQ(trace.ignored, 1U);
    std::map<std::string, double> lengths;
    for (const Slice& slice : trace.slices)
        lengths[slice.name] = slice.end - slice.begin;
    EXPECT_EQ(lengths, (std::map<std::string, double>{{"inner", 1}, {"outer", 3}, {"open", 2}, {"whole", 6}}));
    EXPECT_TRUE(trace.slices.back().open);
    EXPECT_TRUE(has(drawn(trace), "it has no end in the trace"));
}

TEST(Timeline, OtherShapesOfTheFormatAreRead)
{
    const std::string events = pipeline().text();
    EXPECT_EQ(parsed("{\"displayTimeUnit\": \"ms\", \"traceEvents\": " + events + ", \"otherData\": {\"a\": [1]}}")
                  .slices.size(),
              5U);
    const Trace cut = parsed(events.substr(0, events.size() - 1));
    EXPECT_EQ(cut.slices.size(), 5U);
    EXPECT_FALSE(cut.complete);
    EXPECT_TRUE(has(drawn(cut), "the end of the file is missing"));
}

TEST(Timeline, AnyPartOfAFileIsReadOrRefused)
{
    const std::string text = pipeline().text();
    std::size_t before = 0;
    for (std::size_t size = 0; size <= text.size(); ++size) {
        const auto trace = parse(text.substr(0, size), "t.json");
        if (trace) {
            EXPECT_GE(trace->slices.size(), before) << "what was there stays there";
            before = trace->slices.size();
        } else {
            EXPECT_EQ(before, 0U) << size;
            EXPECT_TRUE(has(trace.error().message(), "t.json"));
        }
    }
    EXPECT_EQ(before, 5U);
}

TEST(Timeline, BadFilesAreSaidSo)
{
    const std::string deep(100000, '[');
    const std::vector<std::pair<std::string, std::string>> files{
        {"", "the file is empty"},
        {" \n", "the file is empty"},
        {"hello", "not JSON"},
        {"\xff\xfe", "not JSON"},
        {"{", "not JSON"},
        {"[", "not JSON"},
        {"{}", "no trace"},
        {"[]", "no trace"},
        {"42", "no trace"},
        {"[1, \"x\", null, [2]]", "no trace"},
        {"{\"a\": {\"ph\": \"X\"}, \"events\": [{}]}", "no trace"},
        {"[{\"ph\": 3}, {}]", "no trace"},
        {R"([{"ph": "M", "pid": 1, "tid": 1, "name": "process_name"}])", "nothing happens"},
        {R"([{"ph": "X", "pid": 1, "tid": 1, "ts": 1e999, "dur": 1}])", "overflow"},
        {pipeline().text() + "]", "not JSON"},
        {"{\"other\": " + pipeline().text() + "}", "no trace"},
        {deep, "not JSON"}};
    for (const auto& [text, words] : files) {
        const auto trace = parse(text, "t.json");
        ASSERT_FALSE(trace) << text.substr(0, 80);
        EXPECT_EQ(trace.error().category, Category::invalid_argument);
        EXPECT_TRUE(has(trace.error().message(), words)) << trace.error().message();
        EXPECT_TRUE(has(trace.error().message(), "COMMONBUF_TRACE"));
    }
    const auto missing = read("/nowhere/t.json");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().category, Category::not_present);
    EXPECT_FALSE(read("/")) << "a folder";
}

TEST(Timeline, WhatMakesNoSenseIsLeftOut)
{
    const std::vector<Json> odd{nullptr,
                                true,
                                -1,
                                0,
                                3.5,
                                1e300,
                                -1e300,
                                std::numeric_limits<std::int64_t>::min(),
                                std::numeric_limits<std::uint64_t>::max(),
                                "",
                                "x",
                                std::string(100000, 'w'),
                                Json::array(),
                                Json::array({Json::array(), 1, Json::object()}),
                                Json::object(),
                                {{"buffers", {{{"id", 1.5}, {"access", 7}}, 3}}},
                                {{"buffers", "all"}, {"where", 3}, {"errno", "EIO"}, {"end", {}}}};
    const Json good = pipeline().json();
    for (std::size_t index = 0; index < good.size(); ++index) {
        for (const auto& [key, value] : good[index].items()) {
            for (const Json& other : odd) {
                Json events = good;
                events[index][key] = other;
                const Trace trace = parsed(events.dump());
                const std::string picture = drawn(trace);
                EXPECT_FALSE(has(picture, "nan") || has(picture, "inf")) << key << " " << other;
                EXPECT_LT(picture.size(), 40000U) << key;
                EXPECT_LT(trace.length, 1e13) << key << " " << other;
                EXPECT_FALSE(render(document(trace, {0, trace.length}, "t.json"), Colour::no).empty());
                for (const Slice& slice : trace.slices)
                    EXPECT_TRUE(slice.begin >= 0 && slice.end >= slice.begin && slice.end <= trace.length + 1e-6)
                        << key << " " << other;
            }
        }
    }
    Script negative = pipeline();
    negative.slice(1, "cpu", "backwards", 5005, 5004);
    EXPECT_EQ(parsed(negative.text()).ignored, 1U);
    EXPECT_FALSE(has(drawn(parsed(negative.text())), "backwards"));
}

TEST(Timeline, DamagedBytesHarmNobody)
{
    const std::string good = pipeline().text();
    std::mt19937 random(1);
    std::size_t read = 0;
    for (int round = 0; round < 3000; ++round) {
        std::string text = good;
        for (unsigned change = random() % 4 + 1; change > 0; --change) {
            const std::size_t at = random() % text.size();
            switch (random() % 3) {
            case 0: text[at] = static_cast<char>(random() % 256); break;
            case 1: text.erase(at, random() % 20); break;
            default: text.insert(at, text.substr(random() % text.size(), random() % 40));
            }
        }
        if (const auto trace = parse(text, "t.json")) {
            ++read;
            const std::string picture = drawn(*trace);
            if (round % 16 == 0) { // the check is slow
                EXPECT_EQ(malformed(picture), "") << text;
            }
        } else {
            EXPECT_FALSE(trace.error().message().empty());
        }
    }
    EXPECT_GT(read, 100U) << "or else this shows nothing";
}

TEST(Timeline, TheTableCounts)
{
    const Trace trace = parsed(pipeline().text());
    const Json made = document(trace, {0, trace.length}, "t.json");
    EXPECT_EQ(made["buffers"], 3);
    ASSERT_EQ(made["devices"].size(), 4U);
    const Json& camera = made["devices"][0];
    EXPECT_EQ(camera["device"], "cam");
    EXPECT_EQ(camera["count"], 2);
    EXPECT_EQ(camera["failed"], 1);
    EXPECT_EQ(camera["total_ms"], 30);
    EXPECT_EQ(camera["mean_ms"], 15);
    EXPECT_EQ(camera["longest_ms"], 20);
    EXPECT_EQ(camera["longest_at_ms"], 0);
    EXPECT_EQ(camera["busy_ms"], 20) << "two at once count once";
    EXPECT_EQ(made["devices"][2]["device"], "CPU");
    EXPECT_EQ(made["devices"][2]["what"], "accesses");
    EXPECT_EQ(made["devices"][3]["what"], "waits");
    EXPECT_EQ(made["devices"][3]["longest"], "wait for blur");
    const std::string text = render(made, Colour::no);
    EXPECT_TRUE(has(text, "t.json: 30.000 ms, 3 buffers, 14 events")) << text;
    EXPECT_TRUE(has(text, "cam     accesses          2    67%      30.000     15.000     20.000       0.000  1 failed"))
        << text;
    // A part of it.
    const Json part = document(trace, {0, 5}, "t.json");
    EXPECT_EQ(part["devices"].size(), 1U);
    EXPECT_EQ(part["devices"][0]["busy_ms"], 5);
}

TEST(Timeline, APictureShowsWhoHasABufferWhen)
{
    const Trace trace = parsed(pipeline().text());
    const std::string picture = drawn(trace);
    EXPECT_EQ(malformed(picture), "");
    // 30 ms are 1040 pixels, from 190 on. The first box of each colour is the legend's.
    const auto writes = boxes(picture, "write");
    ASSERT_EQ(writes.size(), 5U);
    EXPECT_NEAR(writes[2][0], 190, 0.1);
    EXPECT_NEAR(writes[2][2], 1040.0 / 3, 0.1);
    EXPECT_NEAR(writes[3][2], 1040.0 * 2 / 3, 0.1);
    EXPECT_NEAR(writes[3][1] - writes[2][1], 22, 0.1) << "one row below";
    const auto reads = boxes(picture, "read");
    ASSERT_EQ(reads.size(), 4U);
    EXPECT_NEAR(reads[2][0], 190 + 1040.0 / 3, 0.1);
    EXPECT_NEAR(reads[2][0], writes[4][0], 0.01) << "a job that does both has both colours";
    EXPECT_NEAR(writes[4][1] - reads[2][1], 9, 0.01);
    EXPECT_EQ(boxes(picture, "wait").size(), 2U);
    EXPECT_EQ(boxes(picture, "failed").size(), 2U);
    for (const char* words :
         {"<title>blur: blur\n10.000 to 18.000 ms (8.000 ms)\nbuffer 1: XR24 64x32, read\nbuffer 3: XR24 64x32, "
          "write\nbü.cpp:2</title>",
          ">1→3<", ">wait for blur<", ">reads<", ">writes<", ">waits<", ">fence<", ">dequeued frame<", ">25<", ">ms<",
          "fence of blur for CPU"})
        EXPECT_TRUE(has(picture, words)) << words;
    EXPECT_FALSE(has(picture, "in the pool")) << "no pool, no legend for one";
    const std::regex arrow(R"rx(class="arrow (fence|frame)" d="M 533\.)rx");
    EXPECT_TRUE(std::regex_search(picture, arrow)) << "the frame's begins where it was dequeued";
}

TEST(Timeline, APictureNeedsNothingFromElsewhere)
{
    const std::string evil = "</title><script>alert(1)</script>&\"'\x01";
    Script script = pipeline();
    script.row(10, evil).row(11, evil);
    script.slice(20, "job", evil, 5025, 5030,
                 {{"buffers", {{{"id", evil}, {"format", evil}, {"size", evil}, {"access", "read"}}}},
                  {"where", evil},
                  {"end", evil}});
    const Trace trace = parsed(script.text());
    const std::string picture = drawn(trace);
    EXPECT_EQ(malformed(picture), "");
    EXPECT_TRUE(has(picture, "&lt;script&gt;"));
    for (const char* words : {"<script", "href", "url(h", "@import", "foreignObject"})
        EXPECT_FALSE(has(picture, words)) << words;
    EXPECT_FALSE(has(render(document(trace, {0, trace.length}, evil), Colour::no), "\x01"));
}

TEST(Timeline, PartsOfATrace)
{
    Script script;
    for (int frame = 0; frame < 300; ++frame)
        script.slice(1, "cpu", "read", 1000 + frame * 10, 1000 + frame * 10 + 4,
                     {{"buffers", {Script::buffer(frame % 3, "read")}}});
    const Trace trace = parsed(script.text());
    const Window first = first_frames(trace);
    EXPECT_EQ(first.from, 0);
    EXPECT_NEAR(first.to, 114, 1e-6) << "twelve frames";
    EXPECT_EQ(boxes(svg(trace, first, "t"), "edge").size(), 12U);
    // All of them: as wide as that takes.
    const std::string all = drawn(trace);
    EXPECT_EQ(boxes(all, "edge").size(), 300U);
    EXPECT_NEAR(boxes(all, "edge").back()[2], 300 * 26 * 4.0 / 2994, 0.1);

    const auto part = window_of(trace, first, 102.0, 121.0);
    ASSERT_TRUE(part);
    const std::string some = svg(trace, *part, "t");
    const auto seen = boxes(some, "edge");
    ASSERT_EQ(seen.size(), 3U) << "what begins before or ends after is cut off";
    EXPECT_NEAR(seen[0][0], 190, 0.1);
    EXPECT_NEAR(seen[0][2], 1040 * 2.0 / 19, 0.1);
    EXPECT_NEAR(seen[2][0] + seen[2][2], 190 + 1040, 0.1);
    EXPECT_EQ(window_of(trace, first, std::nullopt, 50.0)->to, 50);
    EXPECT_EQ(window_of(trace, first, 50.0, std::nullopt)->to, trace.length);
    EXPECT_EQ(window_of(trace, first, -5.0, 1e9)->to, trace.length);
    EXPECT_EQ(window_of(trace, first, -5.0, 1e9)->from, 0);
    const double nan = std::nan("");
    const double infinity = std::numeric_limits<double>::infinity();
    for (const auto& [from, to] : {std::pair{5.0, 6.0}, {50.0, 40.0}, {4000.0, 5000.0}, {nan, 3.0}, {0.0, infinity}}) {
        const auto nothing = window_of(trace, first, from, to);
        ASSERT_FALSE(nothing) << from << " " << to;
        EXPECT_TRUE(has(nothing.error().message(), "0 to 2994.000 ms"));
    }
    // A short one is shown whole, and one in which all happens at once is a picture too.
    EXPECT_EQ(first_frames(parsed(pipeline().text())).to, 30);
    const Trace moment = parsed(Script().slice(1, "cpu", "read", 7, 7).text());
    EXPECT_EQ(malformed(drawn(moment)), "");
}

TEST(Timeline, APictureHasAnEnd)
{
    Script script;
    for (int i = 0; i < 21000; ++i)
        script.slice(i % 5000, "cpu", "read", i, i + 0.5);
    const Trace trace = parsed(script.text());
    EXPECT_EQ(trace.device_of.size(), 4096U);
    EXPECT_GT(trace.ignored, 0U);
    Script full;
    for (int i = 0; i < 21000; ++i)
        full.slice(1, "cpu", "read", i, i + 0.5);
    const std::string picture = drawn(parsed(full.text()));
    std::size_t bars = 0;
    for (std::size_t at = picture.find("\"edge\""); at != std::string::npos; at = picture.find("\"edge\"", at + 1))
        ++bars;
    EXPECT_EQ(bars, 20000U);
    EXPECT_TRUE(has(picture, "1000 more are not drawn"));
}

TEST(Timeline, WhatTheLibraryWritesIsRead)
{
    fake::Machine machine;
    {
        using namespace commonbuf;
        const Layout layout = *linear_layout({DRM_FORMAT_XRGB8888, 64, 32}, 256, Memories::single);
        std::vector<UniqueFd> memories;
        memories.emplace_back(machine.add_dma_buf(layout.memory_sizes[0]));
        const Buffer buffer = Buffer::wrap(layout, std::move(memories)).value();
        ASSERT_TRUE(set_trace("/t.json"));
        const auto work = machine.add_fence("gpu");
        Job blur("blur");
        blur.writes(buffer);
        ASSERT_TRUE(blur.gather());
        ASSERT_TRUE(blur.publish(Fence::from_fd(UniqueFd(machine.sync_file(work))).value()));
        work->status = -5;
        work->timestamp = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
        EXPECT_FALSE(buffer.read(commonbuf::deadline_in(std::chrono::milliseconds(1)))) << "it failed";
        buffer.forget_failure();
        const auto access = buffer.read(commonbuf::deadline_in(std::chrono::milliseconds(1)));
        ASSERT_TRUE(access) << access.error().message();
        ASSERT_TRUE(set_trace(""));
    }
    const Trace trace = parsed(machine.text("/t.json"));
    ASSERT_EQ(trace.slices.size(), 2U);
    EXPECT_EQ(trace.slices[0].name, "blur");
    EXPECT_TRUE(trace.slices[0].failed && trace.slices[0].writes);
    EXPECT_EQ(trace.slices[0].note, "failed with errno 5");
    EXPECT_EQ(trace.slices[1].name, "read");
    EXPECT_TRUE(trace.slices[1].open);
    EXPECT_EQ(trace.slices[1].kind, Kind::access);
    EXPECT_EQ(trace.arrows.size(), 1U);
    EXPECT_EQ(trace.ignored, 0U);
    EXPECT_TRUE(trace.complete);
    EXPECT_EQ(malformed(drawn(trace)), "");
}

} // namespace
} // namespace allocinfo::timeline
