// SPDX-License-Identifier: MIT
#include "buffer/buffer_state.hpp"
#include "fake/machine.hpp"
#include "observe/trace.hpp"
#include "sync/watch.hpp"

#include <commonbuf/job.hpp>
#include <commonbuf/log.hpp>
#include <commonbuf/trace.hpp>
#include <commonbuf/v4l2/device.hpp>
#include <commonbuf/v4l2/queue.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace commonbuf {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

constexpr const char* path = "/tmp/trace.json";

/// A trace that was read back.
class Events {
public:
    explicit Events(const std::string& text) : all_(Json::parse(text)) {}

    std::vector<Json> of(const std::string& phase, const std::string& category = "") const
    {
        std::vector<Json> found;
        for (const Json& event : all_) {
            if (event["ph"] == phase && (category.empty() || event["cat"] == category))
                found.push_back(event);
        }
        return found;
    }

    /// Of the event with this name; the first one.
    Json named(const std::string& name) const
    {
        for (const Json& event : all_) {
            if (event["ph"] != "M" && event.value("name", "") == name)
                return event;
        }
        ADD_FAILURE() << "no event " << name << " in " << all_.dump(1);
        return {};
    }

    /// The names of a kind of rows, by their numbers.
    std::map<int, std::string> rows() const
    {
        std::map<int, std::string> names;
        for (const Json& event : of("M")) {
            if (event["name"] == "thread_name")
                names[event["tid"]] = event["args"]["name"];
        }
        return names;
    }

    /// What a viewer could make no sense of; empty when all is well.
    std::string problems() const
    {
        std::string text;
        const std::map<int, std::string> names = rows();
        std::map<int, std::vector<std::pair<double, double>>> slices;
        std::map<int, std::vector<double>> begun;
        std::map<int, Json> starts;
        std::map<int, Json> ends;
        for (const Json& event : all_) {
            if (event["ph"] == "M")
                continue;
            const int tid = event["tid"];
            const double at = event["ts"];
            if (event["pid"] != ::getpid() || at <= 0)
                text += "odd: " + event.dump() + "\n";
            if (!names.contains(tid))
                text += "a row without a name: " + event.dump() + "\n";
            if (event["ph"] == "B")
                begun[tid].push_back(at);
            else if (event["ph"] == "X")
                slices[tid].emplace_back(at, at + event["dur"].get<double>());
            else if (event["ph"] == "s")
                starts[event["id"]] = event;
            else if (event["ph"] == "f")
                ends[event["id"]] = event;
            if (event["ph"] != "E")
                continue;
            if (begun[tid].empty()) {
                text += "an end without a begin: " + event.dump() + "\n";
                continue;
            }
            slices[tid].emplace_back(begun[tid].back(), at);
            begun[tid].pop_back();
        }
        for (auto& [tid, open] : begun)
            text += open.empty() ? "" : "a begin without an end in row " + std::to_string(tid) + "\n";
        for (auto& [tid, row] : slices) {
            std::sort(row.begin(), row.end());
            for (std::size_t i = 0; i < row.size(); ++i) {
                if (row[i].second < row[i].first)
                    text += "ends before it begins\n";
                if (i > 0 && row[i].first < row[i - 1].second)
                    text += "slices overlap in row " + std::to_string(tid) + "\n";
            }
        }
        const auto in_slice = [&](const Json& end) {
            const double at = end["ts"];
            const auto& row = slices[end["tid"]];
            return std::any_of(row.begin(), row.end(),
                               [at](const auto& slice) { return slice.first <= at && at <= slice.second; });
        };
        for (const auto& [id, start] : starts) {
            if (!ends.contains(id))
                text += "an arrow without a head: " + start.dump() + "\n";
            else if (start["ts"].get<double>() > ends[id]["ts"].get<double>())
                text += "an arrow into the past: " + start.dump() + ends[id].dump() + "\n";
            if (!in_slice(start))
                text += "an arrow from nowhere: " + start.dump() + "\n";
        }
        for (const auto& [id, end] : ends) {
            if (!starts.contains(id))
                text += "an arrow without a tail: " + end.dump() + "\n";
            if (!in_slice(end))
                text += "an arrow to nowhere: " + end.dump() + "\n";
        }
        return text;
    }

