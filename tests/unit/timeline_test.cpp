// SPDX-License-Identifier: MIT
#include "fake/machine.hpp"
#include "os/os.hpp"

#include <commonbuf/timeline.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <functional>

namespace commonbuf {
namespace {

using std::chrono::milliseconds;
using Work = std::shared_ptr<fake::FenceModel>;

class TimelineTest : public testing::Test {
protected:
    TimelineTest()
        : card(machine.add_card("card0", {.timelines = true})),
          drm(os::open("/dev/dri/card0").value()),
          before(machine.open_descriptors())
    {}

    Timeline make() const { return Timeline::create(drm.get()).value(); }

    /// A stranger's view of the same timeline: another process would have this.
    Timeline stranger(const Timeline& timeline) const
    {
        return Timeline::import(drm.get(), timeline.export_fd().value()).value();
    }

    Fence fence(const Work& work) { return Fence::from_fd(UniqueFd(machine.sync_file(work))).value(); }

    Work submit(const Timeline& timeline, std::uint64_t point)
    {
        auto work = machine.add_fence("t" + std::to_string(point));
        EXPECT_TRUE(timeline.attach(point, fence(work))) << point;
        return work;
    }

    void TearDown() override
    {
        EXPECT_EQ(machine.open_descriptors(), before);
        drm.reset(); // which complains of handles that are left
        EXPECT_EQ(machine.leaks(), "");
    }

    fake::Machine machine;
    fake::CardModel& card;
    UniqueFd drm;
    std::size_t before;
};

Category category(const Status& status) { return status ? Category::kernel_failure : status.error().category; }

TEST_F(TimelineTest, ADriverWithoutTimelinesIsSaid)
{
    card.timelines = false;
    const auto none = Timeline::create(drm.get());
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().category, Category::unsupported);
    EXPECT_NE(none.error().detail.find("DRM_CAP_SYNCOBJ_TIMELINE"), std::string::npos);
}

TEST_F(TimelineTest, WhatIsNoDrmDeviceIsRefused)
{
    const UniqueFd memory(machine.add_dma_buf(4096));
    const auto none = Timeline::create(memory.get());
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().category, Category::invalid_argument);
    EXPECT_NE(none.error().detail.find("is not a DRM device"), std::string::npos);
    EXPECT_FALSE(Timeline::create(-1));
}

TEST_F(TimelineTest, WhatIsNoSyncobjIsRefusedAndClosed)
{
    const auto none = Timeline::import(drm.get(), UniqueFd(machine.add_dma_buf(4096)));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().category, Category::invalid_argument);
    EXPECT_NE(none.error().detail.find("is not a syncobj"), std::string::npos);
    EXPECT_FALSE(Timeline::import(drm.get(), {}));
}

TEST_F(TimelineTest, OutlivesTheDescriptorItWasMadeWith)
{
    UniqueFd own = drm.dup().value();
    const Timeline timeline = Timeline::create(own.get()).value();
    own.reset();
    EXPECT_TRUE(timeline.signal(1));
}

TEST_F(TimelineTest, SaysHowFarItIs)
{
    const Timeline timeline = make();
    EXPECT_EQ(timeline.last_signalled().value(), 0U);
    EXPECT_EQ(timeline.last_submitted().value(), 0U);
    ASSERT_TRUE(timeline.signal(2));
    const Work work = submit(timeline, 5);
    EXPECT_EQ(timeline.last_signalled().value(), 2U);
    EXPECT_EQ(timeline.last_submitted().value(), 5U);
    EXPECT_TRUE(timeline.wait(1, Deadline{})) << "points that were left out signal with the next one";
    EXPECT_TRUE(timeline.wait(2, Deadline{}));
    EXPECT_EQ(category(timeline.wait(3, Deadline{})), Category::timed_out);
    work->status = 1;
    EXPECT_TRUE(timeline.wait(3, Deadline{}));
    EXPECT_EQ(timeline.last_signalled().value(), 5U);
}

