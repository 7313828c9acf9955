// SPDX-License-Identifier: MIT
//
// How many system calls an operation costs, beside the least that the kernel's interface
// allows. Where it is more, the table says why; docs/architecture.md has it too.
#include "fake/machine.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <cstdio>
#include <functional>
#include <optional>
#include <string>

namespace commonbuf {
namespace {

class CallsTest : public testing::Test {
protected:
    fake::Machine machine;

    void SetUp() override
    {
        machine.add_heap("system");
        machine.add_camera("video0", {.formats = {V4L2_PIX_FMT_XBGR32}});
        machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}});
    }

    Fence fence(const std::shared_ptr<fake::FenceModel>& work)
    {
        return Fence::from_fd(UniqueFd(machine.sync_file(work))).value();
    }

    /// Holds the calls of an operation against what it should cost; the close(2) of what it
    /// no longer needs is not counted.
    template <typename Operation>
    void costs(const char* name, std::size_t expected, std::size_t least, const char* why, Operation operation)
    {
        const std::size_t before = machine.calls().size();
        operation();
        const auto& calls = machine.calls();
        std::string list;
        for (std::size_t i = before; i < calls.size(); ++i)
            list += " " + calls[i];
        EXPECT_EQ(calls.size() - before, expected) << name << ":" << list;
        std::printf("  %-44s %2zu calls, least %2zu%s%s\n", name, expected, least, *why != '\0' ? ": " : "", why);
    }
};

