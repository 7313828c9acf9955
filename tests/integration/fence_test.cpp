// SPDX-License-Identifier: MIT
//
// Fences of the real kernel. sw_sync makes those that fail on demand.
#include "devices.hpp"
#include "lateness.hpp"
#include "screen.hpp"
#include "sw_sync.hpp"

#include <drm_fourcc.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>
#include <iomanip>
#include <iostream>
#include <thread>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

class Fences : public devices::Test {
protected:
    /// A buffer of ordinary memory, if the machine has any.
    static std::optional<cb::Buffer> any_buffer()
    {
        const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 64, 64}, {cb::cpu(cb::Access::read_write)});
        if (!plan)
            return std::nullopt;
        auto buffer = plan->allocate();
        return buffer ? std::optional(*buffer) : std::nullopt;
    }

    /// What a function says, which must come by its deadline.
    template <typename Call>
    static auto by(std::chrono::milliseconds limit, Call call)
    {
        Lateness machine;
        const auto deadline = cb::deadline_in(limit);
        auto result = call(deadline);
        const auto late = std::chrono::steady_clock::now() - deadline;
        const auto allowed = machine.allowed();
        EXPECT_LT(late, allowed) << "late by " << late / 1ms << " ms, and the machine allows " << allowed / 1ms
                                 << " ms";
        return result;
    }
};

TEST_F(Fences, SignalInTheirOrder)
{
    NEED_SW_SYNC(timeline);
    const cb::Fence first = timeline.fence(1);
    const cb::Fence second = timeline.fence(2);
    timeline.advance(1);
    EXPECT_TRUE(first.wait(cb::Deadline{}));
    EXPECT_FALSE(second.signalled().value());
    timeline.advance(1);
    EXPECT_TRUE(second.signalled().value());
    const auto parts = timeline.fence(3).parts();
    ASSERT_TRUE(parts);
    ASSERT_EQ(parts->size(), 1U);
    EXPECT_EQ(parts->front().driver, "sw_sync");
    EXPECT_EQ(parts->front().state, cb::FenceState::pending);
}

TEST_F(Fences, TellWhenTheySignalled)
{
    NEED_SW_SYNC(timeline);
    const cb::Fence fence = timeline.fence(1);
    const auto before = std::chrono::steady_clock::now().time_since_epoch();
    timeline.advance(1);
    const auto after = std::chrono::steady_clock::now().time_since_epoch();
    const auto parts = fence.parts();
    ASSERT_TRUE(parts);
    EXPECT_GE(parts->front().signalled_at, before);
    EXPECT_LE(parts->front().signalled_at, after);
}

TEST_F(Fences, AWaitEndsWhenTheWorkDoes)
{
    NEED_SW_SYNC(timeline);
    const cb::Fence fence = timeline.fence(1);
    std::thread worker([&timeline] {
        std::this_thread::sleep_for(30ms);
        timeline.advance(1);
    });
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_TRUE(fence.wait(cb::deadline_in(5s)));
    EXPECT_GE(std::chrono::steady_clock::now() - begun, 30ms);
    worker.join();
}

