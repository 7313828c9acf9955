// SPDX-License-Identifier: MIT
#include "display_fixture.hpp"

#include <commonbuf/job.hpp>

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

} // namespace
} // namespace commonbuf::drm