TEST_F(TimelineTest, APointSignalsAfterThoseBeforeIt)
{
    const Timeline timeline = make();
    const Work first = submit(timeline, 1);
    ASSERT_TRUE(timeline.signal(2));
    EXPECT_EQ(category(timeline.wait(2, Deadline{})), Category::timed_out);
    first->status = 1;
    EXPECT_TRUE(timeline.wait(2, Deadline{}));
}

TEST_F(TimelineTest, APointOutOfOrderIsRefusedWithTheNumbers)
{
    const Timeline timeline = make();
    const Timeline other = stranger(timeline);
    ASSERT_TRUE(other.signal(5)) << "what another process submits counts too";
    const auto refused = [](const Status& status) {
        EXPECT_EQ(category(status), Category::invalid_argument);
        EXPECT_NE(status.error().message().find("point 5"), std::string::npos) << status.error().message();
        EXPECT_NE(status.error().message().find("from 6 on"), std::string::npos) << status.error().message();
    };
    refused(timeline.signal(5));
    refused(timeline.attach(5, Fence()));
    refused(other.transfer(5, timeline, 5));
    EXPECT_EQ(category(timeline.signal(4)), Category::invalid_argument);
    EXPECT_EQ(timeline.last_submitted().value(), 5U);
    EXPECT_EQ(timeline.last_signalled().value(), 5U);
    EXPECT_TRUE(timeline.signal(6));
}

TEST_F(TimelineTest, PointZeroIsRefused)
{
    const Timeline timeline = make();
    const std::array points{TimelinePoint{timeline, 0}};
    EXPECT_EQ(category(timeline.signal(0)), Category::invalid_argument);
    EXPECT_EQ(category(timeline.attach(0, Fence())), Category::invalid_argument);
    EXPECT_EQ(category(timeline.wait(0, Deadline{})), Category::invalid_argument);
    EXPECT_EQ(category(timeline.wait_submitted(0, Deadline{})), Category::invalid_argument);
    EXPECT_EQ(category(timeline.notify(0, -1)), Category::invalid_argument);
    EXPECT_EQ(category(timeline.transfer(0, timeline, 1)), Category::invalid_argument);
    EXPECT_EQ(timeline.fence(0).error().category, Category::invalid_argument);
    EXPECT_EQ(category(Timeline::wait_all(points, Deadline{})), Category::invalid_argument);
    EXPECT_EQ(Timeline::wait_any(points, Deadline{}).error().category, Category::invalid_argument);
    ASSERT_TRUE(timeline.signal(1));
    EXPECT_EQ(category(timeline.transfer(1, timeline, 0)), Category::invalid_argument);
}

TEST_F(TimelineTest, AWaitSaysWhetherThePointWasSubmitted)
{
    const Timeline timeline = make();
    submit(timeline, 4);
    const Status there = timeline.wait(4, Deadline{});
    EXPECT_EQ(category(there), Category::timed_out);
    EXPECT_NE(there.error().message().find("it is submitted"), std::string::npos) << there.error().message();
    const Status missing = timeline.wait(7, Deadline{});
    EXPECT_EQ(category(missing), Category::timed_out);
    EXPECT_NE(missing.error().message().find("the last point is 4"), std::string::npos) << missing.error().message();
    EXPECT_TRUE(timeline.wait_submitted(4, Deadline{}));
    EXPECT_EQ(category(timeline.wait_submitted(7, Deadline{})), Category::timed_out);
    const auto fence = timeline.fence(7);
    EXPECT_EQ(fence.error().category, Category::invalid_state);
    EXPECT_NE(fence.error().message().find("the last point is 4"), std::string::npos) << fence.error().message();
    EXPECT_EQ(category(timeline.transfer(7, timeline, 8)), Category::invalid_state);
}

TEST_F(TimelineTest, AWaitThatTheKernelEndsEarlyGoesOn)
{
    const Timeline timeline = make(); // and time never passes in the fake kernel
    const std::array points{TimelinePoint{timeline, 1}};
    const Deadline deadline = deadline_in(milliseconds(5));
    EXPECT_EQ(category(timeline.wait(1, deadline)), Category::timed_out);
    EXPECT_GE(std::chrono::steady_clock::now(), deadline);
    const Deadline later = deadline_in(milliseconds(5));
    EXPECT_EQ(Timeline::wait_any(points, later).error().category, Category::timed_out);
    EXPECT_GE(std::chrono::steady_clock::now(), later);
}

