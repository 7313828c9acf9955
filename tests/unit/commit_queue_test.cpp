// SPDX-License-Identifier: MIT
#include "buffer/buffer_state.hpp"
#include "display_fixture.hpp"

#include <commonbuf/job.hpp>

#include <drm_mode.h>
#include <linux/dma-buf.h>
#include <poll.h>

#include <cerrno>

namespace commonbuf::drm {
namespace {

using std::chrono::milliseconds;

class CommitQueueTest : public DisplayFixture {
protected:
    Commit picture(const CommitQueue& queue, const Fence& ready = {})
    {
        return Commit(queue.display()).show(queue.display().primary(), buffer(), ready);
    }

    CommitQueue make(Fencing fencing = Fencing::bridged) { return CommitQueue::create(display(), fencing).value(); }

    void refresh() const
    {
        model.shown->status = 1;
        if (model.written)
            model.written->status = 1;
    }

    bool readable(int fd)
    {
        pollfd entry{fd, POLLIN, 0};
        return machine.ppoll(&entry, 1, nullptr) == 1;
    }
};

TEST_F(CommitQueueTest, WhatIsReadyIsCommittedAtOnce)
{
    CommitQueue queue = make();
    const auto number = queue.submit(picture(queue));
    ASSERT_TRUE(number) << number.error().message();
    EXPECT_EQ(queue.waiting(), 0U);
    EXPECT_EQ(queue.poll_fd(), -1);
    const auto done = queue.pop_committed();
    ASSERT_EQ(done.size(), 1U);
    EXPECT_EQ(done[0].number, *number);
    EXPECT_FALSE(done[0].kernel_waits);
    EXPECT_FALSE(done[0].shown.signalled().value());
    refresh();
    EXPECT_TRUE(done[0].shown.signalled().value());
    EXPECT_TRUE(queue.shown().signalled().value());
}

TEST_F(CommitQueueTest, OneIsOnItsWayAtATimeAndNobodyOvertakes)
{
    CommitQueue queue = make();
    const auto slow = machine.add_fence("slow");
    ASSERT_TRUE(queue.submit(picture(queue)));
    const auto second = queue.submit(picture(queue, fence(slow)));
    const auto third = queue.submit(picture(queue));
    ASSERT_TRUE(second && third);
    EXPECT_EQ(queue.waiting(), 2U);
    EXPECT_FALSE(readable(queue.poll_fd()));
    refresh();
    EXPECT_EQ(queue.advance().value(), 0U) << "shown, but the next is not ready";
    EXPECT_FALSE(readable(queue.poll_fd()));
    slow->status = 1;
    EXPECT_TRUE(readable(queue.poll_fd()));
    EXPECT_EQ(queue.advance().value(), 1U);
    EXPECT_EQ(queue.advance().value(), 0U) << "the second is not shown yet";
    refresh();
    EXPECT_EQ(queue.advance().value(), 1U);
    const auto done = queue.pop_committed();
    ASSERT_EQ(done.size(), 3U);
    EXPECT_EQ(done[1].number, *second);
    EXPECT_EQ(done[2].number, *third);
    EXPECT_EQ(machine.count("DRM_IOCTL_MODE_ATOMIC"), 3U) << "never one that the kernel had to refuse";
}

TEST_F(CommitQueueTest, WhatNeverSignalsIsTakenBackAndTheNextGoesOn)
{
    CommitQueue queue = make();
    const auto never = machine.add_fence("never");
    const auto late = queue.commit(picture(queue, fence(never)), deadline_in(milliseconds(5)));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().category, Category::timed_out);
    EXPECT_EQ(queue.waiting(), 0U);
    EXPECT_TRUE(model.commits.empty());
    EXPECT_TRUE(queue.commit(picture(queue), deadline_in(milliseconds(5))));

