// SPDX-License-Identifier: MIT
#include "fake/machine.hpp"

#include <commonbuf/fence.hpp>

#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <thread>

namespace commonbuf {
namespace {

using std::chrono::milliseconds;

class FenceTest : public testing::Test {
protected:
    fake::Machine machine;

    /// A fence over this work.
    Fence make(const std::shared_ptr<fake::FenceModel>& work)
    {
        auto fence = Fence::from_fd(UniqueFd(machine.sync_file(work)));
        if (!fence)
            throw std::runtime_error(fence.error().message());
        return *fence;
    }

    std::size_t calls() const { return machine.calls().size(); }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

/// A descriptor that polls as something went wrong with it.
class Broken final : public fake::File {
public:
    explicit Broken(short events) : events_(events) {}
    short ready(short) override { return events_; }

private:
    short events_;
};

TEST_F(FenceTest, AHungUpCancelIsACancelAndNoFailure)
{
    const Fence fence = make(machine.add_fence("work"));
    for (const short events : {short{POLLHUP}, short{POLLERR}, short{POLLHUP | POLLERR}}) {
        const UniqueFd cancel(machine.new_descriptor(std::make_shared<Broken>(events)));
        EXPECT_EQ(fence.wait(deadline_in(milliseconds(500)), cancel.get()).error().category, Category::cancelled);
        EXPECT_EQ(fence.known(), FenceState::pending);
    }
    const int closed = machine.add_eventfd();
    UniqueFd(closed).reset();
    const Status waited = fence.wait(deadline_in(milliseconds(500)), closed);
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().category, Category::invalid_argument);
    EXPECT_NE(waited.error().detail.find("cancels"), std::string::npos) << waited.error().detail;
}

TEST_F(FenceTest, NothingIsSignalledAndCostsNothing)
{
    const Fence nothing;
    EXPECT_TRUE(nothing.wait(Deadline{}));
    EXPECT_EQ(nothing.signalled().value(), true);
    EXPECT_EQ(nothing.sync_file_fd().value(), -1);
    EXPECT_FALSE(nothing.export_fd().value());
    EXPECT_TRUE(nothing.parts()->empty());
    EXPECT_EQ(Fence::from_fd({}).value(), nothing);
    EXPECT_EQ(calls(), 0U);
}

TEST_F(FenceTest, WhatIsNoSyncFileIsRefusedAndClosed)
{
    const auto fence = Fence::from_fd(UniqueFd(machine.add_dma_buf(4096)));
    ASSERT_FALSE(fence);
    EXPECT_EQ(fence.error().category, Category::invalid_argument);
    EXPECT_NE(fence.error().detail.find("is not a sync_file"), std::string::npos);
}

TEST_F(FenceTest, KnowsPendingSignalledAndFailed)
{
    const auto work = machine.add_fence("decode");
    const Fence fence = make(work);
    EXPECT_EQ(fence.signalled().value(), false);
    EXPECT_EQ(fence.known(), FenceState::pending);
    EXPECT_EQ(fence.wait(Deadline{}).error().category, Category::timed_out);
    work->status = 1;
    EXPECT_EQ(fence.known(), FenceState::pending); // nobody asked
    EXPECT_TRUE(fence.wait(Deadline{}));
    EXPECT_EQ(fence.known(), FenceState::signalled);

    const auto bad = machine.add_fence("encode");
    const Fence failing = make(bad);
    bad->status = -EIO;
    const Status waited = failing.wait(Deadline{});
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().category, Category::work_failed);
    EXPECT_EQ(waited.error().sys_errno, EIO);
    EXPECT_NE(waited.error().detail.find("encode"), std::string::npos);
    EXPECT_EQ(failing.signalled().error().sys_errno, EIO);
    EXPECT_EQ(failing.sync_file_fd().error().sys_errno, EIO);
}

TEST_F(FenceTest, IsAskedOnceWhenItHasSignalled)
{
    const auto work = machine.add_fence("decode");
    const Fence fence = make(work);
    const Fence copy = fence;
    work->status = 1;
    const std::size_t before = machine.count("SYNC_IOC_FILE_INFO");
    const std::size_t polls = machine.count("ppoll");
    for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(fence.wait(Deadline{}));
        EXPECT_TRUE(copy.wait(Deadline{}));
        EXPECT_EQ(copy.sync_file_fd().value(), -1);
        EXPECT_EQ(machine.count("SYNC_IOC_FILE_INFO") - before, 1U);
        EXPECT_EQ(machine.count("ppoll") - polls, 1U);
    }
}