TEST_F(TimelineTest, AWaitBeginsBeforeThePointIsSubmitted)
{
    const Timeline timeline = make();
    card.while_waiting = [&timeline] { EXPECT_TRUE(timeline.signal(1)); };
    EXPECT_TRUE(timeline.wait(1, deadline_in(milliseconds(100))));
    card.while_waiting = [&timeline] { EXPECT_TRUE(timeline.signal(2)); };
    EXPECT_TRUE(timeline.wait_submitted(2, deadline_in(milliseconds(100))));
}

TEST_F(TimelineTest, AWaitCanBeCancelled)
{
    const Timeline timeline = make();
    const Work now = machine.add_fence("cancel");
    now->status = 1;
    const UniqueFd cancel(machine.sync_file(now)); // readable
    const std::array points{TimelinePoint{timeline, 2}};
    for (const Status& ended : {timeline.wait(1, deadline_in(milliseconds(500)), cancel.get()),
                                timeline.wait_submitted(1, deadline_in(milliseconds(500)), cancel.get())}) {
        EXPECT_EQ(category(ended), Category::cancelled);
        EXPECT_EQ(ended.error().operation, "wait for point 1 of a timeline");
    }
    submit(timeline, 2);
    EXPECT_EQ(category(timeline.wait(2, deadline_in(milliseconds(500)), cancel.get())), Category::cancelled);
    EXPECT_EQ(Timeline::wait_any(points, deadline_in(milliseconds(500)), cancel.get()).error().category,
              Category::cancelled);
    EXPECT_TRUE(timeline.signal(3));
    EXPECT_TRUE(timeline.wait_submitted(2, deadline_in(milliseconds(500)), cancel.get())) << "what is there is there";
}

/// One way that work may take over timelines until somebody hears how it ended.
struct Route {
    const char* name;
    std::function<Status(int drm, const Timeline&, const Timeline& other, const Fence& bad,
                         const std::function<void()>& fail)>
        take;
};

Status waited(const Result<Fence>& fence) { return fence ? fence->wait(Deadline{}) : Status(fence.error()); }

