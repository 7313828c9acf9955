// SPDX-License-Identifier: MIT
//
// What happens when a region runs dry under a camera that streams.
#include "devices.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

/// Listens to the library for as long as it lives.
class Messages {
public:
    Messages()
    {
        cb::set_log([this](std::string_view message) { all_.emplace_back(message); });
    }
    ~Messages() { cb::set_log(nullptr); }
    Messages(const Messages&) = delete;
    Messages& operator=(const Messages&) = delete;

    const std::vector<std::string>& all() const { return all_; }

private:
    std::vector<std::string> all_;
};

class Fallback : public devices::Test {
protected:
    static constexpr std::uint32_t slots = 3;
    static constexpr std::size_t no_region_has = 10000;

    /// A plan for one camera that takes memory of a region first.
    static cb::Result<cb::Plan> plan(const cb::v4l2::Device& camera, const cb::Heap& region, bool fall_back)
    {
        const cb::Preferences preferences{.prefer = {region.info().name}, .fall_back = fall_back};
        return cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 480, slots}, {camera.capture()}, preferences);
    }

    /// Frames that go round, and come in order.
    static void expect_frames(cb::v4l2::Queue& queue, int count, std::uint32_t& last)
    {
        for (int i = 0; i < count; ++i) {
            const auto frame = queue.dequeue(cb::deadline_in(2s));
            ASSERT_TRUE(frame) << frame.error().message();
            EXPECT_GT(frame->sequence + 1, last);
            last = frame->sequence;
            ASSERT_TRUE(queue.queue(frame->buffer));
        }
    }
};

TEST_F(Fallback, TheNextProvedHeapServesAndSaysSo)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    NEED_HEAP(true, "region");
    NEED_HEAP(false, "ordinary heap");
    const auto region = devices::usable_heap(true);
    const auto made = plan(camera, *region, true);
    ASSERT_TRUE(made) << made.error().message();
    ASSERT_EQ(made->chosen().heap.name, region->info().name);
    const Messages messages;
    std::vector<cb::Buffer> held;
    while (held.size() < no_region_has) {
        auto buffer = made->allocate();
        ASSERT_TRUE(buffer) << buffer.error().message();
        held.push_back(std::move(*buffer));
        if (held.back().heap() != region->info().name)
            break;
    }
    const cb::Buffer& other = held.back();
    ASSERT_GE(held.size(), slots + 1U);
    EXPECT_NE(other.fallback().find(region->info().name), std::string::npos) << other.fallback();
    const cb::HeapVerdict* verdict = devices::verdict(made->report(), other.heap());
    ASSERT_NE(verdict, nullptr);
    EXPECT_EQ(verdict->verdict.outcome, cb::Outcome::proved);
    EXPECT_FALSE(verdict->heap.scarce && verdict->heap.name == region->info().name);
    ASSERT_EQ(messages.all().size(), 1U);
    EXPECT_NE(messages.all()[0].find("a buffer comes from " + other.heap()), std::string::npos) << messages.all()[0];

    // Memory of both goes through one queue.
    auto queue = camera.open_queue(cb::v4l2::Role::capture, made->layout(), slots);
    ASSERT_TRUE(queue) << queue.error().message();
    for (const cb::Buffer& buffer : {held[0], held[1], other})
        ASSERT_TRUE(queue->queue(buffer));
    ASSERT_TRUE(queue->start());
    std::uint32_t last = 0;
    expect_frames(*queue, 9, last);
}