    refresh();
    ASSERT_TRUE(queue.submit(picture(queue, fence(never))));
    ASSERT_TRUE(queue.submit(picture(queue)));
    const auto back = queue.cancel_waiting();
    ASSERT_EQ(back.size(), 2U);
    EXPECT_EQ(queue.waiting(), 0U);
    EXPECT_TRUE(queue.submit(back[1])) << "it can be committed again";
    EXPECT_EQ(model.commits.size(), 2U);
}

TEST_F(CommitQueueTest, TheKernelWaitsWhereItIsTold)
{
    CommitQueue queue = make();
    const auto render = machine.add_fence("render");
    ASSERT_TRUE(queue.submit(picture(queue, fence(render)).wait_by(FenceWait::kernel)));
    ASSERT_EQ(model.commits.size(), 1U);
    EXPECT_EQ(model.commits.back().in_fence, render);
    const auto done = queue.pop_committed();
    EXPECT_TRUE(done.at(0).kernel_waits);
    // The next is for the one before it to wait for, not for its own fence.
    const auto more = machine.add_fence("more");
    ASSERT_TRUE(queue.submit(picture(queue, fence(more)).wait_by(FenceWait::kernel)));
    EXPECT_EQ(queue.waiting(), 1U);
    render->status = 1;
    refresh();
    EXPECT_TRUE(readable(queue.poll_fd()));
    EXPECT_EQ(queue.advance().value(), 1U);
    EXPECT_EQ(model.commits.back().in_fence, more);
}

TEST_F(CommitQueueTest, EveryPlaneGetsTheFence)
{
    CommitQueue queue = make();
    const Display& on = queue.display();
    const auto render = machine.add_fence("render");
    ASSERT_TRUE(queue.submit(Commit(on)
                                 .show(on.primary(), buffer(), fence(render))
                                 .show(on.planes()[1], buffer())
                                 .wait_by(FenceWait::kernel)));
    EXPECT_NE(last(Objects::primary, "IN_FENCE_FD"), 0U);
    EXPECT_EQ(last(Objects::primary, "IN_FENCE_FD"), last(Objects::overlay, "IN_FENCE_FD"));
}

TEST_F(CommitQueueTest, FailedWorkIsNotShown)
{
    CommitQueue queue = make();
    const auto bad = machine.add_fence("render");
    bad->status = -EIO;
    const auto at_once = queue.submit(picture(queue, fence(bad)));
    ASSERT_FALSE(at_once);
    EXPECT_EQ(at_once.error().category, Category::work_failed);
    EXPECT_EQ(at_once.error().sys_errno, EIO);
    EXPECT_EQ(queue.waiting(), 0U);

    const auto later = machine.add_fence("render");
    const auto number = queue.submit(picture(queue, fence(later)));
    ASSERT_TRUE(queue.submit(picture(queue)));
    later->status = -EIO;
    EXPECT_TRUE(readable(queue.poll_fd()));
    EXPECT_EQ(queue.advance().value(), 1U) << "the next goes on";
    const auto withheld = queue.pop_withheld();
    ASSERT_EQ(withheld.size(), 1U);
    EXPECT_EQ(withheld[0].number, *number);
    EXPECT_EQ(withheld[0].error.sys_errno, EIO);
    EXPECT_EQ(withheld[0].commit.buffers().size(), 1U);
    EXPECT_TRUE(queue.pop_withheld().empty());
}

TEST_F(CommitQueueTest, WorkThatFailsWhileTheKernelWaitsIsTold)
{
    CommitQueue queue = make();
    const Display& on = queue.display();
    const auto render = machine.add_fence("render");
    const Buffer copy = buffer();
    ASSERT_TRUE(queue.submit(picture(queue, fence(render)).write_back(copy).wait_by(FenceWait::kernel)));
    render->status = -EIO;
    refresh(); // KMS shows it all the same
    const auto done = queue.pop_committed();
    EXPECT_EQ(done.at(0).shown.signalled().error().sys_errno, EIO);
    EXPECT_EQ(done.at(0).written.signalled().error().sys_errno, EIO);
    EXPECT_EQ(Job("reader").reads(copy).gather()->signalled().error().sys_errno, EIO) << "the copy is worthless too";
    EXPECT_TRUE(queue.submit(Commit(on).show(on.primary(), buffer()))) << "the display is not";
}

TEST_F(CommitQueueTest, TheJobsOnABufferCount)
{
    CommitQueue queue = make();
    const Buffer image = buffer();
    const auto draw = machine.add_fence("draw");
    ASSERT_TRUE(Job("draw").writes(image).publish(fence(draw)));
    ASSERT_TRUE(queue.submit(Commit(queue.display()).show(queue.display().primary(), image)));
    EXPECT_EQ(queue.waiting(), 1U);
    draw->status = 1;
    EXPECT_EQ(queue.advance().value(), 1U);
}

TEST_F(CommitQueueTest, WorkThatComesWhileItWaitsCountsToo)
{
    CommitQueue queue = make();
    const Buffer image = buffer();
    const auto first = machine.add_fence("first");
    const auto second = machine.add_fence("second");
    ASSERT_TRUE(queue.submit(Commit(queue.display()).show(queue.display().primary(), image, fence(first))));
    ASSERT_TRUE(Job("late").writes(image).publish(fence(second)));
    first->status = 1;
    EXPECT_EQ(queue.advance().value(), 0U);
    second->status = 1;
    EXPECT_EQ(queue.advance().value(), 1U);
}

TEST_F(CommitQueueTest, ABufferIsFreeWhenTheNextIsOnTheScreen)
{
    CommitQueue queue = make();
    const Display& on = queue.display();
    const Buffer first = buffer();
    const Buffer second = buffer();
    ASSERT_TRUE(queue.submit(Commit(on).show(on.primary(), first)));
    refresh();
    EXPECT_TRUE(queue.pop_committed().at(0).replaced.empty());
    ASSERT_TRUE(queue.submit(Commit(on).show(on.primary(), second)));
    EXPECT_EQ(queue.pop_committed().at(0).replaced, std::vector{first});
    EXPECT_FALSE(Job("camera").writes(first).gather()->signalled().value()) << "until then the display reads it";
    refresh();
    EXPECT_TRUE(Job("camera").writes(first).gather()->signalled().value());
    ASSERT_TRUE(queue.submit(Commit(on).show(on.primary(), second)));
    EXPECT_TRUE(queue.pop_committed().at(0).replaced.empty()) << "it is still there";
    refresh();
    ASSERT_TRUE(queue.submit(Commit(on).hide(on.primary())));
    EXPECT_EQ(queue.pop_committed().at(0).replaced, std::vector{second});
    EXPECT_EQ(last(Objects::primary, "FB_ID"), 0U);
}

TEST_F(CommitQueueTest, OnlyPlanesThatChangeGiveTheirBuffersBack)
{
    CommitQueue queue = make();
    const Display& on = queue.display();
    const Buffer below = buffer();
    const Buffer above = buffer();
    ASSERT_TRUE(queue.submit(Commit(on).show(on.primary(), below).show(on.planes()[1], above)));
    refresh();
    ASSERT_TRUE(queue.submit(Commit(on).show(on.planes()[1], buffer())));
    EXPECT_EQ(queue.pop_committed().back().replaced, std::vector{above});
}

TEST_F(CommitQueueTest, AWritebackWaitsForTheOneBeforeIt)
{
    CommitQueue queue = make();
    const Buffer copy = buffer();
    ASSERT_TRUE(queue.submit(picture(queue).write_back(copy)));
    EXPECT_NE(last(Objects::writeback, "WRITEBACK_FB_ID"), 0U);
    const auto done = queue.pop_committed();
    EXPECT_FALSE(done.at(0).written.signalled().value());
    EXPECT_FALSE(Job("reader").reads(copy).gather()->signalled().value());
    model.shown->status = 1;
    ASSERT_TRUE(queue.submit(picture(queue).write_back(buffer())));
    EXPECT_EQ(queue.waiting(), 1U) << "shown, but not written";
    model.written->status = 1;
    EXPECT_TRUE(done.at(0).written.signalled().value());
    EXPECT_EQ(queue.advance().value(), 1U);
    // Not in the kernel, which would wait for a lost one without an end.
    model.shown->status = 1;
    const auto before = model.written;
    ASSERT_TRUE(queue.submit(picture(queue).write_back(buffer()).wait_by(FenceWait::kernel)));
    EXPECT_EQ(queue.waiting(), 1U);
    before->status = 1;
    EXPECT_EQ(queue.advance().value(), 1U);
    EXPECT_NE(model.commits.back().in_fence, before);
    // A writeback that failed holds nobody up, and is nobody else's failure.
    model.shown->status = 1;
    model.written->status = -ETIME;
    ASSERT_TRUE(queue.submit(picture(queue).write_back(buffer())));
    EXPECT_EQ(queue.waiting(), 0U);
}

TEST_F(CommitQueueTest, AWritebackThatIsLostHoldsUpNoFlipAndTheNextOneNotForGood)
{
    CommitQueue queue = make();
    ASSERT_TRUE(queue.submit(picture(queue).write_back(buffer())));
    model.shown->status = 1; // shown, and never written
    const auto lost = model.written;
    ASSERT_TRUE(queue.submit(picture(queue).wait_by(FenceWait::kernel)));
    EXPECT_EQ(queue.waiting(), 0U) << "a plain flip";
    EXPECT_NE(model.commits.back().in_fence, lost);
    model.shown->status = 1;
    const auto begun = std::chrono::steady_clock::now();
    const auto early = queue.commit(picture(queue).write_back(buffer()), deadline_in(milliseconds(20)));
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().category, Category::timed_out);
    EXPECT_NE(early.error().detail.find("its writeback has not ended"), std::string::npos) << early.error().message();
    ASSERT_TRUE(queue.commit(picture(queue).write_back(buffer()), deadline_in(std::chrono::seconds(5))));
    EXPECT_GT(std::chrono::steady_clock::now() - begun, milliseconds(500)) << "it may only be late";
    EXPECT_EQ(lost->status, 0);
    model.shown->status = 1;
    EXPECT_TRUE(readable(queue.poll_fd()) || queue.waiting() == 0);
}