const std::vector<Route>& routes()
{
    using Fail = std::function<void()>;
    static const std::vector<Route> all{
        {"attach, fail, wait",
         [](int, const Timeline& a, const Timeline&, const Fence& bad, const Fail& fail) {
             EXPECT_TRUE(a.attach(1, bad));
             fail();
             return a.wait(1, Deadline{});
         }},
        {"fail, attach, wait",
         [](int, const Timeline& a, const Timeline&, const Fence& bad, const Fail& fail) {
             fail();
             EXPECT_TRUE(a.attach(1, bad));
             EXPECT_EQ(a.last_signalled().value(), 1U) << "others are not held up";
             return a.wait(1, Deadline{});
         }},
        {"attach, test, fail, wait",
         [](int, const Timeline& a, const Timeline&, const Fence& bad, const Fail& fail) {
             EXPECT_TRUE(a.attach(1, bad));
             EXPECT_EQ(category(a.wait(1, Deadline{})), Category::timed_out);
             fail();
             return a.wait(1, Deadline{});
         }},
        {"attach, fail, later points, wait",
         [](int, const Timeline& a, const Timeline&, const Fence& bad, const Fail& fail) {
             EXPECT_TRUE(a.attach(1, bad));
             fail();
             EXPECT_TRUE(a.signal(2));
             EXPECT_TRUE(a.attach(3, Fence()));
             EXPECT_EQ(a.last_signalled().value(), 3U);
             return a.wait(1, Deadline{});
         }},
        {"attach, fail, later points, wait for those",
         [](int, const Timeline& a, const Timeline&, const Fence& bad, const Fail& fail) {
             EXPECT_TRUE(a.attach(1, bad));
             fail();
             EXPECT_TRUE(a.signal(2));
             EXPECT_TRUE(a.signal(3));
             return a.wait(3, Deadline{});
         }},
        {"attach, fail, wait for all",
         [](int, const Timeline& a, const Timeline& b, const Fence& bad, const Fail& fail) {
             EXPECT_TRUE(a.attach(1, bad));
             fail();
             EXPECT_TRUE(b.signal(1));
             return Timeline::wait_all(std::array{TimelinePoint{b, 1}, TimelinePoint{a, 1}}, Deadline{});
         }},
        {"attach, fail, wait for any",
         [](int, const Timeline& a, const Timeline& b, const Fence& bad, const Fail& fail) -> Status {
             EXPECT_TRUE(a.attach(1, bad));
             fail();
             const auto any = Timeline::wait_any(std::array{TimelinePoint{b, 1}, TimelinePoint{a, 1}}, Deadline{});
             EXPECT_FALSE(any);
             EXPECT_NE(any.error().detail.find("index 1 of the points waited for: at point 1, "), std::string::npos)
                 << any.error().detail;
             return any.error();
         }},
        {"attach, take the fence, fail, wait for it",
         [](int, const Timeline& a, const Timeline&, const Fence& bad, const Fail& fail) {
             EXPECT_TRUE(a.attach(1, bad));
             EXPECT_TRUE(a.signal(2));
             const auto fence = a.fence(2);
             fail();
             return waited(fence);
         }},
        {"attach, fail, take the fence, wait for it",
         [](int, const Timeline& a, const Timeline&, const Fence& bad, const Fail& fail) {
             EXPECT_TRUE(a.attach(1, bad));
             fail();
             EXPECT_TRUE(a.signal(2));
             return waited(a.fence(2));
         }},
        {"attach, transfer, fail, wait for the other",
         [](int, const Timeline& a, const Timeline& b, const Fence& bad, const Fail& fail) {
             EXPECT_TRUE(a.attach(1, bad));
             EXPECT_TRUE(a.transfer(1, b, 7));
             fail();
             return b.wait(7, Deadline{});
         }},
        {"attach, fail, transfer, wait for the other",
         [](int, const Timeline& a, const Timeline& b, const Fence& bad, const Fail& fail) {
             EXPECT_TRUE(a.attach(1, bad));
             fail();
             EXPECT_TRUE(a.signal(2));
             EXPECT_TRUE(a.transfer(2, b, 7));
             return b.wait(7, Deadline{});
         }},
        {"attach, transfer to a later point, fail, transfer, wait for the other",
         [](int, const Timeline& a, const Timeline& b, const Fence& bad, const Fail& fail) {
             EXPECT_TRUE(a.attach(1, bad));
             EXPECT_TRUE(a.transfer(1, a, 4));
             fail();
             EXPECT_TRUE(a.transfer(4, b, 1));
             EXPECT_TRUE(b.signal(2));
             return b.wait(2, Deadline{});
         }},
        {"attach by a stranger, fail, wait",
         [](int drm, const Timeline& a, const Timeline&, const Fence& bad, const Fail& fail) {
             const Timeline theirs = Timeline::import(drm, a.export_fd().value()).value();
             EXPECT_TRUE(theirs.attach(1, bad));
             fail();
             return a.wait(1, Deadline{});
         }},
        {"attach by a stranger, test, fail, later points, wait",
         [](int drm, const Timeline& a, const Timeline&, const Fence& bad, const Fail& fail) {
             const Timeline theirs = Timeline::import(drm, a.export_fd().value()).value();
             EXPECT_TRUE(theirs.attach(1, bad));
             EXPECT_EQ(category(a.wait(1, Deadline{})), Category::timed_out);
             fail();
             EXPECT_TRUE(theirs.signal(2));
             EXPECT_TRUE(theirs.signal(3));
             return a.wait(1, Deadline{});
         }},
    };
    return all;
}

TEST_F(TimelineTest, AnErrorReachesTheCallerInEveryOrder)
{
    for (const Route& route : routes()) {
        const Timeline a = make();
        const Timeline b = make();
        const Work work = machine.add_fence("bad");
        const Status result = route.take(drm.get(), a, b, fence(work), [&work] { work->status = -EIO; });
        ASSERT_FALSE(result) << route.name;
        EXPECT_EQ(result.error().category, Category::work_failed) << route.name << ": " << result.error().message();
        EXPECT_EQ(result.error().sys_errno, EIO) << route.name << ": " << result.error().message();
    }
}