TEST_F(CallsTest, AreAsFewAsTheKernelAllows)
{
    std::printf("system calls per operation\n");
    const auto work = machine.add_fence("work");
    const Fence signalled = fence(work);
    work->status = 1;
    costs("wait, the fence has signalled", 2, 1, "poll(2) before SYNC_IOC_FILE_INFO: together they race in the kernel",
          [&] { ASSERT_TRUE(signalled.wait(Deadline{})); });
    costs("wait again", 0, 0, "", [&] { ASSERT_TRUE(signalled.wait(Deadline{})); });

    std::vector<Fence> eight;
    for (int i = 0; i < 8; ++i)
        eight.push_back(fence(machine.add_fence("t" + std::to_string(i))));
    std::optional<Fence> all;
    costs("merge 8 fences", 0, 0, "", [&] { all = Fence::merge(eight); });
    costs("a descriptor of 8 merged fences", 15, 7, "each is asked, since the merge forgets what has failed",
          [&] { ASSERT_TRUE(all->sync_file_fd()); });
    costs("the descriptor again", 8, 0, "pending ones are asked whether they failed meanwhile",
          [&] { ASSERT_TRUE(all->sync_file_fd()); });

    const auto camera = v4l2::Device::open("/dev/video0");
    const auto display = drm::Device::open("/dev/dri/card0");
    ASSERT_TRUE(camera && display);
    const auto plan = Allocator().plan({DRM_FORMAT_XRGB8888, 64, 32},
                                       {camera->capture(), display->scanout(), cpu(Access::read_write)});
    ASSERT_TRUE(plan) << plan.error().message();
    const Buffer buffer = plan->allocate().value();
    ASSERT_TRUE(buffer.read(deadline_in(std::chrono::seconds(1)))); // the mapping is made once
    ASSERT_TRUE(display->framebuffer(buffer));
    costs("CPU access", 3, 2, "START waits without a deadline, so poll(2) comes before it", [&] {
        auto access = buffer.read(deadline_in(std::chrono::seconds(1)));
        ASSERT_TRUE(access && access->end());
    });
    auto outer = buffer.read(deadline_in(std::chrono::seconds(1)));
    costs("CPU access inside another one", 1, 0, "poll(2): a device may have come meanwhile", [&] {
        auto inner = buffer.read(deadline_in(std::chrono::seconds(1)));
        ASSERT_TRUE(inner && inner->end());
    });
    ASSERT_TRUE(outer && outer->end());

    auto queue = camera->open_queue(v4l2::Role::capture, plan->layout(), 2);
    ASSERT_TRUE(queue && queue->queue(buffer) && queue->start() &&
                queue->dequeue(deadline_in(std::chrono::seconds(1))));
    costs("camera: queue and dequeue a frame", 3, 3, "", [&] {
        ASSERT_TRUE(queue->queue(buffer));
        ASSERT_TRUE(queue->dequeue(deadline_in(std::chrono::seconds(1))));
    });
    machine.add_codec("video1", {});
    auto codec = v4l2::M2m::open("/dev/video1");
    const auto raw = linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::single);
    const auto coded = opaque_layout({Format::v4l2(V4L2_PIX_FMT_FWHT), 64, 32}, 0, 8192);
    ASSERT_TRUE(codec && codec->open_queues(*raw, *coded, 2) && codec->start());
    const auto make = [&](const Layout& layout) {
        std::vector<UniqueFd> memories;
        memories.emplace_back(machine.add_dma_buf(layout.memory_sizes[0]));
        return Buffer::wrap(layout, std::move(memories)).value();
    };
    const Buffer picture = make(*raw);
    const Buffer compressed = make(*coded);
    costs("codec: queue and dequeue on both sides", 6, 4, "each dma-buf is polled: others may work on it", [&] {
        ASSERT_TRUE(codec->capture_queue()->queue_when_ready(compressed));
        ASSERT_TRUE(codec->output_queue()->queue_when_ready(picture));
        ASSERT_TRUE(*codec->capture_queue()->try_dequeue());
        ASSERT_TRUE(*codec->output_queue()->try_dequeue());
    });
    costs("display: the framebuffer of a frame", 0, 0, "", [&] { ASSERT_TRUE(display->framebuffer(buffer)); });
    Job job("display");
    job.reads(buffer);
    costs("job: gather", 1, 1, "", [&] { ASSERT_TRUE(job.gather()); });
    const Fence shown = fence(machine.add_fence("show"));
    costs("job: publish", 1, 1, "", [&] { ASSERT_TRUE(job.publish(shown)); });
    Job quiet("display", Fencing::explicit_only);
    quiet.reads(buffer);
    fake::DisplayModel& model = machine.add_card("card1", {.formats = {DRM_FORMAT_XRGB8888}}).display;
    model.present = true;
    const auto screen = drm::Display::choose(drm::Device::open("/dev/dri/card1").value());
    ASSERT_TRUE(screen) << screen.error().message();
    struct Case {
        const char* name;
        Fencing fencing;
        bool shared; ///< others can reach the buffers
        std::size_t calls;
        std::size_t least;
    };
    for (const Case& one : {Case{"display: commit a frame for another", Fencing::bridged, true, 4, 3},
                            Case{"display: the same, nobody else has the buffers", Fencing::bridged, false, 2, 1},
                            Case{"display: the same, explicit_only", Fencing::explicit_only, true, 2, 1}}) {
        auto commits = drm::CommitQueue::create(*screen, one.fencing);
        ASSERT_TRUE(commits);
        const Buffer first = plan->allocate().value();
        const Buffer other = plan->allocate().value();
        if (one.shared) {
            first.dma_buf_fd();
            other.dma_buf_fd();
        }
        const auto commit = [&](const Buffer& next) {
            if (model.shown)
                model.shown->status = 1;
            ASSERT_TRUE(commits->submit(drm::Commit(*screen).show(screen->primary(), next)));
            EXPECT_EQ(commits->waiting(), 0U);
        };
        commit(first);
        commit(other);
        commit(first);
        commits->pop_committed();
        costs(one.name, one.calls, one.least, "the last commit is polled: nobody waited for it here",
              [&] { commit(other); });
    }
    costs("job without implicit fences: both", 0, 0, "", [&] { ASSERT_TRUE(quiet.gather() && quiet.publish(shown)); });
    const auto pool = Pool::create(*plan, 2);
    ASSERT_TRUE(pool);
    costs("pool: take a buffer and give it back", 0, 0, "", [&] {
        const auto taken = Pool(*pool).acquire(Deadline{});
        ASSERT_TRUE(taken && Pool(*pool).release(*taken, signalled));
    });
}

} // namespace
} // namespace commonbuf