    /// How many arrows go from one device to another.
    std::size_t arrows(const std::string& from, const std::string& to, const std::string& name = "fence") const
    {
        const auto names = rows();
        std::size_t count = 0;
        for (const Json& start : of("s")) {
            for (const Json& end : of("f")) {
                if (start["id"] == end["id"] && start["name"] == name && names.at(start["tid"]) == from &&
                    names.at(end["tid"]) == to)
                    ++count;
            }
        }
        return count;
    }

    const Json& json() const { return all_; }

private:
    Json all_;
};

double end_of(const Json& event) { return event["ts"].get<double>() + event["dur"].get<double>(); }

class TraceTest : public testing::Test {
protected:
    fake::Machine machine;
    Layout layout = *linear_layout({DRM_FORMAT_XRGB8888, 64, 32}, 256, Memories::single);
    std::vector<std::string> logged;

    void SetUp() override
    {
        set_log([this](std::string_view message) { logged.emplace_back(message); });
    }

    Buffer make()
    {
        std::vector<UniqueFd> memories;
        memories.emplace_back(machine.add_dma_buf(layout.memory_sizes[0]));
        return Buffer::wrap(layout, std::move(memories)).value();
    }
    Fence fence(const std::shared_ptr<fake::FenceModel>& work)
    {
        return Fence::from_fd(UniqueFd(machine.sync_file(work))).value();
    }
    static void signal(fake::FenceModel& work, int status = 1)
    {
        work.status = status;
        work.timestamp = static_cast<std::uint64_t>(trace::now().count());
    }
    static Deadline soon() { return deadline_in(1ms); }

    Events end()
    {
        EXPECT_TRUE(set_trace(""));
        return Events(machine.text(path));
    }

    void TearDown() override
    {
        EXPECT_TRUE(set_trace(""));
        set_log(nullptr);
        EXPECT_EQ(machine.leaks(), "");
    }
};

TEST_F(TraceTest, APipelineIsReadBack)
{
    machine.add_camera("video0", {.formats = {V4L2_PIX_FMT_XBGR32}});
    const auto device = v4l2::Device::open("/dev/video0").value();
    auto queue = device.open_queue(v4l2::Role::capture, layout, 2).value();
    const std::array frames{make(), make()};
    const Buffer picture = make();
    ASSERT_TRUE(set_trace(path));
    for (const Buffer& frame : frames)
        ASSERT_TRUE(queue.queue(frame));
    ASSERT_TRUE(queue.start());
    constexpr int count = 20;
    for (int i = 0; i < count; ++i) {
        const auto frame = queue.dequeue(soon()).value();
        Job blur("blur");
        blur.reads(frame.buffer).writes(picture);
        ASSERT_TRUE(blur.gather());
        const auto work = machine.add_fence("gpu");
        ASSERT_TRUE(blur.publish(fence(work)));
        signal(*work);
        {
            const auto pixels = picture.read(soon());
            ASSERT_TRUE(pixels) << pixels.error().message();
        }
        ASSERT_TRUE(queue.queue(frame.buffer));
    }
    ASSERT_TRUE(queue.stop());
    const Events events = end();
    EXPECT_EQ(events.problems(), "");
    // Each slot's first buffer, and each frame's again.
    EXPECT_EQ(events.of("B", "v4l2").size(), count + 2U);
    EXPECT_EQ(events.of("B", "cpu").size(), std::size_t(count));
    EXPECT_EQ(events.of("X", "job").size(), std::size_t(count));
    EXPECT_EQ(events.arrows("fake-cam", "blur", "frame"), std::size_t(count));
    EXPECT_EQ(events.arrows("blur", "CPU"), std::size_t(count));
    EXPECT_EQ(events.arrows("blur", "fake-cam"), std::size_t(count)) << "it reads what the camera is to fill";
    EXPECT_EQ(events.arrows("blur", "blur"), count - 1U) << "it writes into one picture";

    const Json blur = events.named("blur");
    ASSERT_EQ(blur["args"]["buffers"].size(), 2U);
    const Json& read = blur["args"]["buffers"][0];
    EXPECT_EQ(read["format"], "XR24");
    EXPECT_EQ(read["size"], "64x32");
    EXPECT_EQ(read["access"], "read");
    EXPECT_EQ(read["inode"], frames[0].id().inode);
    EXPECT_EQ(blur["args"]["buffers"][1]["access"], "write");
    EXPECT_EQ(events.named("capture")["args"]["buffers"][0]["id"], read["id"]) << "one buffer, one number";
    EXPECT_NE(blur["args"]["buffers"][1]["id"], read["id"]);
    EXPECT_TRUE(blur["args"]["where"].get<std::string>().starts_with("trace_test.cpp:"));
    EXPECT_EQ(events.named("read")["tid"], ::gettid());
    EXPECT_GE(events.named("read")["ts"].get<double>(), end_of(blur));
}