// Linux 7.3 stops with a BUG where a fence of a CRTC signals while its state is read.
TEST_F(FenceTest, TheStateOfPendingWorkIsNotRead)
{
    const auto work = machine.add_fence("crtc-0");
    const Fence one = make(work);
    const Fence both = Fence::merge(std::array{one, make(machine.add_fence("crtc-1"))});
    const std::size_t before = machine.count("SYNC_IOC_FILE_INFO");
    EXPECT_FALSE(one.signalled().value());
    EXPECT_FALSE(one.wait(Deadline{}));
    EXPECT_GE(both.sync_file_fd().value(), 0);
    EXPECT_FALSE(both.signalled().value());
    EXPECT_EQ(machine.count("SYNC_IOC_FILE_INFO"), before);
    work->status = -EIO;
    EXPECT_EQ(one.signalled().error().category, Category::work_failed);
}

TEST_F(FenceTest, OneWaitIsForFencesAndDevices)
{
    const auto first = machine.add_fence("first");
    const auto second = machine.add_fence("second");
    const std::array both{make(first), make(second)};
    const std::array together{Fence::merge(both)};
    EXPECT_FALSE(wait_any({}, {}, Deadline{}).value());
    EXPECT_FALSE(wait_any(both, {}, Deadline{}).value());
    first->status = 1;
    EXPECT_TRUE(wait_any(both, {}, deadline_in(milliseconds(1000))).value());
    EXPECT_FALSE(wait_any(together, {}, Deadline{}).value()) << "half of it is pending";
    second->looks = 1; // over when it has been seen pending
    EXPECT_TRUE(wait_any(together, {}, deadline_in(milliseconds(1000))).value());
    EXPECT_EQ(machine.slept, 0U);
    // Nothing to wait for is over, and so is what failed: who sleeps for it may sleep forever.
    EXPECT_TRUE(wait_any(std::array{Fence()}, {}, deadline_in(milliseconds(1000))).value());
    EXPECT_TRUE(wait_any(std::array{Fence::failed(Error::device_gone("draw", "lost"))}, {}, Deadline{}).value());
}

TEST_F(FenceTest, ADevicesTroubleEndsTheWaitAndIsNoError)
{
    const std::array waits{make(machine.add_fence("pending"))};
    const auto done = machine.add_fence("device");
    done->status = 1;
    const UniqueFd ready(machine.sync_file(done));
    std::array<pollfd, 3> entries{{{-1, POLLIN, 0}, {ready.get(), POLLIN, 0}, {12345, POLLIN, 0}}};
    EXPECT_TRUE(wait_any(waits, entries, deadline_in(milliseconds(1000))).value());
    EXPECT_EQ(entries[0].revents, 0);
    EXPECT_EQ(entries[1].revents, POLLIN);
    entries[1].fd = -1;
    EXPECT_TRUE(wait_any(waits, entries, deadline_in(milliseconds(1000))).value());
    EXPECT_EQ(entries[2].revents, POLLNVAL);
    EXPECT_FALSE(wait_any(waits, std::span(entries).first(1), Deadline{}).value());
}

TEST_F(FenceTest, SaysWhatIsInside)
{
    const auto work = machine.add_fence("crtc-0");
    work->status = -ETIMEDOUT;
    work->timestamp = 42;
    const auto parts = make(work).parts();
    ASSERT_TRUE(parts);
    ASSERT_EQ(parts->size(), 1U);
    EXPECT_EQ((*parts)[0].driver, "fake");
    EXPECT_EQ((*parts)[0].timeline, "crtc-0");
    EXPECT_EQ((*parts)[0].state, FenceState::failed);
    EXPECT_EQ((*parts)[0].sys_errno, ETIMEDOUT);
    EXPECT_EQ((*parts)[0].signalled_at.count(), 42);
}