TEST_F(CommitQueueTest, ARefusedCommitLeavesNothingAndTheNextGoesOn)
{
    CommitQueue queue = make();
    bool refuse = true;
    model.refusal = [&](const auto&) { return refuse ? EINVAL : 0; };
    const auto refused = queue.submit(picture(queue));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, Category::unsupported);
    EXPECT_NE(refused.error().detail.find("64x32"), std::string::npos) << refused.error().message();
    EXPECT_EQ(queue.waiting(), 0U);
    refuse = false;
    EXPECT_TRUE(queue.submit(picture(queue)));
    const auto other = display();
    EXPECT_EQ(queue.submit(Commit(other)).error().category, Category::invalid_argument) << "another display's";
    EXPECT_EQ(queue.commit(Commit(other), Deadline{}).error().category, Category::invalid_argument);
}

TEST_F(CommitQueueTest, ABusyCrtcIsWaitedFor)
{
    CommitQueue queue = make();
    int busy = 3;
    model.refusal = [&](const auto&) { return busy-- > 0 ? EBUSY : 0; };
    EXPECT_EQ(queue.submit(picture(queue)).error().category, Category::busy);
    EXPECT_EQ(queue.waiting(), 0U);
    EXPECT_TRUE(queue.commit(picture(queue), deadline_in(std::chrono::seconds(1)))) << "when the others are done";
    busy = 1000000;
    refresh();
    const auto late = queue.commit(picture(queue), deadline_in(milliseconds(5)));
    EXPECT_EQ(late.error().category, Category::timed_out);
    EXPECT_NE(late.error().detail.find("EBUSY"), std::string::npos) << late.error().message();
    EXPECT_EQ(queue.waiting(), 0U);
}

