// SPDX-License-Identifier: MIT
//
// The access checker: mistakes that are made on purpose, each found and both sides named.
#include "check_mode.hpp"
#include "devices.hpp"
#include "screen.hpp"
#include "sw_sync.hpp"

#include <drm_fourcc.h>
#include <linux/videodev2.h>

#include <functional>
#include <iomanip>
#include <iostream>
#include <string_view>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;
using cb::Mistake;

class CheckerTest : public devices::Test {
protected:
    void SetUp() override
    {
        devices::Test::SetUp();
        cb::set_checker_mode(cb::CheckerMode::log,
                             [this](const cb::Finding& finding) { findings_.push_back(finding); });
    }

    void TearDown() override
    {
        restore_check(); // for the other tests
        devices::Test::TearDown();
    }

    /// A buffer that every camera here can write into, if there is one.
    static std::optional<cb::Buffer> buffer_for(const std::vector<cb::Use>& uses)
    {
        const auto plan = cb::Allocator().plan(request, uses);
        if (!plan)
            return std::nullopt;
        auto buffer = plan->allocate();
        return buffer ? std::optional(*buffer) : std::nullopt;
    }

    static std::optional<cb::Buffer> plain() { return buffer_for({cb::cpu(cb::Access::read_write)}); }

    /// The one finding: what it is, and that both sides are named, this file among them.
    void expect(Mistake mistake, const std::string& first, const std::string& second)
    {
        ASSERT_EQ(findings_.size(), 1U);
        const cb::Finding& found = findings_.front();
        EXPECT_EQ(found.mistake, mistake) << found.message;
        EXPECT_NE(found.first.who.find(first), std::string::npos) << found.message;
        EXPECT_NE(found.second.who.find(second), std::string::npos) << found.message;
        EXPECT_NE(std::string_view(found.first.where.file).find("checker_test"), std::string_view::npos)
            << found.message;
        EXPECT_GT(found.first.where.line, 0U);
        std::cout << "  " << std::left << std::setw(24) << to_string(mistake) << found.message << '\n';
    }

    static constexpr cb::Request request{DRM_FORMAT_YUYV, 640, 360, 2};
    std::vector<cb::Finding> findings_;
};

#define NEED_BUFFER(variable, made)                                                                                    \
    const auto variable##_made = (made);                                                                               \
    if (!variable##_made)                                                                                              \
        GTEST_SKIP() << "no heap can be used here";                                                                    \
    const cb::Buffer& variable = *variable##_made

TEST_F(CheckerTest, ThePixelsAreAskedForAfterTheEnd)
{
    NEED_BUFFER(buffer, plain());
    auto access = buffer.read(cb::deadline_in(1s));
    ASSERT_TRUE(access);
    ASSERT_TRUE(access->end());
    EXPECT_TRUE(access->plane(0).empty());
    expect(Mistake::cpu_outside_bracket, "CPU", "CPU");
}

TEST_F(CheckerTest, APointerIsReadThroughAfterTheEnd)
{
    NEED_BUFFER(buffer, plain());
    auto access = buffer.read(cb::deadline_in(1s));
    ASSERT_TRUE(access);
    const volatile std::byte* pixel = access->plane(0).data();
    ASSERT_TRUE(access->end());
    static_cast<void>(*pixel);
    expect(Mistake::cpu_outside_bracket, "CPU", "CPU");
    EXPECT_EQ(findings_.front().second.what.rfind("reads by code in ", 0), 0U) << findings_.front().second.what;
}

TEST_F(CheckerTest, APointerIsWrittenThroughAfterTheEnd)
{
    NEED_BUFFER(buffer, plain());
    auto access = buffer.write(cb::deadline_in(1s));
    ASSERT_TRUE(access);
    volatile std::byte* pixel = access->plane(0).data();
    ASSERT_TRUE(access->end());
    *pixel = std::byte{7};
    expect(Mistake::cpu_outside_bracket, "CPU", "CPU");
    const std::byte now = *pixel;
    EXPECT_EQ(now, std::byte{7}) << "the program goes on as without the checker";
}

TEST_F(CheckerTest, TheCpuWritesWhatIsOnTheScreen)
{
    NEED_SCREEN(screen);
    const auto first = Screen::image(screen_device, 0x112233);
    const auto second = Screen::image(screen_device, 0x445566);
    ASSERT_TRUE(first && second);
    cb::drm::Commit lit(screen.display());
    lit.enable().show(screen.display().primary(), *first);
    ASSERT_TRUE(screen.queue.commit(lit, cb::deadline_in(5s)));
    // Who reads disturbs nobody.
    ASSERT_TRUE(first->read(cb::deadline_in(1s)).and_then([](cb::CpuAccess access) { return access.end(); }));
    EXPECT_TRUE(findings_.empty());
    ASSERT_TRUE(first->write(cb::deadline_in(1s)).and_then([](cb::CpuAccess access) { return access.end(); }));
    expect(Mistake::cpu_while_device, "display", "CPU");

    // When another one is shown it is free.
    findings_.clear();
    const auto next = screen.queue.commit(screen.picture(*second), cb::deadline_in(5s));
    ASSERT_TRUE(next) << next.error().message();
    ASSERT_TRUE(first->write(cb::deadline_in(5s)).and_then([](cb::CpuAccess access) { return access.end(); }));
    EXPECT_TRUE(findings_.empty());
}

TEST_F(CheckerTest, PixelsAreWrittenInAnAccessForReading)
{
    NEED_BUFFER(buffer, plain());
    auto access = buffer.read(cb::deadline_in(1s));
    ASSERT_TRUE(access);
    volatile std::byte* pixel = access->plane(0).data();
    *pixel = std::byte{7};
    expect(Mistake::cpu_writes_in_read, "CPU", "CPU");
    EXPECT_TRUE(access->end());
}

TEST_F(CheckerTest, TheCpuReadsWhileACameraWrites)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const devices::Fast fast(camera);
    NEED_BUFFER(buffer, buffer_for({camera.capture(), cb::cpu(cb::Access::read)}));
    auto queue = camera.open_queue(cb::v4l2::Role::capture, buffer.layout(), 2);
    ASSERT_TRUE(queue) << queue.error().message();
    ASSERT_TRUE(queue->queue(buffer));
    EXPECT_TRUE(buffer.read(cb::deadline_in(1s)));
    expect(Mistake::cpu_while_device, camera.info().name, "CPU");
}