TEST_F(Fences, AWaitCanBeCancelled)
{
    NEED_SW_SYNC(timeline);
    const cb::Fence fence = timeline.fence(1);
    const cb::UniqueFd cancel(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    std::thread other([&cancel] {
        std::this_thread::sleep_for(20ms);
        ::eventfd_write(cancel.get(), 1);
    });
    EXPECT_EQ(fence.wait(cb::deadline_in(5s), cancel.get()).error().category, cb::Category::cancelled);
    other.join();
    timeline.advance(1);
    EXPECT_TRUE(fence.wait(cb::Deadline{}, cancel.get())) << "what is done is done, cancelled or not";
}

TEST_F(Fences, ACancelThatHangsUpIsACancel)
{
    NEED_SW_SYNC(timeline);
    const cb::Fence fence = timeline.fence(1);
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    cb::UniqueFd read_end(ends[0]);
    cb::UniqueFd write_end(ends[1]);
    write_end.reset();
    EXPECT_EQ(fence.wait(cb::deadline_in(5s), read_end.get()).error().category, cb::Category::cancelled);
    EXPECT_EQ(fence.known(), cb::FenceState::pending) << "whoever is told of a failure uses the buffer again";
    timeline.advance(1);
    EXPECT_TRUE(fence.wait(cb::deadline_in(5s), read_end.get()));
}

TEST_F(Fences, TheirDescriptorsCanBePolled)
{
    NEED_SW_SYNC(timeline);
    const cb::Fence both = cb::Fence::merge(std::array{timeline.fence(1), timeline.fence(2)});
    pollfd entry{both.sync_file_fd().value(), POLLIN, 0};
    timeline.advance(1);
    EXPECT_EQ(::poll(&entry, 1, 0), 0);
    timeline.advance(1);
    EXPECT_EQ(::poll(&entry, 1, 1000), 1);
    EXPECT_TRUE(both.signalled().value());
}

TEST_F(Fences, ADriverIsToldTheDeadline)
{
    NEED_SW_SYNC(timeline);
    const cb::Status told = timeline.fence(1).set_deadline(cb::deadline_in(10ms));
    EXPECT_TRUE(told || told.error().category == cb::Category::unsupported) << told.error().message();
}

/// One way that a fence may take until somebody hears of it. `fail` ends the timeline.
struct Route {
    const char* name;
    std::function<cb::Status(const cb::Fence& bad, const std::function<void()>& fail, const cb::Fence& good,
                             const cb::Buffer& buffer)>
        take;
};

cb::Status status_of(const cb::Result<bool>& signalled) { return signalled ? cb::Status() : signalled.error(); }

cb::Status waited(const cb::Result<cb::Fence>& fence)
{
    return fence ? fence->wait(cb::deadline_in(1s)) : cb::Status(fence.error());
}

// What happens before the fence fails and what after it, in every order.
const std::vector<Route>& routes()
{
    using cb::Buffer;
    using cb::Fence;
    using Fail = std::function<void()>;
    static const std::vector<Route> all{
        {"fail, wait",
         [](const Fence& bad, const Fail& fail, const Fence&, const Buffer&) {
             fail();
             return bad.wait(cb::deadline_in(1s));
         }},
        {"fail, look",
         [](const Fence& bad, const Fail& fail, const Fence&, const Buffer&) {
             fail();
             return status_of(bad.signalled());
         }},
        {"fail, merge, wait",
         [](const Fence& bad, const Fail& fail, const Fence& good, const Buffer&) {
             fail();
             return Fence::merge(std::array{bad, good}).wait(cb::deadline_in(1s));
         }},
        {"merge, fail, wait",
         [](const Fence& bad, const Fail& fail, const Fence& good, const Buffer&) {
             const Fence both = Fence::merge(std::array{good, bad});
             fail();
             return both.wait(cb::deadline_in(1s));
         }},
        {"fail, merge, take the descriptor",
         [](const Fence& bad, const Fail& fail, const Fence& good, const Buffer&) {
             fail();
             const auto fd = Fence::merge(std::array{bad, good}).sync_file_fd();
             return fd ? cb::Status() : fd.error();
         }},
        {"merge, descriptor, fail, wait",
         [](const Fence& bad, const Fail& fail, const Fence& good, const Buffer&) {
             const Fence both = Fence::merge(std::array{bad, good});
             EXPECT_TRUE(both.sync_file_fd());
             fail();
             return both.wait(cb::deadline_in(1s));
         }},
        {"merge, descriptor, fail, merge again, descriptor",
         [](const Fence& bad, const Fail& fail, const Fence& good, const Buffer&) {
             const Fence both = Fence::merge(std::array{bad, good});
             EXPECT_TRUE(both.sync_file_fd());
             fail();
             const auto fd = Fence::merge(std::array{both, good}).sync_file_fd();
             return fd ? cb::Status() : fd.error();
         }},
        {"merge, descriptor to a stranger, fail, the stranger waits",
         [](const Fence& bad, const Fail& fail, const Fence& good, const Buffer&) {
             auto theirs = Fence::from_fd(Fence::merge(std::array{bad, good}).export_fd().value());
             fail();
             return waited(theirs);
         }},
        {"fail, descriptor to a stranger",
         [](const Fence& bad, const Fail& fail, const Fence&, const Buffer&) {
             fail();
             const auto fd = bad.export_fd();
             return fd ? cb::Status() : fd.error();
         }},
        {"import, fail, export, wait",
         [](const Fence& bad, const Fail& fail, const Fence&, const Buffer& buffer) {
             EXPECT_TRUE(buffer.import_fence(bad, cb::Access::write));
             fail();
             return waited(buffer.export_fence(cb::Access::read));
         }},
        {"import, export, fail, wait",
         [](const Fence& bad, const Fail& fail, const Fence&, const Buffer& buffer) {
             EXPECT_TRUE(buffer.import_fence(bad, cb::Access::write));
             const auto fence = buffer.export_fence(cb::Access::read);
             fail();
             return waited(fence);
         }},
        {"fail, import, export, wait",
         [](const Fence& bad, const Fail& fail, const Fence&, const Buffer& buffer) {
             fail();
             EXPECT_TRUE(buffer.import_fence(bad, cb::Access::write));
             return waited(buffer.export_fence(cb::Access::read));
         }},
        {"import by a stranger, export, fail, wait",
         [](const Fence& bad, const Fail& fail, const Fence&, const Buffer& buffer) {
             std::vector<cb::UniqueFd> memory;
             memory.push_back(buffer.export_fd().value());
             const auto theirs = Buffer::wrap(buffer.layout(), std::move(memory));
             EXPECT_TRUE(theirs->import_fence(bad, cb::Access::write));
             const auto fence = buffer.export_fence(cb::Access::read);
             fail();
             return waited(fence);
         }},
        {"publish, fail, gather, wait",
         [](const Fence& bad, const Fail& fail, const Fence&, const Buffer& buffer) {
             EXPECT_TRUE(cb::Job("w").writes(buffer).publish(bad));
             fail();
             return waited(cb::Job("r").reads(buffer).gather());
         }},
        {"publish, gather, fail, wait",
         [](const Fence& bad, const Fail& fail, const Fence&, const Buffer& buffer) {
             EXPECT_TRUE(cb::Job("w").writes(buffer).publish(bad));
             const auto fence = cb::Job("r").reads(buffer).gather();
             fail();
             return waited(fence);
         }},
        {"fail, publish, gather, wait",
         [](const Fence& bad, const Fail& fail, const Fence&, const Buffer& buffer) {
             fail();
             EXPECT_TRUE(cb::Job("w").writes(buffer).publish(bad));
             return waited(cb::Job("r").reads(buffer).gather());
         }},
        {"publish a reader, fail, a writer gathers",
         [](const Fence& bad, const Fail& fail, const Fence&, const Buffer& buffer) {
             EXPECT_TRUE(cb::Job("r").reads(buffer).publish(bad));
             fail();
             return waited(cb::Job("w").writes(buffer).gather());
         }},
        {"publish, fail, CPU read",
         [](const Fence& bad, const Fail& fail, const Fence&, const Buffer& buffer) {
             EXPECT_TRUE(cb::Job("w").writes(buffer).publish(bad));
             fail();
             const auto access = buffer.read(cb::deadline_in(1s));
             return access ? cb::Status() : access.error();
         }},
        {"publish, CPU read waits, fail",
         [](const Fence& bad, const Fail& fail, const Fence&, const Buffer& buffer) {
             EXPECT_TRUE(cb::Job("w").writes(buffer).publish(bad));
             std::thread later([&fail] {
                 std::this_thread::sleep_for(20ms);
                 fail();
             });
             const auto access = buffer.read(cb::deadline_in(1s));
             later.join();
             return access ? cb::Status() : access.error();
         }},
    };
    return all;
}

TEST_F(Fences, AnErrorReachesTheCallerInEveryOrder)
{
    std::cout << "a fence fails with ENOENT                                     what the caller gets\n";
    for (const Route& route : routes()) {
        NEED_SW_SYNC(timeline);
        NEED_SW_SYNC(other);
        const auto buffer = any_buffer();
        if (!buffer)
            GTEST_SKIP() << "no heap can be used here";
        const cb::Fence bad = timeline.fence(1);
        const cb::Fence good = other.fence(1);
        const auto fail = [&timeline, &other] {
            timeline.fail();
            other.advance(1);
        };
        const cb::Status result = route.take(bad, fail, good, *buffer);
        std::cout << "  " << std::left << std::setw(60) << route.name
                  << (result ? "nothing" : result.error().message().substr(0, 60)) << '\n';
        ASSERT_FALSE(result) << route.name;
        EXPECT_EQ(result.error().sys_errno, ENOENT) << route.name << ": " << result.error().message();
        EXPECT_EQ(result.error().category, cb::Category::work_failed) << route.name;
    }
}

TEST_F(Fences, WhatNeverSignalsHoldsNobodyPastTheDeadline)
{
    NEED_SW_SYNC(timeline);
    const auto buffer = any_buffer();
    if (!buffer)
        GTEST_SKIP() << "no heap can be used here";
    const cb::Fence never = timeline.fence(1);
    ASSERT_TRUE(cb::Job("stuck").writes(*buffer).publish(never));
    EXPECT_EQ(by(60ms, [&](cb::Deadline d) { return never.wait(d); }).error().category, cb::Category::timed_out);
    const cb::Fence both = cb::Fence::merge(std::array{never, timeline.fence(2)});
    EXPECT_EQ(by(60ms, [&](cb::Deadline d) { return both.wait(d); }).error().category, cb::Category::timed_out);
    for (const auto access : {&cb::Buffer::read, &cb::Buffer::write, &cb::Buffer::read_write}) {
        const auto begun = by(60ms, [&](cb::Deadline d) { return ((*buffer).*access)(d, cb::Place::here()); });
        ASSERT_FALSE(begun);
        EXPECT_EQ(begun.error().category, cb::Category::timed_out);
    }
    EXPECT_EQ(buffer->cpu_accesses(), 0U);
    // A stranger without this library's knowledge is held by the dma-buf itself.
    std::vector<cb::UniqueFd> memory;
    memory.push_back(buffer->export_fd().value());
    const auto theirs = cb::Buffer::wrap(buffer->layout(), std::move(memory));
    if (buffer->bridges_fences()) {
        EXPECT_EQ(by(60ms, [&](cb::Deadline d) { return theirs->read(d); }).error().category, cb::Category::timed_out);
    }
    timeline.advance(2);
    EXPECT_TRUE(buffer->read(cb::deadline_in(1s))) << "and afterwards all is well";
    EXPECT_TRUE(theirs->read_write(cb::deadline_in(1s)));
}

TEST_F(Fences, WhatNeverSignalsHoldsNoQueue)
{
    NEED_SW_SYNC(timeline);
    NEED_CAMERA(camera, devices::scattered_camera());
    const devices::Fast fast(camera);
    const auto plan = cb::Allocator().plan({DRM_FORMAT_YUYV, 640, 360, 3}, {camera.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    const auto stuck = plan->allocate();
    const auto good = plan->allocate();
    ASSERT_TRUE(stuck && good);
    for (const bool by_thread : {false, true}) {
        auto queue = camera.open_queue(cb::v4l2::Role::capture, plan->layout(), 3);
        ASSERT_TRUE(queue) << queue.error().message();
        if (by_thread) {
            ASSERT_TRUE(queue->start_thread());
        }
        EXPECT_TRUE(by(20ms, [&](cb::Deadline) { return queue->queue_when_ready(*stuck, timeline.fence(1)); }));
        ASSERT_TRUE(queue->start());
        const auto nothing = by(60ms, [&](cb::Deadline d) { return queue->dequeue(d); });
        ASSERT_FALSE(nothing);
        EXPECT_EQ(nothing.error().category, cb::Category::timed_out) << nothing.error().message();
        EXPECT_EQ(queue->with_device(), 0U);
        // It can be had back, and the others go on.
        EXPECT_EQ(queue->cancel_waiting(), std::vector{*stuck});
        ASSERT_TRUE(queue->queue_when_ready(*good));
        const auto frame = queue->dequeue(cb::deadline_in(5s));
        ASSERT_TRUE(frame) << frame.error().message();
        EXPECT_EQ(frame->buffer, *good);
        ASSERT_TRUE(queue->stop());
    }
}

TEST_F(Fences, WhatNeverSignalsHoldsNoDisplay)
{
    NEED_SCREEN(screen);
    NEED_SW_SYNC(timeline);
    const cb::drm::Device& device = screen.display().device();
    const auto stuck = Screen::image(device, 0xff0000);
    const auto good = Screen::image(device, 0x00ff00);
    ASSERT_TRUE(stuck && good);
    ASSERT_TRUE(screen.queue.commit(screen.picture(*good).enable(), cb::deadline_in(1s)));
    const auto commit_stuck = [&](cb::Deadline d) {
        return screen.queue.commit(screen.picture(*stuck, timeline.fence(1)), d);
    };
    const auto late = by(60ms, commit_stuck);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().category, cb::Category::timed_out) << late.error().message();
    EXPECT_EQ(screen.queue.waiting(), 0U);
    const auto next = screen.queue.commit(screen.picture(*good), cb::deadline_in(1s));
    ASSERT_TRUE(next) << next.error().message();
    EXPECT_TRUE(next->shown.wait(cb::deadline_in(1s))) << "the rest goes on";

    // The same in an event loop: what waits can be had back.
    EXPECT_TRUE(
        by(200ms, [&](cb::Deadline) { return screen.queue.submit(screen.picture(*stuck, timeline.fence(1))); }));
    ASSERT_TRUE(screen.queue.submit(screen.picture(*good)));
    pollfd entry{screen.queue.poll_fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&entry, 1, 60), 0);
    auto back = screen.queue.cancel_waiting();
    ASSERT_EQ(back.size(), 2U);
    EXPECT_EQ(back[0].buffers(), std::vector{*stuck});
    const auto again = screen.queue.commit(std::move(back[1]), cb::deadline_in(1s));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_TRUE(again->shown.wait(cb::deadline_in(1s)));

    // Who gives it to the kernel has to live with it: later ones return at their deadline.
    auto bold = screen.picture(*stuck, timeline.fence(1)).wait_by(cb::drm::FenceWait::kernel);
    const auto held = by(200ms, [&](cb::Deadline d) { return screen.queue.commit(std::move(bold), d); });
    ASSERT_TRUE(held) << held.error().message();
    const auto behind = by(60ms, [&](cb::Deadline d) { return screen.queue.commit(screen.picture(*good), d); });
    ASSERT_FALSE(behind);
    EXPECT_EQ(behind.error().category, cb::Category::timed_out);
    EXPECT_EQ(by(60ms, [&](cb::Deadline d) { return held->shown.wait(d); }).error().category, cb::Category::timed_out);
    timeline.advance(1);
    EXPECT_TRUE(screen.queue.commit(screen.picture(*good), cb::deadline_in(1s)));
}

TEST_F(Fences, AQueueGivesBuffersOnWhenTheirFencesSignal)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const devices::Fast fast(camera);
    const auto plan = cb::Allocator().plan({DRM_FORMAT_YUYV, 640, 360, 3}, {camera.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    for (const bool by_thread : {false, true}) {
        NEED_SW_SYNC(timeline);
        auto queue = camera.open_queue(cb::v4l2::Role::capture, plan->layout(), 3);
        ASSERT_TRUE(queue) << queue.error().message();
        if (by_thread) {
            ASSERT_TRUE(queue->start_thread());
        }
        std::vector<cb::Buffer> buffers;
        for (std::uint32_t i = 0; i < 3; ++i) {
            buffers.push_back(plan->allocate().value());
            ASSERT_TRUE(queue->queue_when_ready(buffers.back(), timeline.fence(i + 1)));
        }
        ASSERT_TRUE(queue->start());
        constexpr std::uint32_t frames = 30;
        for (std::uint32_t i = 0; i < frames; ++i) {
            timeline.advance(1);
            const auto frame = queue->dequeue(cb::deadline_in(5s));
            ASSERT_TRUE(frame) << frame.error().message();
            EXPECT_EQ(frame->buffer, buffers[i % 3]) << "in the order in which they were queued";
            ASSERT_TRUE(queue->queue_when_ready(frame->buffer, timeline.fence(i + 4)));
        }
        EXPECT_EQ(queue->cancel_waiting().size(), 3U);
        ASSERT_TRUE(queue->stop());
    }
}

} // namespace