TEST_F(CommitQueueTest, WhoPollsABusyCrtcIsToldWhenToTryAgain)
{
    CommitQueue queue = make();
    ASSERT_TRUE(queue.submit(picture(queue)));
    ASSERT_TRUE(queue.submit(picture(queue)));
    refresh();
    bool busy = true;
    model.refusal = [&](const auto&) { return busy ? EBUSY : 0; };
    EXPECT_EQ(queue.advance().error().category, Category::busy);
    EXPECT_EQ(queue.waiting(), 1U);
    EXPECT_TRUE(readable(queue.poll_fd())) << "no fence of ours tells when the others are done";
    EXPECT_EQ(queue.advance().error().category, Category::busy);
    EXPECT_TRUE(readable(queue.poll_fd())) << "and again";
    busy = false;
    EXPECT_EQ(queue.advance().value(), 1U);
    EXPECT_EQ(queue.poll_fd(), -1);
}

TEST_F(CommitQueueTest, AFenceWithoutADescriptorIsLookedAtAgain)
{
    CommitQueue queue = make();
    const auto a = machine.add_fence("a");
    const auto b = machine.add_fence("b");
    ASSERT_TRUE(queue.submit(picture(queue, Fence::merge(std::array{fence(a), fence(b)}))));
    machine.fail_all("SYNC_IOC_MERGE", EMFILE);
    EXPECT_TRUE(readable(queue.poll_fd()));
    a->status = b->status = 1;
    EXPECT_EQ(queue.advance().value(), 1U);
}