TEST_F(TraceTest, AJobEndsWhenItsFenceSignalled)
{
    const Buffer buffer = make();
    ASSERT_TRUE(set_trace(path));
    const auto first = machine.add_fence("gpu");
    const auto second = machine.add_fence("crtc");
    ASSERT_TRUE(Job("draw").writes(buffer).publish(fence(first)));
    Job show("show");
    show.reads(buffer);
    ASSERT_TRUE(show.gather());
    ASSERT_TRUE(show.publish(fence(second)));
    std::this_thread::sleep_for(2ms);
    signal(*first);
    std::this_thread::sleep_for(2ms);
    signal(*second);
    std::this_thread::sleep_for(2ms);
    const Events events = end();
    EXPECT_EQ(events.problems(), "");
    const Json draw = events.named("draw");
    const Json shown = events.named("show");
    EXPECT_NEAR(end_of(draw), static_cast<double>(first->timestamp) / 1000, 0.01);
    EXPECT_NEAR(end_of(shown), static_cast<double>(second->timestamp) / 1000, 0.01);
    EXPECT_NEAR(shown["ts"], end_of(draw), 0.01) << "it had to wait";
    EXPECT_EQ(events.arrows("draw", "show"), 1U);
}

TEST_F(TraceTest, ConcurrentJobsComeAfterNobody)
{
    const Buffer buffer = make();
    ASSERT_TRUE(set_trace(path));
    const auto shown = machine.add_fence("crtc");
    ASSERT_TRUE(Job("show").reads(buffer).publish(fence(shown)));
    Job draw("draw");
    draw.writes(buffer).concurrently();
    ASSERT_TRUE(draw.gather());
    ASSERT_TRUE(draw.publish({}));
    Job next("next");
    next.writes(buffer);
    ASSERT_TRUE(next.gather());
    ASSERT_TRUE(next.publish({}));
    signal(*shown);
    const Events events = end();
    EXPECT_EQ(events.arrows("show", "draw"), 0U);
    EXPECT_EQ(events.arrows("draw", "next"), 1U);
    EXPECT_EQ(events.of("s").size(), 2U) << "and from what is shown to the next";
}

TEST_F(TraceTest, WaitsAreSlicesAndSayForWhom)
{
    const Buffer buffer = make();
    ASSERT_TRUE(set_trace(path));
    const auto work = machine.add_fence("gpu");
    const Fence done = fence(work);
    ASSERT_TRUE(Job("draw").writes(buffer).publish(done));
    EXPECT_FALSE(done.wait(soon()));
    const Events so_far(machine.text(path) + "]"); // who waits in vain is often killed next
    EXPECT_EQ(so_far.named("wait")["args"]["end"], "in vain");
    EXPECT_EQ(so_far.of("X", "wait").size(), 1U);

    // The fake's clock stands still in poll: this is what a wait tells that was good.
    const auto begun = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(1ms);
    signal(*work);
    ASSERT_TRUE(done.signalled());
    watch::tell([&](watch::Watcher& watcher) { watcher.waited(done, begun, true); });
    ASSERT_TRUE(buffer.read(soon()));
    const Events events = end();
    EXPECT_EQ(events.problems(), "");
    const Json wait = events.named("wait for draw");
    EXPECT_GE(wait["dur"].get<double>(), 1000.0);
    EXPECT_EQ(wait["tid"], ::gettid());
    EXPECT_EQ(events.arrows("draw", "CPU"), 1U) << "to the wait, and not to the read behind it again";
}