TEST_F(TimelineTest, WhatNobodyLookedAtInTimeIsLostAsTheHeaderSays)
{
    const Timeline timeline = make();
    const Timeline theirs = stranger(timeline);
    const Work work = submit(theirs, 1);
    work->status = -EIO;
    ASSERT_TRUE(theirs.signal(2));
    EXPECT_TRUE(timeline.wait(1, Deadline{}));
    EXPECT_EQ(theirs.wait(1, Deadline{}).error().sys_errno, EIO);
}

TEST_F(TimelineTest, AFailureCountsAtItsPointAndLaterOnesUntilForgotten)
{
    const Timeline timeline = make();
    submit(timeline, 2)->status = 1;
    submit(timeline, 4)->status = -EIO;
    submit(timeline, 6)->status = 1;
    EXPECT_TRUE(timeline.wait(1, Deadline{}));
    EXPECT_TRUE(timeline.wait(2, Deadline{}));
    for (const std::uint64_t point : {3U, 4U, 5U, 6U}) { // 3 signals with 4
        const Status over = timeline.wait(point, Deadline{});
        EXPECT_EQ(category(over), Category::work_failed) << point;
        EXPECT_NE(over.error().message().find("at point 4, "), std::string::npos) << over.error().message();
    }
    timeline.forget_failures(2);
    EXPECT_EQ(category(timeline.wait(6, Deadline{})), Category::work_failed);
    timeline.forget_failures(4);
    for (const std::uint64_t point : {3U, 4U, 5U, 6U})
        EXPECT_TRUE(timeline.wait(point, Deadline{})) << point;
    submit(timeline, 7)->status = -ENOENT;
    EXPECT_EQ(timeline.wait(7, Deadline{}).error().sys_errno, ENOENT);
    timeline.forget_failures(7);
    EXPECT_TRUE(timeline.wait(7, Deadline{})) << "though the kernel still has it";
}

TEST_F(TimelineTest, AFenceThatFailedInPartHoldsThePointUntilTheRestIsOver)
{
    const Timeline timeline = make();
    const Work bad = machine.add_fence("bad");
    const Work good = machine.add_fence("good");
    const Fence both = Fence::merge(std::array{fence(bad), fence(good)});
    bad->status = -EIO;
    ASSERT_EQ(both.sync_file_fd().error().sys_errno, EIO);
    ASSERT_TRUE(timeline.attach(1, both));
    EXPECT_EQ(timeline.last_signalled().value(), 0U);
    EXPECT_EQ(category(timeline.wait(1, Deadline{})), Category::timed_out);
    good->status = 1;
    EXPECT_EQ(timeline.last_signalled().value(), 1U);
    EXPECT_EQ(timeline.wait(1, Deadline{}).error().sys_errno, EIO);
}

TEST_F(TimelineTest, ManyGoodPointsKeepNoDescriptors)
{
    const Timeline timeline = make();
    const std::size_t open = machine.open_descriptors();
    for (std::uint64_t point = 1; point <= 100; ++point) {
        submit(timeline, point)->status = 1;
        EXPECT_LE(machine.open_descriptors(), open + 1) << point;
    }
    EXPECT_TRUE(timeline.wait(100, Deadline{}));
    EXPECT_EQ(machine.open_descriptors(), open);
    submit(timeline, 101)->status = -EIO;
    EXPECT_FALSE(timeline.wait(101, Deadline{}));
    EXPECT_EQ(machine.open_descriptors(), open) << "a failure is kept without its descriptor";
    EXPECT_FALSE(timeline.wait(101, Deadline{}));
}

TEST_F(TimelineTest, FencesThatNobodyWaitsForKeepNoDescriptors)
{
    const Timeline timeline = make();
    const Timeline theirs = stranger(timeline);
    const std::size_t open = machine.open_descriptors();
    for (std::uint64_t point = 1; point <= 100; ++point) {
        const Work work = submit(theirs, point);
        EXPECT_TRUE(timeline.fence(point));
        work->status = 1;
        EXPECT_LE(machine.open_descriptors(), open + 2) << point;
    }
}

