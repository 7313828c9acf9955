// SPDX-License-Identifier: MIT
//
// The system calls of a frame in the steady state, one by one. What stands here is what the kernel's
// interface needs; a call more is a mistake.
#include "frame_calls.hpp"

#include <poll.h>

#include <array>
#include <deque>
#include <memory>
#include <optional>

namespace commonbuf {
namespace {

class CameraToDisplay : public FrameCalls {
protected:
    using Loan = std::shared_ptr<const Buffer>;

    void SetUp() override
    {
        FrameCalls::SetUp();
        const auto device = need(v4l2::Device::open("/dev/video0"));
        const auto screen = need(drm::Device::open("/dev/dri/card0"));
        constexpr std::uint32_t count = 4;
        const auto plan =
            need(Allocator().plan({DRM_FORMAT_XRGB8888, 64, 32, count}, {device.capture(), screen.scanout()}));
        commits.emplace(need(drm::CommitQueue::create(need(drm::Display::choose(screen)), fencing)));
        queue.emplace(need(device.open_queue(v4l2::Role::capture, plan.layout(), count)));
        buffers = need(plan.allocate(count));
        for (const Buffer& buffer : buffers)
            need(queue->queue(buffer));
        need(queue->start());
    }

    void TearDown() override
    {
        loans.clear();
        on_screen.reset();
        commits.reset();
        queue.reset();
        buffers.clear();
        FrameCalls::TearDown();
    }

    /// As examples/camera-to-display.cpp has it.
    void one_frame()
    {
        for (const std::size_t shown = display.commits.size(); display.commits.size() == shown;) {
            auto& [has_buffer, has_frame] = events;
            if (has_buffer.revents != 0)
                need(queue->advance());
            if (has_frame.revents != 0)
                loans.push_back(queue->lend(need(queue->try_dequeue())->buffer));
            bool is_shown = need(commits->shown().signalled());
            if (is_shown && !loans.empty()) {
                const Loan frame = std::move(loans.front());
                loans.pop_front();
                drm::Commit commit(commits->display());
                commit.show(commits->display().primary(), *frame);
                need(commits->commit(std::move(commit), soon()));
                is_shown = false;
                on_screen = frame;
            }
            has_buffer = {queue->poll_fd(), POLLIN, 0};
            has_frame = {queue->with_device() > 0 ? queue->frame_fd() : -1, POLLIN, 0};
            std::vector<Fence> fences;
            if (!is_shown)
                fences.push_back(commits->shown());
            ASSERT_TRUE(need(wait_any(fences, events, soon())));
        }
    }

    Fencing fencing = Fencing::bridged;
    std::optional<drm::CommitQueue> commits;
    std::optional<v4l2::Queue> queue;
    std::vector<Buffer> buffers;
    std::array<pollfd, 2> events{};
    std::deque<Loan> loans;
    Loan on_screen;
};

TEST_F(CameraToDisplay, TakesTheCallsOfALoopOfIoctls)
{
    // One poll(2) tells of the camera's frame, one that the display is done with the frame before;
    // the fence of each commit is a descriptor (OUT_FENCE_PTR), which has to be closed.
    EXPECT_EQ(calls_of([this] { one_frame(); }), (Calls{{"ppoll", 2 * frames},
                                                        {"VIDIOC_DQBUF", frames},
                                                        {"DRM_IOCTL_MODE_ATOMIC", frames},
                                                        {"VIDIOC_QBUF", frames},
                                                        {"close", frames}}));
}

TEST_F(CameraToDisplay, PaysForOthersOnlyIfTheyCanReachTheBuffers)
{
    for (const Buffer& buffer : buffers)
        buffer.dma_buf_fd();
    // The dma-buf is polled before the display reads it, gets the fence of the flip that ends that, and is
    // asked for a snapshot of all its fences before the camera writes: that one is merged with the flip to be
    // waited for, has to be polled, asked how it ended, and closed.
    EXPECT_EQ(calls_of([this] { one_frame(); }), (Calls{{"ppoll", 4 * frames},
                                                        {"VIDIOC_DQBUF", frames},
                                                        {"DRM_IOCTL_MODE_ATOMIC", frames},
                                                        {"VIDIOC_QBUF", frames},
                                                        {"DMA_BUF_IOCTL_IMPORT_SYNC_FILE", frames},
                                                        {"DMA_BUF_IOCTL_EXPORT_SYNC_FILE", frames},
                                                        {"SYNC_IOC_MERGE", frames},
                                                        {"SYNC_IOC_FILE_INFO", frames},
                                                        {"close", 3 * frames}}));
}

TEST_F(CameraToDisplay, WhoGetsABufferLaterFindsTheFencesOfBefore)
{
    for (int i = 0; i < 3; ++i)
        one_frame();
    machine.while_sleeping = [this] { camera.frames = 1; };
    one_frame();
    // The flip does not end, and the buffer that it replaces waits for that.
    unsigned pending = 0;
    for (const Buffer& buffer : buffers) {
        const fake::DmaBuf& memory = *machine.dma_buf(buffer.dma_buf_fd());
        for (const auto& [fence, writes] : memory.fences) {
            pending += fence->status == 0 ? 1U : 0U;
            EXPECT_EQ(fence, display.shown);
            EXPECT_FALSE(writes) << "the display only reads";
        }
    }
    EXPECT_EQ(pending, 1U);
}

} // namespace
} // namespace commonbuf
