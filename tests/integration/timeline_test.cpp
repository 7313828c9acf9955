// SPDX-License-Identifier: MIT
//
// Timelines of the real kernel, on any DRM device that has them. sw_sync makes the work,
// and the work that fails.
#include "sw_sync.hpp"
#include "timelines.hpp"

#include <drm.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <iomanip>
#include <iostream>
#include <thread>

namespace {

using namespace timelines;
using cb::Timeline;
using cb::TimelinePoint;

TEST_F(Timelines, ADriverWithoutThemIsSaid)
{
    bool any = false;
    for (const auto& node : cb::drm::nodes()) {
        const cb::UniqueFd drm = open_node(node.path);
        drm_get_cap request{DRM_CAP_SYNCOBJ_TIMELINE, 0};
        if (!drm || ::ioctl(drm.get(), DRM_IOCTL_GET_CAP, &request) != 0 || request.value != 0)
            continue;
        any = true;
        const auto none = Timeline::create(drm.get());
        ASSERT_FALSE(none) << node.path;
        EXPECT_EQ(none.error().category, cb::Category::unsupported) << none.error().message();
        EXPECT_NE(none.error().detail.find("DRM_CAP_SYNCOBJ_TIMELINE"), std::string::npos);
    }
    if (!any)
        GTEST_SKIP() << "every DRM device here has timelines, or there is none";
}

TEST_F(Timelines, WhatIsNoDrmDeviceOrNoSyncobjIsRefused)
{
    NEED_TIMELINES(drm);
    const cb::UniqueFd event(::eventfd(0, EFD_CLOEXEC));
    const auto no_device = Timeline::create(event.get());
    ASSERT_FALSE(no_device);
    EXPECT_EQ(no_device.error().category, cb::Category::invalid_argument) << no_device.error().message();
    const auto no_syncobj = Timeline::import(drm.get(), event.dup().value());
    ASSERT_FALSE(no_syncobj);
    EXPECT_EQ(no_syncobj.error().category, cb::Category::invalid_argument) << no_syncobj.error().message();
}

TEST_F(Timelines, SayHowFarTheyAre)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    const Timeline timeline = Timeline::create(drm.get()).value();
    EXPECT_EQ(timeline.last_signalled().value(), 0U);
    EXPECT_EQ(timeline.last_submitted().value(), 0U);
    ASSERT_TRUE(timeline.signal(2));
    ASSERT_TRUE(timeline.attach(5, work.fence(1)));
    ASSERT_TRUE(timeline.signal(6));
    EXPECT_EQ(timeline.last_signalled().value(), 2U);
    EXPECT_EQ(timeline.last_submitted().value(), 6U);
    EXPECT_TRUE(timeline.wait(1, cb::Deadline{}));
    EXPECT_TRUE(timeline.wait(2, cb::Deadline{}));
    for (const std::uint64_t point : {3U, 5U, 6U})
        EXPECT_EQ(category(timeline.wait(point, cb::Deadline{})), cb::Category::timed_out) << point;
    work.advance(1);
    EXPECT_TRUE(timeline.wait(3, cb::Deadline{}));
    EXPECT_TRUE(timeline.wait(6, cb::Deadline{}));
    EXPECT_EQ(timeline.last_signalled().value(), 6U);
}

TEST_F(Timelines, RefuseWhatTheKernelWouldTakeOutOfOrder)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    const Timeline timeline = Timeline::create(drm.get()).value();
    ASSERT_TRUE(timeline.signal(4));
    ASSERT_TRUE(timeline.attach(5, work.fence(1)));
    for (const std::uint64_t point : {3U, 5U}) {
        EXPECT_EQ(category(timeline.signal(point)), cb::Category::invalid_argument);
        EXPECT_EQ(category(timeline.attach(point, work.fence(2))), cb::Category::invalid_argument);
        EXPECT_EQ(category(timeline.transfer(4, timeline, point)), cb::Category::invalid_argument);
    }
    EXPECT_NE(timeline.signal(3).error().message().find("last submitted one, 5"), std::string::npos)
        << timeline.signal(3).error().message();
    EXPECT_EQ(timeline.last_signalled().value(), 4U);
    EXPECT_TRUE(timeline.signal(6));

    // The kernel takes it, and forgets what has signalled.
    const std::uint32_t handle = timeline.handle();
    std::uint64_t point = 3;
    drm_syncobj_timeline_array request{};
    request.handles = reinterpret_cast<std::uintptr_t>(&handle);
    request.points = reinterpret_cast<std::uintptr_t>(&point);
    request.count_handles = 1;
    ASSERT_EQ(::ioctl(drm.get(), DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &request), 0);
    EXPECT_EQ(timeline.last_submitted().value(), 6U);
    EXPECT_EQ(timeline.last_signalled().value(), 0U) << "point 4 had signalled";
    work.advance(1);
    EXPECT_TRUE(timeline.wait(6, cb::deadline_in(1s)));
}