TEST_F(CheckerTest, TheCpuWritesWhileADeviceReads)
{
    for (const auto& device : devices::all(cb::v4l2::Role::output)) {
        const auto format = devices::any_format(device.info(), cb::v4l2::Role::output);
        if (!format)
            continue;
        const auto plan = cb::Allocator().plan({*format, 640, 480}, {device.output(), cb::cpu(cb::Access::write)});
        if (!plan)
            continue;
        const auto buffer = plan->allocate();
        ASSERT_TRUE(buffer);
        auto queue = device.open_queue(cb::v4l2::Role::output, plan->layout(), 1);
        ASSERT_TRUE(queue) << queue.error().message();
        ASSERT_TRUE(queue->queue(*buffer));
        EXPECT_TRUE(buffer->write(cb::deadline_in(1s)));
        expect(Mistake::cpu_while_device, device.info().name, "CPU");
        return;
    }
    GTEST_SKIP() << "no V4L2 node here reads images";
}

TEST_F(CheckerTest, TwoQueuesHaveOneBuffer)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const devices::Fast fast(camera);
    for (const auto& device : devices::all(cb::v4l2::Role::output)) {
        const auto plan = cb::Allocator().plan(request, {camera.capture(), device.output()});
        if (!plan)
            continue;
        const auto buffer = plan->allocate();
        ASSERT_TRUE(buffer);
        auto in = camera.open_queue(cb::v4l2::Role::capture, plan->layout(), 2);
        auto out = device.open_queue(cb::v4l2::Role::output, plan->layout(), 2);
        ASSERT_TRUE(in && out);
        ASSERT_TRUE(in->queue(*buffer));
        ASSERT_TRUE(out->queue(*buffer));
        expect(Mistake::devices_without_order, camera.info().name, device.info().name);
        return;
    }
    GTEST_SKIP() << "no V4L2 node here reads what the camera writes";
}

TEST_F(CheckerTest, AJobDoesNotGather)
{
    NEED_SW_SYNC(timeline);
    NEED_BUFFER(buffer, plain());
    ASSERT_TRUE(cb::Job("render").writes(buffer).publish(timeline.fence(1)));
    ASSERT_TRUE(cb::Job("encode").reads(buffer).publish(timeline.fence(2)));
    expect(Mistake::devices_without_order, "render", "encode");
    timeline.advance(2);
}

TEST_F(CheckerTest, AJobGathersTooEarly)
{
    NEED_SW_SYNC(timeline);
    NEED_BUFFER(buffer, plain());
    cb::Job render("render");
    cb::Job encode("encode");
    ASSERT_TRUE(render.writes(buffer).gather());
    ASSERT_TRUE(encode.reads(buffer).gather());
    ASSERT_TRUE(render.publish(timeline.fence(1)));
    ASSERT_TRUE(encode.publish(timeline.fence(2)));
    expect(Mistake::devices_without_order, "render", "encode");
    timeline.advance(2);
}