TEST_F(TraceTest, WhatGoesWrongIsSaid)
{
    const Buffer buffer = make();
    ASSERT_TRUE(set_trace(path));
    const auto broken = machine.add_fence("gpu");
    const auto hanging = machine.add_fence("gpu");
    ASSERT_TRUE(Job("breaks").writes(buffer).publish(fence(broken)));
    signal(*broken, -EIO);
    ASSERT_TRUE(Job("hangs").writes(buffer).publish(fence(hanging)));
    Error why;
    why.category = Category::device_gone;
    ASSERT_TRUE(Job("refused").writes(buffer).publish(Fence::failed(why)));
    buffer.forget_failure();
    ASSERT_TRUE(Job("at once").writes(buffer).publish({}));
    machine.dma_buf(buffer.dma_buf_fd())->fences.clear();
    auto access = buffer.write(soon());
    ASSERT_TRUE(access);
    const Events events = end();
    EXPECT_TRUE(access->end());
    EXPECT_EQ(events.problems(), "") << "what is open is closed at the end";
    EXPECT_EQ(events.named("breaks")["args"]["errno"], EIO);
    EXPECT_EQ(events.named("hangs")["args"]["end"], "its fence has not signalled");
    EXPECT_FALSE(events.named("refused")["args"].contains("end"));
    EXPECT_FALSE(events.named("at once")["args"].contains("end"));
    EXPECT_EQ(events.of("E").back()["args"]["end"], "the trace ended before");
}

TEST_F(TraceTest, AJobThatHangsIsSeenInWhatAKilledProgramLeaves)
{
    const Buffer buffer = make();
    ASSERT_TRUE(set_trace(path));
    const auto work = machine.add_fence("gpu");
    ASSERT_TRUE(Job("hangs").writes(buffer).publish(fence(work)));
    std::this_thread::sleep_for(510ms);
    ASSERT_TRUE(Job("later").reads(make()).publish({}));
    const Events killed(machine.text(path) + "]");
    EXPECT_EQ(killed.named("hangs")["ph"], "B");
    signal(*work);
    const Events events = end();
    EXPECT_EQ(events.problems(), "");
    EXPECT_EQ(events.of("E", "").size(), 1U);
}

TEST_F(TraceTest, WhatWasFlushedCanBeReadWithoutItsEnd)
{
    const Buffer buffer = make();
    ASSERT_TRUE(set_trace(path));
    for (int i = 0; i < 1000; ++i)
        ASSERT_TRUE(buffer.read(soon()));
    EXPECT_GE(machine.text(path).size(), 64U << 10U);
    EXPECT_GT(Events(machine.text(path) + "]").of("B").size(), 100U);
    const Events events = end();
    EXPECT_EQ(events.problems(), "");
    EXPECT_EQ(events.of("B").size(), 1000U);
}

TEST_F(TraceTest, SlicesOfOneRowNeverOverlap)
{
    const Buffer a = make();
    const Buffer b = make();
    ASSERT_TRUE(set_trace(path));
    auto first = a.read(soon()).value();
    auto second = b.read(soon()).value();
    ASSERT_TRUE(first.end());
    auto third = a.write(soon()).value();
    std::thread([&] { EXPECT_TRUE(second.end()); }).join();
    ASSERT_TRUE(third.end());
    std::thread([&] { EXPECT_TRUE(a.read(soon())); }).join();
    const Events events = end();
    EXPECT_EQ(events.problems(), "");
    std::multiset<std::string> names;
    for (const auto& [tid, name] : events.rows())
        names.insert(name.substr(0, name.find_last_of(' ')));
    EXPECT_EQ(names, (std::multiset<std::string>{"CPU", "CPU", "CPU (thread"}));
}