TEST_F(Timelines, AWaitEndsWhenTheWorkDoes)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    const Timeline timeline = Timeline::create(drm.get()).value();
    ASSERT_TRUE(timeline.attach(1, work.fence(1)));
    std::thread worker([&work] {
        std::this_thread::sleep_for(30ms);
        work.advance(1);
    });
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_TRUE(timeline.wait(1, cb::deadline_in(5s)));
    const auto took = std::chrono::steady_clock::now() - begun;
    EXPECT_GE(took, 30ms);
    EXPECT_LT(took, 1s);
    worker.join();
}

TEST_F(Timelines, AWaitBeginsBeforeThePointIsSubmitted)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    const Timeline timeline = Timeline::create(drm.get()).value();
    std::atomic<bool> attached = false;
    std::thread worker([&] {
        std::this_thread::sleep_for(30ms);
        attached = true;
        EXPECT_TRUE(timeline.attach(1, work.fence(1)));
    });
    EXPECT_TRUE(timeline.wait_submitted(1, cb::deadline_in(5s)));
    EXPECT_TRUE(attached);
    EXPECT_EQ(timeline.last_signalled().value(), 0U) << "its work goes on";
    worker.join();
    std::thread second([&] {
        std::this_thread::sleep_for(20ms);
        EXPECT_TRUE(timeline.attach(2, work.fence(2)));
        std::this_thread::sleep_for(20ms);
        work.advance(2);
    });
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_TRUE(timeline.wait(2, cb::deadline_in(5s)));
    EXPECT_GE(std::chrono::steady_clock::now() - begun, 40ms);
    second.join();
}

TEST_F(Timelines, WhatNeverSignalsHoldsNobodyPastTheDeadline)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    const cb::UniqueFd never(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    const Timeline timeline = Timeline::create(drm.get()).value();
    ASSERT_TRUE(timeline.attach(3, work.fence(1)));
    const auto timed_out = [&](auto call) {
        for (const int cancel : {-1, never.get()}) {
            const auto result = at_deadline(60ms, [&](cb::Deadline deadline) { return call(deadline, cancel); });
            ASSERT_FALSE(result);
            EXPECT_EQ(result.error().category, cb::Category::timed_out) << result.error().message();
        }
    };
    const std::array both{TimelinePoint{timeline, 3}, TimelinePoint{timeline, 9}};
    timed_out([&](cb::Deadline d, int c) { return timeline.wait(3, d, c); });
    timed_out([&](cb::Deadline d, int c) { return timeline.wait(9, d, c); });
    timed_out([&](cb::Deadline d, int c) { return timeline.wait_submitted(9, d, c); });
    timed_out([&](cb::Deadline d, int c) { return Timeline::wait_all(both, d, c); });
    timed_out([&](cb::Deadline d, int c) { return Timeline::wait_any(both, d, c); });
    const cb::Status there = timeline.wait(3, cb::Deadline{});
    EXPECT_NE(there.error().message().find("it is submitted"), std::string::npos) << there.error().message();
    const cb::Status missing = timeline.wait(9, cb::Deadline{});
    EXPECT_NE(missing.error().message().find("the last point is 3"), std::string::npos) << missing.error().message();
    EXPECT_EQ(timeline.fence(9).error().category, cb::Category::invalid_state);
    work.advance(1);
    EXPECT_TRUE(timeline.wait(3, cb::deadline_in(1s))) << "and afterwards all is well";
}