TEST_F(CommitQueueTest, OneFailureIsNotPolledWhileOthersWork)
{
    CommitQueue queue = make();
    const auto bad = machine.add_fence("bad");
    const auto a = machine.add_fence("a");
    const auto b = machine.add_fence("b");
    ASSERT_TRUE(queue.submit(picture(queue, Fence::merge(std::array{fence(bad), fence(a), fence(b)}))));
    bad->status = -EIO;
    EXPECT_EQ(queue.advance().value(), 0U) << "others may still work on the buffer";
    const int fd = queue.poll_fd();
    EXPECT_FALSE(readable(fd)) << "an event loop would spin";
    a->status = 1;
    EXPECT_FALSE(readable(fd));
    b->status = 1;
    EXPECT_TRUE(readable(fd)) << "the descriptor is of both, and still open";
    EXPECT_EQ(queue.advance().value(), 0U);
    EXPECT_EQ(queue.pop_withheld().size(), 1U);
}

TEST_F(CommitQueueTest, WhatSignalsBeforeItIsPolledIsNotSleptFor)
{
    CommitQueue queue = make();
    const auto work = machine.add_fence("work");
    const Commit next = picture(queue, fence(work));
    work->looks = 1; // over when advance() has seen it pending
    ASSERT_TRUE(queue.commit(next, deadline_in(std::chrono::seconds(1))));
    EXPECT_EQ(machine.slept, 0U);
}

TEST_F(CommitQueueTest, WithoutMasterEverythingWaitsUntilItIsBack)
{
    CommitQueue queue = make();
    ASSERT_TRUE(queue.submit(picture(queue)));
    ASSERT_TRUE(queue.submit(picture(queue)));
    refresh();
    model.master = false; // another virtual terminal
    EXPECT_EQ(queue.advance().error().category, Category::not_master);
    EXPECT_EQ(queue.waiting(), 1U);
    EXPECT_TRUE(readable(queue.poll_fd()));
    EXPECT_EQ(machine.count("timerfd_settime"), 1U) << "not at once: an event loop would spin";
    EXPECT_EQ(queue.commit(picture(queue), deadline_in(milliseconds(5))).error().category, Category::not_master);
    EXPECT_EQ(queue.waiting(), 1U);
    model.master = true;
    EXPECT_EQ(queue.advance().value(), 1U);
}

TEST_F(CommitQueueTest, AnUnpluggedCardIsToldAndWhatWaitsCanBeHadBack)
{
    CommitQueue queue = make();
    ASSERT_TRUE(queue.submit(picture(queue)));
    ASSERT_TRUE(queue.submit(picture(queue)));
    refresh();
    model.gone = true;
    EXPECT_EQ(queue.advance().error().category, Category::device_gone);
    EXPECT_EQ(queue.commit(picture(queue), deadline_in(milliseconds(5))).error().category, Category::device_gone);
    EXPECT_EQ(queue.cancel_waiting().size(), 1U);
    EXPECT_EQ(queue.submit(picture(queue)).error().category, Category::device_gone);
    EXPECT_EQ(queue.waiting(), 0U);
}

TEST_F(CommitQueueTest, ImplicitFencesThatComeLaterDoNotHoldTheKernel)
{
    CommitQueue queue = make(Fencing::explicit_only);
    ASSERT_TRUE(queue.submit(picture(queue)));
    const auto first = model.shown;
    refresh();
    ASSERT_TRUE(queue.submit(picture(queue)));
    EXPECT_EQ(model.commits.back().in_fence, first) << "one that has signalled: the plane looks at no others";
    EXPECT_FALSE(queue.pop_committed().back().kernel_waits);
    EXPECT_EQ(machine.count("DMA_BUF_IOCTL_EXPORT_SYNC_FILE"), 0U);
}

