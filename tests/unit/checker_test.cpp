// SPDX-License-Identifier: MIT
#include "fake/machine.hpp"

#include <commonbuf/checker.hpp>
#include <commonbuf/job.hpp>
#include <commonbuf/v4l2/device.hpp>
#include <commonbuf/v4l2/queue.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <vector>

namespace commonbuf {
namespace {

class CheckerTest : public testing::Test {
protected:
    fake::Machine machine;
    std::vector<Finding> findings;
    const Layout layout = *linear_layout({DRM_FORMAT_XRGB8888, 64, 32}, 256, Memories::single);

    void SetUp() override
    {
        machine.add_camera("video0", {.output = true, .formats = {V4L2_PIX_FMT_XBGR32}});
        set_checker_mode(CheckerMode::log, [this](const Finding& finding) { findings.push_back(finding); });
    }
    void TearDown() override { set_checker_mode(CheckerMode::off); }

    Buffer wrap(int fd) const
    {
        std::vector<UniqueFd> memories;
        memories.emplace_back(fd);
        return Buffer::wrap(layout, std::move(memories)).value();
    }
    Buffer make() { return wrap(machine.add_dma_buf(layout.memory_sizes[0])); }
    v4l2::Queue open() const
    {
        return v4l2::Device::open("/dev/video0")->open_queue(v4l2::Role::output, layout, 2).value();
    }

    /// The CPU writes, though the device has the buffer.
    void expect_found(const Buffer& buffer)
    {
        EXPECT_TRUE(buffer.write(deadline_in(std::chrono::seconds(1))));
        ASSERT_EQ(findings.size(), 1U);
        EXPECT_EQ(findings.front().mistake, Mistake::cpu_while_device);
    }
};

TEST_F(CheckerTest, KnowsQueuedWorkAfterAnotherHandleIsGone)
{
    const Buffer buffer = make();
    auto queue = open();
    ASSERT_TRUE(queue.queue(buffer));
    {
        const Buffer other = wrap(buffer.export_fd()->release());
        // One that was used, and one that was not.
        const Buffer third = wrap(buffer.export_fd()->release());
        EXPECT_TRUE(third.read(deadline_in(std::chrono::seconds(1))));
    }
    expect_found(buffer);
}

TEST_F(CheckerTest, KnowsQueuedWorkBehindManyReaders)
{
    const Buffer buffer = make();
    auto queue = open();
    ASSERT_TRUE(queue.queue(buffer));
    for (int i = 0; i < 40; ++i) {
        Job job("reader");
        job.reads(buffer);
        ASSERT_TRUE(job.gather() && job.publish({}));
    }
    expect_found(buffer);
}

TEST_F(CheckerTest, KnowsWorkThatOutlivesEveryHandle)
{
    const auto work = machine.add_fence("work");
    UniqueFd memory(machine.add_dma_buf(layout.memory_sizes[0]));
    {
        const Buffer buffer = wrap(duplicate(memory.get())->release());
        Job job("writer", Fencing::explicit_only);
        job.writes(buffer);
        ASSERT_TRUE(job.publish(Fence::from_fd(UniqueFd(machine.sync_file(work))).value()));
    }
    expect_found(wrap(memory.release()));
}

} // namespace
} // namespace commonbuf