TEST_F(TraceTest, PoolsHaveBuffersBetweenReleaseAndAcquire)
{
    ASSERT_TRUE(set_trace(path));
    {
        const Buffer back = make();
        const Buffer lost = make();
        watch::tell([&](watch::Watcher& watcher) {
            watcher.released(back.state(), {}, Place::here());
            watcher.released(lost.state(), {}, Place::here());
            watcher.acquired(back.state(), Place::here());
        });
    }
    const Events events = end();
    EXPECT_EQ(events.problems(), "");
    EXPECT_EQ(events.of("B", "pool").size(), 2U);
    EXPECT_EQ(events.rows().begin()->second, "pool");
}

TEST_F(TraceTest, NamesAreNoMarkup)
{
    const Buffer buffer = make();
    ASSERT_TRUE(set_trace(path));
    const std::string odd = "a\"b\\c\n\t\x01\x7f/ü€😀";
    ASSERT_TRUE(Job(odd).writes(buffer).publish({}));
    const std::array broken{"\xff", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82", "\xf5\x80\x80\x80", "\x80"};
    for (const char* bytes : broken)
        ASSERT_TRUE(Job(bytes).writes(buffer).publish({}));
    const Events events = end(); // nlohmann refuses what is no UTF-8
    EXPECT_EQ(events.problems(), "");
    EXPECT_EQ(events.named(odd)["cat"], "job");
    EXPECT_EQ(events.named("\uFFFD")["cat"], "job");
    EXPECT_EQ(events.of("X").size(), 7U);
}

TEST_F(TraceTest, OffItDoesNothing)
{
    const Buffer buffer = make();
    const auto use = [&] {
        const std::size_t before = machine.calls().size();
        const auto work = machine.add_fence("gpu");
        EXPECT_TRUE(Job("draw").writes(buffer).publish(fence(work)));
        signal(*work);
        EXPECT_TRUE(buffer.read(soon()));
        return std::vector(machine.calls().begin() + static_cast<std::ptrdiff_t>(before), machine.calls().end());
    };
    use(); // the first one maps
    const auto calls = use();
    EXPECT_FALSE(watch::anybody());
    ASSERT_TRUE(set_trace(path));
    EXPECT_TRUE(watch::anybody());
    const auto traced = use();
    EXPECT_LE(traced.size(), calls.size() + 2) << "a look or two for each job";
    ASSERT_TRUE(set_trace(""));
    EXPECT_FALSE(watch::anybody());
    const std::string text = machine.text(path);
    EXPECT_EQ(use(), calls);
    EXPECT_EQ(machine.text(path), text);
}

TEST_F(TraceTest, AFileThatCannotBeMadeIsAnError)
{
    machine.forbid(path);
    const Status refused = set_trace(path);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, Category::permission_denied);
    EXPECT_NE(refused.error().message().find(path), std::string::npos);
    EXPECT_FALSE(watch::anybody());

    // From the environment nobody gets a result: the log is told, once, when it matters.
    trace::Trace later;
    later.begin_later(path);
    EXPECT_TRUE(watch::anybody());
    EXPECT_TRUE(logged.empty());
    testing::internal::CaptureStderr();
    const Buffer buffer = make();
    EXPECT_TRUE(buffer.read(soon()));
    EXPECT_TRUE(buffer.read(soon()));
    EXPECT_NE(testing::internal::GetCapturedStderr().find(path), std::string::npos);
    ASSERT_EQ(logged.size(), 1U);
    EXPECT_NE(logged[0].find(path), std::string::npos);
    EXPECT_FALSE(watch::anybody());
}