TEST_F(CommitQueueTest, EveryCallThatFailsReachesTheCallerAndLeavesNothing)
{
    // Two frames with writeback and a fence; each of their calls fails once.
    for (std::size_t call = 0;; ++call) {
        fake::Machine other;
        fake::CardModel& one = other.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}});
        one.display.present = true;
        one.display.ends_at_once = true;
        std::size_t index = 0;
        {
            std::vector<UniqueFd> memories;
            memories.emplace_back(other.add_dma_buf(layout.memory_sizes[0]));
            const Buffer image = Buffer::wrap(layout, std::move(memories)).value();
            memories.clear();
            memories.emplace_back(other.add_dma_buf(layout.memory_sizes[0]));
            const Buffer copy = Buffer::wrap(layout, std::move(memories)).value();
            const Fence ready = Fence::from_fd(UniqueFd(other.sync_file(other.add_fence("render")))).value();
            CommitQueue queue =
                CommitQueue::create(Display::choose(Device::open("/dev/dri/card0").value()).value()).value();
            const Display& on = queue.display();
            index = other.calls().size() + call;
            other.fail(index, EMFILE);
            for (int frame = 0; frame < 2; ++frame) {
                const auto done = queue.commit(
                    Commit(on).enable().show(on.primary(), image, ready).write_back(copy).wait_by(FenceWait::kernel),
                    deadline_in(milliseconds(50)));
                if (!done) {
                    EXPECT_TRUE(other.fault_hit()) << done.error().message();
                    EXPECT_EQ(done.error().sys_errno, EMFILE) << done.error().message();
                    EXPECT_EQ(queue.waiting(), 0U);
                    break;
                }
            }
        }
        const bool hit = other.fault_hit();
        // The kernel does not refuse to take a blob back.
        const bool blob = hit && other.calls()[index] == "DRM_IOCTL_MODE_DESTROYPROPBLOB";
        EXPECT_TRUE(blob || other.leaks().empty()) << other.calls()[index] << ": " << other.leaks();
        if (!hit) {
            EXPECT_GT(call, 10U);
            break;
        }
    }
    commonbuf::os::set_kernel(&machine);
}

/// Drivers that answer a commit with a fence (IN_FENCE_FD) with one of these.
class RefusedFenceTest : public CommitQueueTest, public testing::WithParamInterface<int> {
protected:
    void SetUp() override
    {
        CommitQueueTest::SetUp();
        model.fence_error = GetParam();
    }
};

TEST_P(RefusedFenceTest, TheLibraryWaitsInstead)
{
    CommitQueue queue = make();
    const auto render = machine.add_fence("render");
    ASSERT_TRUE(queue.submit(picture(queue, fence(render)).wait_by(FenceWait::kernel)));
    EXPECT_TRUE(model.commits.empty()) << "the picture is not drawn yet";
    EXPECT_EQ(queue.waiting(), 1U);
    EXPECT_FALSE(readable(queue.poll_fd()));
    render->status = 1;
    EXPECT_TRUE(readable(queue.poll_fd()));
    EXPECT_EQ(queue.advance().value(), 1U);
    EXPECT_FALSE(queue.pop_committed().at(0).kernel_waits);
    EXPECT_FALSE(model.commits.back().values.at(Objects::primary).contains("IN_FENCE_FD"));
    refresh();
    // Not tried again on this card.
    const std::size_t tries = machine.count("DRM_IOCTL_MODE_ATOMIC");
    const auto more = machine.add_fence("more");
    ASSERT_TRUE(queue.submit(picture(queue, fence(more)).wait_by(FenceWait::kernel)));
    EXPECT_EQ(machine.count("DRM_IOCTL_MODE_ATOMIC"), tries);
    more->status = 1;
    EXPECT_EQ(queue.advance().value(), 1U);
    EXPECT_EQ(machine.count("DRM_IOCTL_MODE_ATOMIC"), tries + 1);
}

TEST_P(RefusedFenceTest, PicturesThatAreReadyAreShown)
{
    CommitQueue queue = make();
    for (int i = 0; i < 4; ++i) {
        const auto number = queue.submit(picture(queue));
        ASSERT_TRUE(number) << i << ": " << number.error().message();
        refresh();
    }
    EXPECT_EQ(model.commits.size(), 4U);
}