TEST_F(Fallback, WithoutItAFullRegionIsATypedErrorAndStreamsGoOn)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    NEED_HEAP(true, "region");
    const auto region = devices::usable_heap(true);
    const auto made = plan(camera, *region, false);
    ASSERT_TRUE(made) << made.error().message();
    ASSERT_EQ(made->chosen().heap.name, region->info().name);
    auto queue = camera.open_queue(cb::v4l2::Role::capture, made->layout(), slots);
    ASSERT_TRUE(queue) << queue.error().message();
    for (std::uint32_t i = 0; i < slots; ++i) {
        const auto buffer = made->allocate();
        ASSERT_TRUE(buffer) << buffer.error().message();
        ASSERT_TRUE(queue->queue(*buffer));
    }
    ASSERT_TRUE(queue->start());
    std::uint32_t last = 0;
    expect_frames(*queue, 3, last);

    const auto count = devices::dma_buf_count();
    {
        std::vector<cb::Buffer> held;
        while (held.size() < no_region_has) {
            auto buffer = made->allocate();
            if (!buffer) {
                EXPECT_EQ(buffer.error().category, cb::Category::out_of_memory) << buffer.error().message();
                EXPECT_NE(buffer.error().message().find("without fall-back"), std::string::npos)
                    << buffer.error().message();
                break;
            }
            EXPECT_EQ(buffer->heap(), region->info().name);
            held.push_back(std::move(*buffer));
        }
        ASSERT_LT(held.size(), no_region_has);
        // The region is full now, and the camera does not notice.
        expect_frames(*queue, 6, last);
    }
    EXPECT_EQ(devices::dma_buf_count(), count);
    expect_frames(*queue, 3, last);
    EXPECT_TRUE(made->allocate()) << "what was given back serves again";
}

TEST_F(Fallback, ACameraThatNeedsTheRegionGetsNothingElse)
{
    NEED_CAMERA(camera, devices::contiguous_camera());
    NEED_HEAP(true, "region");
    const auto made = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 480, slots}, {camera.capture()});
    ASSERT_TRUE(made) << made.error().message();
    std::vector<cb::Buffer> held;
    while (held.size() < no_region_has) {
        auto buffer = made->allocate();
        if (!buffer) {
            EXPECT_EQ(buffer.error().category, cb::Category::out_of_memory) << buffer.error().message();
            break;
        }
        // Other regions may be proved too; ordinary memory never is.
        EXPECT_EQ(devices::verdict(made->report(), buffer->heap())->verdict.outcome, cb::Outcome::proved);
        EXPECT_NE(buffer->heap(), "system");
        EXPECT_NE(buffer->heap(), "udmabuf");
        held.push_back(std::move(*buffer));
    }
    EXPECT_LT(held.size(), no_region_has);
}

TEST_F(Fallback, AUsageStandsForTheDevicesOfThisMachine)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    NEED_DISPLAY(display);
    cb::Allocator allocator;
    const auto made =
        allocator.plan({DRM_FORMAT_XRGB8888, 640, 480}, cb::Purpose::camera_output | cb::Purpose::composer);
    // Where one camera of several needs memory that is not there, there is no plan.
    const cb::Report* report = made ? &made->report() : made.error().report.get();
    ASSERT_NE(report, nullptr) << made.error().message();
    ASSERT_EQ(report->purposes.size(), 2U);
    const auto& uses = report->purposes[0].uses;
    EXPECT_NE(std::find(uses.begin(), uses.end(), "v4l2:" + camera.info().path + ":capture"), uses.end());
    EXPECT_EQ(report->purposes[1].uses.front(), "drm:" + display.info().path + ":scanout");
}

TEST_F(Fallback, AUseThatComesLaterIsHeldAgainstTheBuffers)
{
    NEED_CAMERA(scattered, devices::scattered_camera());
    NEED_CAMERA(contiguous, devices::contiguous_camera());
    NEED_HEAP(true, "region");
    NEED_HEAP(false, "ordinary heap");
    cb::Allocator allocator;
    const cb::Request request{DRM_FORMAT_XRGB8888, 640, 480};
    const auto first = allocator.plan(request, {scattered.capture()});
    ASSERT_TRUE(first) << first.error().message();
    const auto buffer = first->allocate();
    ASSERT_TRUE(buffer);
    // The CPU can use what is there.
    const auto read = allocator.add(*first, cb::cpu(cb::Access::read));
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_TRUE(read->serves(*buffer));
    // The other camera cannot: only a region would do, and the plan has them below.
    const auto both = allocator.add(*first, contiguous.capture());
    if (both) {
        EXPECT_FALSE(both->serves(*buffer));
        EXPECT_TRUE(both->chosen().heap.scarce);
        EXPECT_TRUE(both->serves(*both->allocate()));
    } else {
        EXPECT_EQ(both.error().category, cb::Category::incompatible) << both.error().message();
    }
}

} // namespace