TEST_F(FenceTest, ManyPartsInOneDescriptorAreRead)
{
    std::vector<std::shared_ptr<fake::FenceModel>> works;
    for (int i = 0; i < 40; ++i)
        works.push_back(machine.add_fence("t" + std::to_string(i)));
    auto file = std::make_shared<fake::SyncFile>(works);
    const auto fence = Fence::from_fd(UniqueFd(machine.new_descriptor(file)));
    ASSERT_TRUE(fence);
    EXPECT_EQ(fence->parts()->size(), 40U);
    for (const auto& work : works)
        work->status = 1;
    works[39]->status = -EIO;
    EXPECT_EQ(fence->wait(Deadline{}).error().sys_errno, EIO);
}

TEST_F(FenceTest, MergingCostsNothingUntilADescriptorIsAskedFor)
{
    std::vector<std::shared_ptr<fake::FenceModel>> works;
    std::vector<Fence> fences;
    for (int i = 0; i < 8; ++i) {
        works.push_back(machine.add_fence("t" + std::to_string(i)));
        fences.push_back(make(works.back()));
    }
    fences.push_back(fences.front()); // twice
    fences.emplace_back();            // nothing
    const std::size_t before = calls();
    const Fence all = Fence::merge(fences);
    EXPECT_EQ(calls(), before);

    ASSERT_GE(all.sync_file_fd().value(), 0);
    EXPECT_EQ(machine.count("SYNC_IOC_MERGE"), 7U);
    EXPECT_EQ(all.sync_file_fd().value(), all.sync_file_fd().value());
    EXPECT_EQ(machine.count("SYNC_IOC_MERGE"), 7U) << "made once";
    for (const auto& work : works)
        work->status = 1;
    EXPECT_TRUE(all.wait(Deadline{}));
    EXPECT_EQ(Fence::merge(fences), Fence()) << "what is known to have signalled counts no more";
}

TEST_F(FenceTest, WhatFailedBeforeMergingIsStillAFailure)
{
    const auto good = machine.add_fence("good");
    const auto bad = machine.add_fence("bad");
    const std::array both{make(good), make(bad)};
    bad->status = -ENOENT;
    const Fence all = Fence::merge(both);
    EXPECT_EQ(all.sync_file_fd().error().sys_errno, ENOENT) << "the kernel's merge forgets it";
    EXPECT_EQ(all.wait(Deadline{}).error().category, Category::timed_out) << "the other one still works";
    good->status = 1;
    EXPECT_EQ(all.wait(Deadline{}).error().sys_errno, ENOENT);
}

TEST_F(FenceTest, WhatFailsAfterMergingIsAFailure)
{
    const auto good = machine.add_fence("good");
    const auto bad = machine.add_fence("bad");
    const Fence all = Fence::merge(std::array{make(good), make(bad)});
    ASSERT_GE(all.sync_file_fd().value(), 0);
    bad->status = -ENOENT;
    good->status = 1;
    EXPECT_EQ(all.wait(Deadline{}).error().sys_errno, ENOENT);
}

TEST_F(FenceTest, AMadeFailureIsOne)
{
    const Fence fence = Fence::failed(Error::invalid_argument("submit", "no such queue").with_errno(EIO));
    EXPECT_EQ(fence.known(), FenceState::failed);
    EXPECT_EQ(fence.wait(Deadline{}).error().operation, "submit");
    EXPECT_EQ(fence.wait(Deadline{}).error().category, Category::work_failed) << "whatever the error was";
    EXPECT_FALSE(Fence::merge(std::array{fence, Fence()}).sync_file_fd());
    EXPECT_EQ(fence.parts()->front().sys_errno, EIO);
}

TEST_F(FenceTest, AnExportedDescriptorIsTheCallersOwn)
{
    const auto work = machine.add_fence("decode");
    UniqueFd own;
    {
        const Fence fence = make(work);
        own = fence.export_fd().value();
        EXPECT_NE(own.get(), fence.sync_file_fd().value());
    }
    work->status = -EIO;
    EXPECT_EQ(Fence::from_fd(std::move(own))->wait(Deadline{}).error().sys_errno, EIO);
}

TEST_F(FenceTest, AnUnknownHintIsSaid)
{
    const Fence fence = make(machine.add_fence("decode"));
    EXPECT_EQ(fence.set_deadline(deadline_in(milliseconds(10))).error().category, Category::unsupported);
}

} // namespace
} // namespace commonbuf