TEST_F(TraceTest, AFullDiskEndsTheTraceAndNothingElse)
{
    const Buffer buffer = make();
    ASSERT_TRUE(set_trace(path));
    machine.fail_all("write", ENOSPC);
    for (int i = 0; i < 1000; ++i)
        ASSERT_TRUE(buffer.read(soon()));
    EXPECT_EQ(logged.size(), 1U);
    EXPECT_FALSE(watch::anybody());
    const Status ended = set_trace("");
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().category, Category::out_of_memory);
    EXPECT_TRUE(set_trace("")) << "it is said once";
    // And at the very end.
    ASSERT_TRUE(set_trace(path));
    ASSERT_TRUE(buffer.read(soon()));
    EXPECT_FALSE(set_trace(""));
    // One wait in vain flushes too.
    ASSERT_TRUE(set_trace(path));
    EXPECT_FALSE(fence(machine.add_fence("gpu")).wait(soon()));
    EXPECT_FALSE(set_trace(""));
}

TEST_F(TraceTest, AnotherPathIsAnotherFile)
{
    ASSERT_TRUE(set_trace("/tmp/a-%p.json"));
    const Buffer buffer = make();
    ASSERT_TRUE(buffer.read(soon()));
    ASSERT_TRUE(set_trace(path));
    ASSERT_TRUE(buffer.write(soon()));
    const Events second = end();
    const Events first(machine.text("/tmp/a-" + std::to_string(::getpid()) + ".json"));
    EXPECT_EQ(first.problems() + second.problems(), "");
    EXPECT_EQ(first.named("read")["args"]["buffers"][0]["id"], 1);
    EXPECT_EQ(second.named("write")["args"]["buffers"][0]["id"], 1);
    EXPECT_EQ(second.of("B").size(), 1U);
}

TEST_F(TraceTest, FencesAreNotHeldWithoutEnd)
{
    const Buffer buffer = make();
    ASSERT_TRUE(set_trace(path));
    std::vector<std::weak_ptr<fake::FenceModel>> works;
    for (int i = 0; i < 1000; ++i) {
        const auto work = machine.add_fence("gpu");
        works.push_back(work);
        ASSERT_TRUE(Job("draw", Fencing::explicit_only).writes(buffer).publish(fence(work)));
    }
    const auto held = std::count_if(works.begin(), works.end(), [](const auto& work) { return !work.expired(); });
    EXPECT_LE(held, 257);
    EXPECT_EQ(end().problems(), "");
}

/// What a program does that knows nothing of the trace; started by the test below.
TEST(TraceProgram, DISABLED_Runs)
{
    std::vector<std::byte> bytes(64 * 32 * 4);
    const Layout layout = *linear_layout({DRM_FORMAT_XRGB8888, 64, 32}, 256, Memories::single);
    static const Buffer kept = Buffer::from_memory(layout, bytes).value();
    ASSERT_TRUE(kept.read(deadline_in(1s)));
    const pid_t child = ::fork();
    if (child == 0) {
        for (int i = 0; i < 2000; ++i)
            static_cast<void>(kept.read(deadline_in(1s)));
        std::exit(0); // NOLINT: with what runs at the end
    }
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    ASSERT_TRUE(kept.write(deadline_in(1s)));
}

TEST(Trace, TheEnvironmentAsksForOne)
{
    const auto folder = std::filesystem::temp_directory_path() / ("trace-test-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    const std::string file = (folder / "trace.json").string();
    const std::string command = "COMMONBUF_TRACE=" + file + " " +
                                std::filesystem::read_symlink("/proc/self/exe").string() +
                                " --gtest_also_run_disabled_tests --gtest_filter=TraceProgram.DISABLED_Runs >/dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0); // NOLINT: of this program itself
    std::ifstream stream(file);
    const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    const Json events = Json::parse(text, nullptr, false);
    ASSERT_TRUE(events.is_array()) << text.substr(0, 300);
    std::string phases;
    for (const Json& event : events)
        phases += event["ph"].get<std::string>();
    EXPECT_EQ(phases, "MMMBEBE") << "a child of fork() writes nothing";
    EXPECT_EQ(events[0]["args"]["name"], "unit");
    std::filesystem::remove_all(folder);
}

} // namespace
} // namespace commonbuf