TEST_P(RefusedFenceTest, ABadPictureIsStillBlamedForItself)
{
    CommitQueue queue = make();
    ASSERT_TRUE(queue.submit(picture(queue)));
    refresh();
    model.refusal = [](const auto&) { return ERANGE; };
    const auto refused = queue.submit(picture(queue));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, Category::unsupported);
    EXPECT_NE(refused.error().detail.find("64x32"), std::string::npos) << refused.error().message();
}

INSTANTIATE_TEST_SUITE_P(Answers, RefusedFenceTest, testing::Values(EPERM, EINVAL, EOPNOTSUPP));

TEST_F(CommitQueueTest, ARefusedPictureIsNoReasonToGiveUpFences)
{
    CommitQueue queue = make();
    model.refusal = [](const auto&) { return EINVAL; };
    const auto render = machine.add_fence("render");
    EXPECT_FALSE(queue.submit(picture(queue, fence(render)).wait_by(FenceWait::kernel)));
    model.refusal = {};
    ASSERT_TRUE(queue.submit(picture(queue, fence(render)).wait_by(FenceWait::kernel)));
    EXPECT_EQ(model.commits.back().in_fence, render);
}

TEST_F(CommitQueueTest, ARefusedCommitIsToldToThePlan)
{
    CommitQueue queue = make();
    std::vector<std::string> told;
    Buffer image = buffer();
    image.state().on_import_failure([&](const std::vector<std::string>& identities, const Error&) {
        EXPECT_EQ(queue.waiting(), 0U) << "whoever is told may ask the queue";
        told = identities;
    });
    const auto none = std::vector<std::string>{};
    const auto whole = SourceRect::pixels(0, 0, 64, 32);
    model.refusal = [](const auto&) { return EINVAL; };
    const Display& on = queue.display();
    const std::vector<std::string> primary{on.device().scanout().identity(),
                                           on.device().scanout(on.primary()).identity()};
    ASSERT_FALSE(queue.submit(Commit(on).show(on.primary(), image)));
    EXPECT_EQ(told, primary);
    told.clear();
    model.refusal = [](const auto&) { return ENOMEM; };
    ASSERT_FALSE(queue.submit(Commit(on).show(on.primary(), image)));
    EXPECT_EQ(told, none) << "it says nothing of the memory";
    model.refusal = [](const auto&) { return ERANGE; };
    ASSERT_FALSE(queue.submit(Commit(on).show(on.primary(), image)));
    EXPECT_EQ(told, none) << "a scale";
    model.refusal = [](const auto&) { return EINVAL; };
    ASSERT_FALSE(queue.submit(Commit(on).show(on.primary(), image, {}, whole, CrtcRect{0, 0, 32, 16})));
    EXPECT_EQ(told, none) << "perhaps a scale";
    ASSERT_FALSE(queue.submit(Commit(on).show(on.primary(), image).write_back(buffer())));
    EXPECT_EQ(told, none) << "one of two buffers, nobody knows which";
    model.is_lit = false;
    ASSERT_FALSE(queue.submit(Commit(on).show(on.primary(), image)));
    EXPECT_EQ(told, none) << "the display is off";
    model.is_lit = true;
    // What a test takes and a commit does not is for the memory, whatever else it changes.
    model.refusal = {};
    model.commit_error = ERANGE;
    ASSERT_FALSE(queue.submit(Commit(on).show(on.primary(), image, {}, whole, CrtcRect{0, 0, 32, 16})));
    EXPECT_EQ(told, primary);
    model.commit_error = 0;
    told.clear();
    model.refusal = [](const fake::DisplayModel::Values& values) {
        const auto plane = values.find(Objects::primary);
        return plane != values.end() && plane->second.contains("alpha") ? EINVAL : 0;
    };
    ASSERT_FALSE(queue.submit(Commit(on).show(on.primary(), image).set(on.primary(), "alpha", 1)));
    EXPECT_EQ(told, none) << "a property was refused";
}