TEST_F(TimelineTest, TestingAgainAndAgainHoldsOneDescriptor)
{
    const Timeline timeline = make();
    const Timeline theirs = stranger(timeline);
    const Work work = submit(theirs, 1);
    EXPECT_EQ(category(timeline.wait(1, Deadline{})), Category::timed_out);
    const std::size_t open = machine.open_descriptors();
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(category(timeline.wait(1, Deadline{})), Category::timed_out);
    EXPECT_EQ(machine.open_descriptors(), open);
    work->status = 1;
    EXPECT_TRUE(timeline.wait(1, Deadline{}));
    EXPECT_LT(machine.open_descriptors(), open);
}

TEST_F(TimelineTest, WaitsForAllAndForAny)
{
    const Timeline a = make();
    const Timeline b = make();
    const std::array both{TimelinePoint{a, 1}, TimelinePoint{b, 1}};
    const Work slow = submit(a, 1);
    EXPECT_EQ(category(Timeline::wait_all(both, Deadline{})), Category::timed_out);
    const auto none = Timeline::wait_any(both, Deadline{});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().category, Category::timed_out);
    EXPECT_NE(none.error().message().find("any of 2 points"), std::string::npos) << none.error().message();
    ASSERT_TRUE(b.signal(1));
    EXPECT_EQ(Timeline::wait_any(both, Deadline{}).value(), 1U);
    EXPECT_EQ(category(Timeline::wait_all(both, Deadline{})), Category::timed_out);
    slow->status = 1;
    EXPECT_TRUE(Timeline::wait_all(both, Deadline{}));
    EXPECT_TRUE(Timeline::wait_all({}, Deadline{}));
    EXPECT_EQ(Timeline::wait_any({}, Deadline{}).error().category, Category::invalid_argument);
}

TEST_F(TimelineTest, WaitsForAllAlsoWhenOneFailed)
{
    const Timeline a = make();
    const Timeline b = make();
    const Work bad = submit(a, 1);
    const Work slow = submit(b, 1);
    const std::array both{TimelinePoint{a, 1}, TimelinePoint{b, 1}};
    bad->status = -EIO;
    EXPECT_EQ(category(Timeline::wait_all(both, Deadline{})), Category::timed_out);
    slow->status = 1;
    EXPECT_EQ(Timeline::wait_all(both, Deadline{}).error().sys_errno, EIO);
}

TEST_F(TimelineTest, WorksAcrossDevices)
{
    machine.add_card("card1", {.timelines = true});
    const UniqueFd second = os::open("/dev/dri/card1").value();
    const Timeline a = make();
    {
        const Timeline same = Timeline::import(second.get(), a.export_fd().value()).value();
        const Timeline b = Timeline::create(second.get()).value(); // whose handle is none on the first
        ASSERT_NE(b.handle(), a.handle());
        const Work work = submit(a, 1);
        EXPECT_EQ(same.last_submitted().value(), 1U);
        EXPECT_TRUE(a.transfer(1, b, 1));
        const std::array both{TimelinePoint{a, 9}, TimelinePoint{b, 1}};
        EXPECT_EQ(Timeline::wait_any(both, Deadline{}).error().category, Category::timed_out);
        work->status = 1;
        EXPECT_EQ(Timeline::wait_any(both, Deadline{}).value(), 1U);
        EXPECT_TRUE(same.wait(1, Deadline{}));
    }
}

TEST_F(TimelineTest, NotifiesAnEventfd)
{
    const Timeline timeline = make();
    const UniqueFd submitted(machine.add_eventfd());
    const UniqueFd signalled(machine.add_eventfd());
    const auto ready = [](const UniqueFd& fd) { return os::wait(fd.get(), POLLIN, Deadline{}, "eventfd").value(); };
    ASSERT_TRUE(timeline.notify(1, submitted.get(), Timeline::When::submitted));
    ASSERT_TRUE(timeline.notify(1, signalled.get()));
    EXPECT_FALSE(ready(submitted));
    const Work work = submit(timeline, 1);
    EXPECT_TRUE(ready(submitted));
    EXPECT_FALSE(ready(signalled));
    work->status = 1;
    EXPECT_TRUE(ready(signalled));
}

