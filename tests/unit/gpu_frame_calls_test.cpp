// SPDX-License-Identifier: MIT
//
// The system calls of a frame that goes through a GPU; those of its driver are not among them.
#include "fake/vulkan.hpp"
#include "fake/vulkan_sync.hpp"
#include "frame_calls.hpp"

#include <commonbuf/vulkan.hpp>

#include <poll.h>

#include <array>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace commonbuf {
namespace {

class CameraToGpuToDisplay : public FrameCalls {
protected:
    using Loan = std::shared_ptr<const Buffer>;

    void SetUp() override
    {
        FrameCalls::SetUp();
        const auto device = need(v4l2::Device::open("/dev/video0"));
        const auto screen = need(drm::Device::open("/dev/dri/card0"));
        constexpr std::uint32_t count = 4;
        const auto captures = need(Allocator().plan({DRM_FORMAT_XRGB8888, 64, 32, count}, {device.capture()}));
        const auto drawn = need(Allocator().plan({DRM_FORMAT_XRGB8888, 64, 32, count}, {screen.scanout()}));
        commits.emplace(need(drm::CommitQueue::create(need(drm::Display::choose(screen)), Fencing::explicit_only)));
        queue.emplace(need(device.open_queue(v4l2::Role::capture, captures.layout(), count)));
        queue->set_fencing(Fencing::explicit_only);
        for (std::uint32_t i = 0; i < count; ++i) {
            const Buffer buffer = need(captures.allocate());
            buffer.dma_buf_fd(); // as an import into Vulkan does
            need(queue->queue(buffer));
        }
        pictures.emplace(need(Pool::create(drawn, count)));
        std::vector<const char*> names;
        for (const std::string& name : gpu.extensions)
            names.push_back(name.c_str());
        gpu_device.emplace(
            need(vulkan::Device::wrap({.instance = fake::Vulkan::instance(),
                                       .physical = fake::Vulkan::physical(),
                                       .device = fake::Vulkan::device(),
                                       .queue_family = 3,
                                       .get_instance_proc_addr = fake::VulkanSync::get_instance_proc_addr,
                                       .api_version = VK_API_VERSION_1_1,
                                       .extensions = names,
                                       .features = {true, true}})));
        need(queue->start());
    }

    void TearDown() override
    {
        captured.clear();
        drawing_now.clear();
        showing.clear();
        gpu_device.reset();
        commits.reset();
        pictures.reset();
        queue.reset();
        EXPECT_EQ(gpu.leaks(), "");
        FrameCalls::TearDown();
    }

    Fence draw(const Buffer& from, const Buffer& to)
    {
        Job job("draw", Fencing::explicit_only);
        job.reads(from).writes(to);
        const Fence before = need(job.gather());
        need(vulkan::import_semaphore(*gpu_device, semaphore, before));
        drawing = machine.add_fence("gpu");
        sync.work = drawing;
        Fence over = need(vulkan::export_semaphore(*gpu_device, semaphore, before));
        need(job.publish(over));
        return over;
    }

    /// As examples/support/frame_loop.cpp has it.
    void one_frame()
    {
        for (const std::size_t shown = display.commits.size(); display.commits.size() == shown;) {
            auto& [has_frame, camera_moves, display_moves] = events;
            drop_signalled(drawing_now);
            drop_signalled(showing);
            if (camera_moves.revents != 0)
                need(queue->advance());
            if (display_moves.revents != 0)
                need(commits->advance());
            if (has_frame.revents != 0)
                captured.push_back(queue->lend(need(queue->try_dequeue())->buffer));
            if (!captured.empty()) {
                const Loan frame = std::move(captured.front());
                captured.pop_front();
                const Buffer picture = need(pictures->acquire(Deadline{}));
                const Fence over = draw(*frame, picture);
                drawing_now.push_back(over);
                drm::Commit commit(commits->display());
                commit.show(commits->display().primary(), picture, over).wait_by(drm::FenceWait::kernel);
                need(commits->submit(std::move(commit)));
                for (const drm::Committed& each : commits->pop_committed()) {
                    showing.push_back(each.shown);
                    for (const Buffer& buffer : each.replaced)
                        need(pictures->release(buffer, each.shown));
                }
            }
            has_frame = {queue->with_device() > 0 ? queue->frame_fd() : -1, POLLIN, 0};
            camera_moves = {queue->poll_fd(), POLLIN, 0};
            display_moves = {commits->poll_fd(), POLLIN, 0};
            std::vector<Fence> fences;
            for (const auto* some : {&drawing_now, &showing}) {
                if (!some->empty())
                    fences.push_back(some->front());
            }
            ASSERT_TRUE(need(wait_any(fences, events, soon())));
        }
    }

    static void drop_signalled(std::deque<Fence>& fences)
    {
        // wait_any() asks those that poll(2) names, and nobody else is asked.
        while (!fences.empty() && fences.front().known() != FenceState::pending && need(fences.front().signalled()))
            fences.pop_front();
    }

    fake::Vulkan gpu;
    fake::VulkanSync sync{machine};
    std::optional<vulkan::Device> gpu_device;
    VkSemaphore semaphore = reinterpret_cast<VkSemaphore>(std::uintptr_t{0x100});
    std::optional<drm::CommitQueue> commits;
    std::optional<v4l2::Queue> queue;
    std::optional<Pool> pictures;
    std::array<pollfd, 3> events{};
    std::deque<Loan> captured;
    std::deque<Fence> drawing_now;
    std::deque<Fence> showing;
};

TEST_F(CameraToGpuToDisplay, TakesTheCallsOfALoopOfIoctls)
{
    // poll(2) tells of the frame, of the end of the drawing and of that of the flip. The GPU's fence is
    // asked once whether its work failed, since the display would show that as if it were good.
    EXPECT_EQ(calls_of([this] { one_frame(); }), (Calls{{"ppoll", 3 * frames},
                                                        {"VIDIOC_DQBUF", frames},
                                                        {"SYNC_IOC_FILE_INFO", frames},
                                                        {"DRM_IOCTL_MODE_ATOMIC", frames},
                                                        {"VIDIOC_QBUF", frames},
                                                        {"close", 2 * frames}}));
    EXPECT_NE(display.commits.back().in_fence, nullptr);
}

} // namespace
} // namespace commonbuf