TEST_F(CommitQueueTest, ADisplayThatIsOffIsCommittedTo)
{
    CommitQueue queue = make();
    const Display& on = queue.display();
    model.is_lit = false;
    for (const Commit& commit :
         {Commit(on).disable(), Commit(on).set(on.crtc(), "GAMMA_LUT", std::span<const std::byte>{}),
          Commit(on).set(on.primary(), "alpha", 7)}) {
        EXPECT_TRUE(test_commits({&commit, 1})->accepted);
        const auto done = queue.commit(commit, deadline_in(milliseconds(5)));
        ASSERT_TRUE(done) << done.error().message();
        EXPECT_TRUE(done->shown.signalled().value()) << "nothing will be shown";
    }
    ASSERT_TRUE(queue.commit(picture(queue).enable(), deadline_in(milliseconds(5))));
    refresh();
    ASSERT_TRUE(queue.commit(Commit(on).disable(), deadline_in(milliseconds(5))));
    refresh();
    EXPECT_TRUE(queue.commit(Commit(on).disable(), deadline_in(milliseconds(5)))) << "twice";
}

TEST_F(CommitQueueTest, ADisplayThatIsOffHasNoEventsAndTheTestSaysSo)
{
    CommitQueue queue = make();
    const Display& on = queue.display();
    model.is_lit = false;
    const Commit commit = Commit(on).set(on.primary(), "alpha", 7).event(1);
    const auto tested = test_commits({&commit, 1});
    ASSERT_TRUE(tested && tested->refused.size() == 1);
    EXPECT_NE(tested->refused[0].detail.find("is off and stays off"), std::string::npos);
    const auto done = queue.submit(commit);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error(), tested->refused[0]);
    EXPECT_TRUE(queue.submit(picture(queue).enable().event(1)));
}

TEST_F(CommitQueueTest, AFlipAtOnceReplacesBuffersAndNothingElse)
{
    model.async_flips = true;
    CommitQueue queue = make();
    const Display& on = queue.display();
    ASSERT_TRUE(queue.submit(picture(queue).enable()));
    refresh();
    const auto render = machine.add_fence("render");
    const Commit flip = picture(queue, fence(render)).flip_async().wait_by(FenceWait::kernel);
    EXPECT_TRUE(test_commits({&flip, 1})->accepted);
    ASSERT_TRUE(queue.submit(flip));
    EXPECT_EQ(model.commits.size(), 1U) << "a call that waits inside must not wait for others";
    render->status = 1;
    EXPECT_EQ(queue.advance().value(), 1U);
    EXPECT_EQ(model.commits.back().flags, std::uint32_t{DRM_MODE_PAGE_FLIP_ASYNC});
    EXPECT_FALSE(model.commits.back().values.at(Objects::primary).empty());
    EXPECT_EQ(last(Objects::crtc, "OUT_FENCE_PTR"), 0U);
    const Committed flipped = queue.pop_committed().back();
    EXPECT_TRUE(flipped.shown.signalled().value()) << "the call lasts until it is shown";
    // Some drivers return before: the old buffer is free when the next commit is made.
    EXPECT_EQ(flipped.replaced.size(), 0U);
    ASSERT_TRUE(queue.submit(picture(queue).flip_async()));
    const auto freed = queue.pop_committed().back().replaced;
    ASSERT_EQ(freed.size(), 1U);
    ASSERT_TRUE(queue.submit(picture(queue)));
    EXPECT_EQ(queue.pop_committed().back().replaced.size(), 2U);
    refresh();
    for (const Commit& wrong :
         {picture(queue).flip_async().enable(), Commit(on).flip_async().disable(), Commit(on).flip_async(),
          Commit(on).hide(on.primary()).flip_async(), picture(queue).write_back(buffer()).flip_async()}) {
        const auto refused = test_commits({&wrong, 1});
        ASSERT_TRUE(refused && refused->refused.size() == 1);
        EXPECT_EQ(refused->refused[0].category, Category::invalid_argument) << refused->refused[0].message();
    }
    model.fence_error = EINVAL; // kernels before 6.13 take no fence with such a flip
    ASSERT_TRUE(queue.submit(picture(queue).flip_async()));
    EXPECT_EQ(model.commits.size(), 5U);
}

TEST_F(CommitQueueTest, WithoutTheDriverNoFlipIsAtOnce)
{
    CommitQueue queue = make();
    const auto refused = queue.submit(picture(queue).flip_async());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().category, Category::unsupported);
    EXPECT_NE(refused.error().detail.find("DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP"), std::string::npos);
}

} // namespace
} // namespace commonbuf::drm