TEST_F(TimelineTest, SaysWhyAnEventfdIsNotTaken)
{
    const Timeline timeline = make();
    const UniqueFd memory(machine.add_dma_buf(4096));
    for (const int wrong : {memory.get(), -1}) {
        const Status refused = timeline.notify(1, wrong);
        EXPECT_EQ(category(refused), Category::invalid_argument);
        EXPECT_NE(refused.error().detail.find("is not an eventfd"), std::string::npos);
    }
    card.tells_eventfds = false;
    const UniqueFd event(machine.add_eventfd());
    const Status old = timeline.notify(1, event.get());
    EXPECT_EQ(category(old), Category::unsupported);
    EXPECT_NE(old.error().detail.find("6.6"), std::string::npos);
}

/// Every call once. What fails ends it.
Status the_whole_way(fake::Machine& machine, int drm)
{
    const auto a = Timeline::create(drm);
    if (!a)
        return a.error();
    auto exported = a->export_fd();
    if (!exported)
        return exported.error();
    const auto b = Timeline::import(drm, std::move(*exported));
    if (!b)
        return b.error();
    const Work work = fake::Machine::add_fence("work");
    auto fence = Fence::from_fd(UniqueFd(machine.sync_file(work)));
    if (!fence)
        return fence.error();
    if (Status attached = a->attach(1, *fence); !attached)
        return attached;
    const auto there = b->fence(1);
    if (!there)
        return there.error();
    const auto other = Timeline::create(drm);
    if (!other)
        return other.error();
    if (Status moved = b->transfer(1, *other, 3); !moved)
        return moved;
    const UniqueFd event(machine.add_eventfd());
    if (Status told = other->notify(3, event.get()); !told)
        return told;
    work->status = 1;
    if (Status signalled = a->signal(2); !signalled)
        return signalled;
    const std::array points{TimelinePoint{*a, 2}, TimelinePoint{*other, 3}};
    if (const auto any = Timeline::wait_any(points, deadline_in(milliseconds(1))); !any)
        return any.error();
    if (Status all = Timeline::wait_all(points, deadline_in(milliseconds(1))); !all)
        return all;
    if (Status submitted = a->wait_submitted(2, deadline_in(milliseconds(1))); !submitted)
        return submitted;
    const auto last = a->last_signalled();
    return last ? Status() : last.error();
}

TEST(TimelineFaults, EveryCallMayFail)
{
    std::size_t calls = 0;
    std::size_t begin = 0;
    for (const int error : {0, EINVAL, ENOMEM, EMFILE, ENODEV, EINTR, EAGAIN}) {
        for (std::size_t i = begin; i == 0 || i < calls; ++i) {
            fake::Machine machine;
            machine.add_card("card0", {.timelines = true});
            UniqueFd drm = os::open("/dev/dri/card0").value();
            begin = machine.calls().size();
            if (error != 0)
                machine.fail(i, error);
            const Status status = the_whole_way(machine, drm.get());
            const std::string name = i < machine.calls().size() ? machine.calls()[i] : "";
            drm.reset();
            // A handle that the kernel does not take back stays until the file is closed.
            const bool kept = name == "DRM_IOCTL_SYNCOBJ_DESTROY" && error != EINTR && error != EAGAIN;
            EXPECT_EQ(machine.leaks(), kept ? "1 syncobj handles were left\n" : "") << name << ", errno " << error;
            if (error == 0) {
                ASSERT_TRUE(status) << status.error().message();
                calls = machine.calls().size();
                break;
            }
            ASSERT_TRUE(machine.fault_hit());
            if (!status && name == "DRM_IOCTL_GET_CAP" && error == EINVAL) {
                EXPECT_EQ(status.error().category, Category::unsupported) << "an old kernel says that";
            } else if (!status) {
                EXPECT_EQ(status.error().sys_errno, error) << name << ": " << status.error().message();
            }
            if ((error == EINTR && name != "dup") || (error == EAGAIN && name.starts_with("DRM_"))) {
                EXPECT_TRUE(status) << name << ": " << status.error().message();
            }
        }
    }
    EXPECT_GT(calls, 40U);
}

} // namespace
} // namespace commonbuf