TEST_F(CheckerTest, ABufferIsQueuedBeforeItsFenceHasSignalled)
{
    NEED_SW_SYNC(timeline);
    NEED_CAMERA(camera, devices::scattered_camera());
    const devices::Fast fast(camera);
    NEED_BUFFER(buffer, buffer_for({camera.capture()}));
    auto queue = camera.open_queue(cb::v4l2::Role::capture, buffer.layout(), 2);
    ASSERT_TRUE(queue) << queue.error().message();
    ASSERT_TRUE(cb::Job("display").reads(buffer).publish(timeline.fence(1)));
    ASSERT_TRUE(queue->queue(buffer));
    expect(Mistake::queued_too_early, "display", camera.info().name);
    timeline.advance(1);
}

TEST_F(CheckerTest, AFailedFenceIsIgnored)
{
    NEED_SW_SYNC(timeline);
    NEED_BUFFER(buffer, plain());
    ASSERT_TRUE(cb::Job("render").writes(buffer).publish(timeline.fence(1)));
    timeline.fail();
    cb::Job encode("encode");
    ASSERT_TRUE(encode.reads(buffer).gather());
    ASSERT_TRUE(encode.publish({}));
    expect(Mistake::fence_error_ignored, "render", "encode");
}

TEST_F(CheckerTest, ABracketIsLeftOpen)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const devices::Fast fast(camera);
    NEED_BUFFER(buffer, buffer_for({camera.capture(), cb::cpu(cb::Access::write)}));
    auto queue = camera.open_queue(cb::v4l2::Role::capture, buffer.layout(), 2);
    ASSERT_TRUE(queue) << queue.error().message();
    auto access = buffer.write(cb::deadline_in(1s));
    ASSERT_TRUE(queue->queue(buffer));
    expect(Mistake::bracket_left_open, "CPU", camera.info().name);
}

TEST_F(CheckerTest, ABufferIsUsedWhileThePoolHasIt)
{
    NEED_SW_SYNC(timeline);
    const auto plan = cb::Allocator().plan(request, {cb::cpu(cb::Access::read_write)});
    if (!plan)
        GTEST_SKIP() << "no heap can be used here";
    auto pool = cb::Pool::create(*plan, 2);
    ASSERT_TRUE(pool);
    const auto buffer = pool->acquire(cb::deadline_in(1s));
    ASSERT_TRUE(buffer);
    ASSERT_TRUE(pool->release(*buffer, timeline.fence(1)));
    EXPECT_TRUE(buffer->read(cb::deadline_in(1s)));
    expect(Mistake::used_while_released, "pool", "CPU");
    timeline.advance(1);
}

TEST_F(CheckerTest, ConcurrentWorkThatWasAskedForIsNoMistakeButTheCpuIs)
{
    NEED_SW_SYNC(timeline);
    NEED_BUFFER(buffer, plain());
    ASSERT_TRUE(cb::Job("display").reads(buffer).publish(timeline.fence(1)));
    cb::Job draw("draw into the front buffer");
    draw.writes(buffer).concurrently();
    ASSERT_TRUE(draw.gather()->signalled().value());
    auto access = buffer.read(cb::deadline_in(1s));
    ASSERT_TRUE(draw.publish(timeline.fence(2)));
    expect(Mistake::bracket_left_open, "CPU", "draw");
    timeline.advance(2);
}

TEST_F(CheckerTest, WhatIsInOrderIsNoMistake)
{
    NEED_SW_SYNC(timeline);
    NEED_CAMERA(camera, devices::scattered_camera());
    const devices::Fast fast(camera);
    NEED_BUFFER(buffer, buffer_for({camera.capture(), cb::cpu(cb::Access::read_write)}));
    auto queue = camera.open_queue(cb::v4l2::Role::capture, buffer.layout(), 2);
    ASSERT_TRUE(queue) << queue.error().message();
    for (std::uint32_t i = 1; i <= 3; ++i) {
        {
            auto access = buffer.read_write(cb::deadline_in(1s));
            ASSERT_TRUE(access);
            access->plane(0)[0] = std::byte{1};
            ASSERT_TRUE(access->end());
        }
        cb::Job show("show");
        const auto before = show.reads(buffer).gather();
        ASSERT_TRUE(before && before->wait(cb::deadline_in(1s)));
        ASSERT_TRUE(show.publish(timeline.fence(i)));
        cb::Job also("also");
        ASSERT_TRUE(also.reads(buffer).gather());
        ASSERT_TRUE(also.publish(timeline.fence(i)));
        timeline.advance(1);
        ASSERT_TRUE(queue->queue(buffer));
        if (i == 1) {
            ASSERT_TRUE(queue->start());
        }
        ASSERT_TRUE(queue->dequeue(cb::deadline_in(5s)));
    }
    EXPECT_TRUE(findings_.empty()) << findings_.front().message;
}

} // namespace