TEST_F(Timelines, AWaitCanBeCancelled)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    const Timeline timeline = Timeline::create(drm.get()).value();
    ASSERT_TRUE(timeline.attach(1, work.fence(1)));
    const std::array points{TimelinePoint{timeline, 1}, TimelinePoint{timeline, 2}};
    const std::vector<std::function<cb::Status(cb::Deadline, int)>> waits{
        [&](cb::Deadline d, int c) { return timeline.wait(1, d, c); },
        [&](cb::Deadline d, int c) { return timeline.wait(2, d, c); },
        [&](cb::Deadline d, int c) { return timeline.wait_submitted(2, d, c); },
        [&](cb::Deadline d, int c) -> cb::Status {
            const auto any = Timeline::wait_any(points, d, c);
            return any ? cb::Status() : any.error();
        },
    };
    for (const auto& wait : waits) {
        const cb::UniqueFd cancel(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        std::chrono::steady_clock::time_point said;
        Lateness machine;
        std::thread other([&] {
            std::this_thread::sleep_for(20ms);
            said = std::chrono::steady_clock::now();
            ::eventfd_write(cancel.get(), 1);
        });
        EXPECT_EQ(category(wait(cb::deadline_in(5s), cancel.get())), cb::Category::cancelled);
        const auto ended = std::chrono::steady_clock::now();
        other.join();
        EXPECT_LT(ended - said, machine.allowed());
    }
    work.advance(1);
    const cb::UniqueFd cancel(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    EXPECT_TRUE(timeline.wait(1, cb::deadline_in(1s), cancel.get())) << "what is done is done, cancelled or not";
}

TEST_F(Timelines, WaitForAllAndForAny)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    NEED_SW_SYNC(other);
    const Timeline a = Timeline::create(drm.get()).value();
    const Timeline b = Timeline::create(drm.get()).value();
    const std::array both{TimelinePoint{a, 1}, TimelinePoint{b, 1}};
    ASSERT_TRUE(a.attach(1, work.fence(1)));
    std::thread worker([&] {
        std::this_thread::sleep_for(20ms);
        EXPECT_TRUE(b.attach(1, other.fence(1)));
        other.advance(1);
        std::this_thread::sleep_for(20ms);
        work.advance(1);
    });
    const auto first = Timeline::wait_any(both, cb::deadline_in(5s));
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_EQ(*first, 1U);
    EXPECT_TRUE(Timeline::wait_all(both, cb::deadline_in(5s)));
    EXPECT_EQ(a.last_signalled().value(), 1U);
    worker.join();
}

TEST_F(Timelines, GoWhereverThereAreTimelines)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    const cb::UniqueFd second = open_node(drm_path);
    const Timeline a = Timeline::create(drm.get()).value();
    const Timeline same = Timeline::import(second.get(), a.export_fd().value()).value();
    const Timeline b = Timeline::create(second.get()).value(); // whose handle is none on the first
    ASSERT_NE(b.handle(), a.handle());
    ASSERT_TRUE(a.attach(1, work.fence(1)));
    EXPECT_EQ(same.last_submitted().value(), 1U);
    EXPECT_EQ(category(same.signal(1)), cb::Category::invalid_argument) << "the order holds on both sides";
    ASSERT_TRUE(same.attach(2, work.fence(2)));
    EXPECT_EQ(a.last_submitted().value(), 2U);
    ASSERT_TRUE(a.transfer(1, b, 8)) << "to a timeline of another file";
    const std::array both{TimelinePoint{a, 2}, TimelinePoint{b, 8}};
    EXPECT_EQ(Timeline::wait_any(both, cb::Deadline{}).error().category, cb::Category::timed_out);
    work.advance(1);
    EXPECT_EQ(Timeline::wait_any(both, cb::deadline_in(1s)).value(), 1U);
    EXPECT_TRUE(same.wait(1, cb::deadline_in(1s)));
    work.advance(1);
    EXPECT_TRUE(Timeline::wait_all(both, cb::deadline_in(1s)));
}

TEST_F(Timelines, TheirFencesGoWhereFencesGo)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    const Timeline timeline = Timeline::create(drm.get()).value();
    ASSERT_TRUE(timeline.attach(1, work.fence(1)));
    ASSERT_TRUE(timeline.attach(2, work.fence(2)));
    const auto fence = timeline.fence(2);
    ASSERT_TRUE(fence);
    pollfd entry{fence->sync_file_fd().value(), POLLIN, 0};
    work.advance(1);
    EXPECT_EQ(::poll(&entry, 1, 0), 0);
    EXPECT_TRUE(timeline.fence(1)->signalled().value());
    // What came out of a timeline goes into another one, as a stranger would do it.
    const Timeline other = Timeline::create(drm.get()).value();
    const cb::Fence stranger = cb::Fence::from_fd(fence->export_fd().value()).value();
    ASSERT_TRUE(other.attach(1, stranger));
    EXPECT_EQ(category(other.wait(1, cb::Deadline{})), cb::Category::timed_out);
    work.advance(1);
    EXPECT_EQ(::poll(&entry, 1, 1000), 1);
    EXPECT_TRUE(fence->signalled().value());
    EXPECT_TRUE(other.wait(1, cb::deadline_in(1s)));
}

