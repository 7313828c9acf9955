// SPDX-License-Identifier: MIT
#include "fake/machine.hpp"

#include <commonbuf/job.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <stdexcept>

namespace commonbuf {
namespace {

class JobTest : public testing::Test {
protected:
    fake::Machine machine;
    Layout layout = *linear_layout({DRM_FORMAT_XRGB8888, 16, 16}, 64, Memories::single);

    Buffer make()
    {
        std::vector<UniqueFd> memories;
        memories.emplace_back(machine.add_dma_buf(layout.memory_sizes[0]));
        auto buffer = Buffer::wrap(layout, std::move(memories));
        if (!buffer)
            throw std::runtime_error(buffer.error().message());
        return std::move(*buffer);
    }

    Fence fence(const std::shared_ptr<fake::FenceModel>& work)
    {
        return Fence::from_fd(UniqueFd(machine.sync_file(work))).value();
    }

    static std::vector<UniqueFd> dup(const Buffer& buffer)
    {
        std::vector<UniqueFd> all;
        all.push_back(buffer.export_fd().value());
        return all;
    }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

TEST_F(JobTest, ReadersWaitForTheWriterAndWritersForAll)
{
    for (const Fencing fencing : {Fencing::bridged, Fencing::explicit_only}) {
        const Buffer buffer = make();
        const auto written = machine.add_fence("write");
        const auto read = machine.add_fence("read");
        ASSERT_TRUE(Job("w", fencing).writes(buffer).publish(fence(written)));
        ASSERT_TRUE(Job("r", fencing).reads(buffer).publish(fence(read)));
        const Fence for_reader = Job("r2", fencing).reads(buffer).gather().value();
        const Fence for_writer = Job("w2", fencing).writes(buffer).gather().value();
        EXPECT_FALSE(for_reader.signalled().value());
        EXPECT_FALSE(for_writer.signalled().value());
        written->status = 1;
        EXPECT_TRUE(for_reader.signalled().value());
        EXPECT_FALSE(for_writer.signalled().value());
        read->status = 1;
        EXPECT_TRUE(for_writer.signalled().value());
    }
}

TEST_F(JobTest, OneFenceForSeveralBuffers)
{
    const Buffer input = make();
    const Buffer output = make();
    const auto drawn = machine.add_fence("draw");
    const auto shown = machine.add_fence("show");
    ASSERT_TRUE(Job().writes(input).publish(fence(drawn)));
    ASSERT_TRUE(Job().reads(output).publish(fence(shown)));
    Job blur("blur");
    blur.reads(input).writes(output);
    const Fence before = blur.gather().value();
    drawn->status = 1;
    EXPECT_FALSE(before.signalled().value());
    shown->status = 1;
    EXPECT_TRUE(before.signalled().value());
    const auto blurred = machine.add_fence("blur");
    ASSERT_TRUE(blur.publish(fence(blurred)));
    EXPECT_TRUE(Job().reads(input).gather()->signalled().value()) << "it was only read";
    EXPECT_FALSE(Job().writes(input).gather()->signalled().value());
    EXPECT_FALSE(Job().reads(output).gather()->signalled().value());
}

TEST_F(JobTest, NamingABufferTwiceIsBothIntents)
{
    const Buffer buffer = make();
    const auto read = machine.add_fence("read");
    ASSERT_TRUE(Job().reads(buffer).publish(fence(read)));
    Job both;
    both.reads(buffer).writes(buffer);
    EXPECT_FALSE(both.gather()->signalled().value());
}

TEST_F(JobTest, TheBridgeGoesBothWays)
{
    const Buffer buffer = make();
    fake::DmaBuf& memory = *machine.dma_buf(buffer.dma_buf_fd());
    const auto foreign = machine.add_fence("foreign");
    memory.fences.emplace_back(foreign, true);
    EXPECT_TRUE(Job("mine", Fencing::explicit_only).reads(buffer).gather()->signalled().value());
    EXPECT_FALSE(Job("all").reads(buffer).gather()->signalled().value());
    foreign->status = 1;

    const auto ours = machine.add_fence("ours");
    ASSERT_TRUE(Job().writes(buffer).publish(fence(ours)));
    ASSERT_EQ(memory.fences.size(), 2U);
    EXPECT_EQ(memory.fences.back().first, ours);
    EXPECT_TRUE(memory.fences.back().second);
    ASSERT_TRUE(Job("r", Fencing::explicit_only).reads(buffer).publish(fence(ours)));
    EXPECT_EQ(memory.fences.size(), 2U);
}

TEST_F(JobTest, AFailedJobReachesWhoeverComesNext)
{
    const Buffer buffer = make();
    const auto work = machine.add_fence("render");
    ASSERT_TRUE(Job("render").writes(buffer).publish(fence(work)));
    work->status = -EIO;
    // The kernel's own export says that there is nothing to wait for.
    EXPECT_TRUE(Buffer::wrap(layout, dup(buffer))->export_fence(Access::read)->wait(Deadline{}));
    EXPECT_EQ(buffer.export_fence(Access::read)->wait(Deadline{}).error().sys_errno, EIO);
    EXPECT_EQ(Job("show").reads(buffer).gather()->wait(Deadline{}).error().sys_errno, EIO);
    EXPECT_EQ(buffer.read(Deadline{}).error().sys_errno, EIO);
    EXPECT_TRUE(machine.dma_buf(buffer.dma_buf_fd())->brackets.empty());

    // A new write makes it good again.
    const auto again = machine.add_fence("render");
    ASSERT_TRUE(Job("render").writes(buffer).publish(fence(again)));
    again->status = 1;
    EXPECT_TRUE(buffer.read(Deadline{}));
}

TEST_F(JobTest, WhatStillWorksIsWaitedForWhereAnotherPartFailed)
{
    const Buffer buffer = make();
    const auto bad = machine.add_fence("bad");
    const auto slow = machine.add_fence("slow");
    const Fence both = Fence::merge(std::array{fence(bad), fence(slow)});
    bad->status = -EIO;
    ASSERT_TRUE(Job("render").writes(buffer).publish(both));
    // A stranger, who knows the dma-buf alone, has to wait for the rest.
    const auto theirs = Buffer::wrap(layout, dup(buffer));
    EXPECT_EQ(theirs->read(Deadline{}).error().category, Category::timed_out);
    slow->status = 1;
    EXPECT_TRUE(theirs->read(Deadline{}));
    EXPECT_EQ(buffer.read(Deadline{}).error().sys_errno, EIO);
}

TEST_F(JobTest, AFailureIsForgottenWhenTheCallerSaysSo)
{
    const Buffer buffer = make();
    ASSERT_TRUE(
        Job("render").writes(buffer).publish(Fence::failed(Error::device_failed("submit", "").with_errno(EIO))));
    EXPECT_FALSE(buffer.read(Deadline{}));
    buffer.forget_failure();
    EXPECT_TRUE(buffer.read(Deadline{}));
}

TEST_F(JobTest, ACpuAccessWaitsForJobs)
{
    const Buffer buffer = make();
    const auto work = machine.add_fence("render");
    ASSERT_TRUE(Job("render", Fencing::explicit_only).writes(buffer).publish(fence(work)));
    EXPECT_EQ(buffer.read(Deadline{}).error().category, Category::timed_out);
    work->status = 1;
    EXPECT_TRUE(buffer.read(Deadline{}));
}

TEST_F(JobTest, WithoutTheBridgeFencesCountInsideAndTheCallerIsTold)
{
    const Buffer buffer = make();
    fake::DmaBuf& memory = *machine.dma_buf(buffer.dma_buf_fd());
    memory.bridged = false;
    EXPECT_FALSE(buffer.bridges_fences());
    const auto work = machine.add_fence("render");
    const Status published = Job("render").writes(buffer).publish(fence(work));
    ASSERT_FALSE(published);
    EXPECT_EQ(published.error().category, Category::unsupported);
    EXPECT_FALSE(published.error().advice.empty());
    EXPECT_FALSE(Job("show", Fencing::explicit_only).reads(buffer).gather()->signalled().value());
    work->status = 1;

    memory.busy = true;
    const Fence before = Job("show").reads(buffer).gather().value();
    EXPECT_FALSE(before.signalled().value());
    EXPECT_EQ(before.sync_file_fd().error().category, Category::unsupported);
    EXPECT_EQ(before.wait(Deadline{}).error().category, Category::timed_out);
    memory.busy = false;
    EXPECT_TRUE(before.wait(Deadline{}));
}

TEST_F(JobTest, TheBridgeIsAskedForWithoutTouchingAFence)
{
    const Buffer buffer = make();
    EXPECT_TRUE(buffer.bridges_fences());
    EXPECT_TRUE(machine.dma_buf(buffer.dma_buf_fd())->fences.empty());
}

TEST_F(JobTest, ManyReadersDoNotPileUp)
{
    const Buffer buffer = make();
    for (int i = 0; i < 100; ++i) {
        const auto read = machine.add_fence("read");
        ASSERT_TRUE(Job("r", Fencing::explicit_only).reads(buffer).publish(fence(read)));
        read->status = 1;
    }
    std::size_t open = 0;
    for (int fd = 1000; fd < 1200; ++fd)
        open += machine.file(fd) != nullptr ? 1U : 0U;
    EXPECT_LT(open, 20U);
}

TEST_F(JobTest, MemoryOfTheProgramsOwnTakesPartAndIsNotShared)
{
    std::vector<std::byte> memory(layout.memory_sizes[0]);
    const Buffer buffer = Buffer::from_memory(layout, memory).value();
    const auto work = machine.add_fence("upload");
    ASSERT_TRUE(Job("upload").reads(buffer).publish(fence(work)));
    EXPECT_FALSE(Job("next").writes(buffer).gather()->signalled().value());
    EXPECT_EQ(buffer.write(Deadline{}).error().category, Category::timed_out);
    work->status = 1;
    auto access = buffer.write(Deadline{});
    ASSERT_TRUE(access);
    EXPECT_EQ(access->plane(0).data(), memory.data());
    EXPECT_TRUE(access->end());

    EXPECT_EQ(buffer.dma_buf_fd(), -1);
    EXPECT_FALSE(buffer.bridges_fences());
    for (const Error& error : {buffer.export_fd().error(), buffer.export_fence(Access::read).error(),
                               buffer.import_fence(Fence(), Access::read).error()}) {
        EXPECT_EQ(error.category, Category::unsupported);
        EXPECT_NE(error.detail.find("program's own"), std::string::npos);
    }
    EXPECT_FALSE(Buffer::from_memory(layout, std::span(memory).first(10)));
}

} // namespace
} // namespace commonbuf