TEST_F(Timelines, NotifyAnEventfd)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    const Timeline timeline = Timeline::create(drm.get()).value();
    const cb::UniqueFd submitted(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    const cb::UniqueFd signalled(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    const cb::Status told = timeline.notify(1, submitted.get(), Timeline::When::submitted);
    if (!told && told.error().category == cb::Category::unsupported)
        GTEST_SKIP() << told.error().message();
    ASSERT_TRUE(told) << told.error().message();
    ASSERT_TRUE(timeline.notify(1, signalled.get()));
    const auto ready = [](const cb::UniqueFd& fd, int timeout) {
        pollfd entry{fd.get(), POLLIN, 0};
        return ::poll(&entry, 1, timeout) == 1;
    };
    EXPECT_FALSE(ready(submitted, 0));
    ASSERT_TRUE(timeline.attach(1, work.fence(1)));
    EXPECT_TRUE(ready(submitted, 1000));
    EXPECT_FALSE(ready(signalled, 0));
    work.advance(1);
    EXPECT_TRUE(ready(signalled, 1000));
    const cb::UniqueFd late(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    ASSERT_TRUE(timeline.notify(1, late.get()));
    EXPECT_TRUE(ready(late, 0)) << "at once where it has signalled";

    const cb::Status wrong = timeline.notify(2, drm.get());
    EXPECT_EQ(category(wrong), cb::Category::invalid_argument) << wrong.error().message();
    EXPECT_EQ(category(timeline.notify(2, -1)), cb::Category::invalid_argument);
    // What never comes holds nothing of ours when the timeline goes.
    EXPECT_TRUE(timeline.notify(99, late.get()));
}

TEST_F(Timelines, AFailureThatIsDealtWithCountsNoMore)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    const Timeline timeline = Timeline::create(drm.get()).value();
    ASSERT_TRUE(timeline.attach(3, work.fence(1)));
    work.fail();
    EXPECT_EQ(timeline.wait(3, cb::deadline_in(1s)).error().sys_errno, ENOENT);
    timeline.forget_failures(3);
    EXPECT_TRUE(timeline.wait(3, cb::deadline_in(1s)));
    ASSERT_TRUE(timeline.signal(4));
    EXPECT_TRUE(timeline.wait(4, cb::deadline_in(1s)));
}

std::size_t open_descriptors()
{
    std::size_t count = 0;
    for (int fd = 0; fd < 1024; ++fd)
        count += ::fcntl(fd, F_GETFD) >= 0 ? 1U : 0U;
    return count;
}

TEST_F(Timelines, GoodPointsKeepNoDescriptors)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    const Timeline timeline = Timeline::create(drm.get()).value();
    const std::size_t before = open_descriptors();
    for (std::uint32_t point = 1; point <= 100; ++point) {
        ASSERT_TRUE(timeline.attach(point, work.fence(point)));
        if (point > 3) {
            ASSERT_TRUE(timeline.wait(point - 3, cb::deadline_in(1s)));
        }
        EXPECT_LE(open_descriptors(), before + 8) << point;
        if (point >= 3)
            work.advance(1);
    }
    work.advance(3);
    EXPECT_TRUE(timeline.wait(100, cb::deadline_in(1s)));
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Timelines, ManyThreadsShareOne)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    constexpr std::uint32_t last = 300;
    const Timeline timeline = Timeline::create(drm.get()).value();
    std::vector<std::thread> waiters;
    waiters.reserve(4);
    for (int i = 0; i < 4; ++i) {
        waiters.emplace_back([&timeline] {
            for (std::uint32_t point = 1; point <= last; ++point) {
                const cb::Status over = timeline.wait(point, cb::deadline_in(20s));
                ASSERT_TRUE(over) << over.error().message();
                EXPECT_GE(timeline.last_signalled().value(), point);
            }
        });
    }
    std::thread producer([&] {
        for (std::uint32_t point = 1; point <= last; ++point)
            EXPECT_TRUE(timeline.attach(point, work.fence(point)));
    });
    for (std::uint32_t step = 0; step < last; ++step) {
        std::this_thread::sleep_for(500us);
        work.advance(1);
    }
    producer.join();
    for (std::thread& waiter : waiters)
        waiter.join();
}

TEST_F(Timelines, WhatTheyCost)
{
    NEED_TIMELINES(drm);
    NEED_SW_SYNC(work);
    constexpr std::uint32_t rounds = 200;
    const Timeline timeline = Timeline::create(drm.get()).value();
    const auto each = [](const char* what, auto call) {
        const auto begun = std::chrono::steady_clock::now();
        for (std::uint32_t i = 1; i <= rounds; ++i)
            call(i);
        const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begun;
        std::cout << "  " << std::left << std::setw(34) << what << took.count() / rounds << " us\n";
    };
    std::vector<cb::Fence> fences;
    for (std::uint32_t i = 1; i <= rounds; ++i)
        fences.push_back(work.fence(i));
    each("one call of the kernel (query)", [&](std::uint32_t) { EXPECT_TRUE(timeline.last_signalled()); });
    each("attach and signal a pending fence", [&](std::uint32_t i) {
        EXPECT_TRUE(timeline.attach(2 * i, fences[i - 1]));
        work.advance(1);
        EXPECT_TRUE(timeline.wait(2 * i, cb::deadline_in(1s)));
    });
    each("signal", [&](std::uint32_t i) { EXPECT_TRUE(timeline.signal(2 * rounds + i)); });
    each("wait for what has signalled", [&](std::uint32_t i) { EXPECT_TRUE(timeline.wait(2 * rounds + i, {})); });
}

} // namespace
