// SPDX-License-Identifier: MIT
//
// Proof by content on real drivers: what is right is found right, and what is made wrong
// on purpose is found, at the right byte and with the right cause.
#include "devices.hpp"
#include "lie.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xf86drm.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>

namespace {

namespace cb = commonbuf;
using cb::Sameness;
using cb::v4l2::Role;

class Verify : public devices::Test {};

/// The value of a control by its name.
std::optional<std::int32_t> control(int fd, const char* name)
{
    v4l2_queryctrl query{};
    query.id = V4L2_CTRL_FLAG_NEXT_CTRL;
    while (::ioctl(fd, VIDIOC_QUERYCTRL, &query) == 0) {
        v4l2_control value{query.id, 0};
        if (std::strcmp(reinterpret_cast<const char*>(query.name), name) == 0)
            return ::ioctl(fd, VIDIOC_G_CTRL, &value) == 0 ? std::optional(value.value) : std::nullopt;
        query.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
    }
    return std::nullopt;
}

/// Plans on one heap alone, and verifies there.
cb::Result<cb::Content> verify(const cb::Request& request, const cb::Use& use, std::shared_ptr<cb::Heap> heap = nullptr,
                               std::uint32_t frames = 30)
{
    cb::Allocator allocator = heap != nullptr ? cb::Allocator({heap}) : cb::Allocator();
    const auto plan = allocator.plan(request, {use});
    if (!plan)
        return plan.error();
    auto verification = allocator.verify(*plan, {use}, {.frames = frames});
    if (!verification)
        return verification.error();
    return verification->uses.at(0).content;
}

#define EXPECT_SAME(answer)                                                                                            \
    {                                                                                                                  \
        const auto content = (answer);                                                                                 \
        ASSERT_TRUE(content) << content.error().message();                                                             \
        EXPECT_EQ(content->result, Sameness::same) << content->reason;                                                 \
        EXPECT_EQ(content->wrong_bytes, 0U);                                                                           \
        EXPECT_FALSE(content->first);                                                                                  \
    }

/// Every heap that can be used, in turn.
template <typename Check>
void on_every_heap(Check check)
{
    for (const auto& heap : cb::find_heaps()) {
        if (!devices::makes_memory(*heap) || !heap->info().same_as.empty())
            continue;
        SCOPED_TRACE(heap->info().name);
        check(heap);
    }
}

TEST_F(Verify, ACameraThatTakesScatteredMemory)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    NEED_HEAP(false, "ordinary heap");
    const devices::Fast fast(camera);
    on_every_heap([&](const auto& heap) {
        EXPECT_SAME(verify({DRM_FORMAT_XRGB8888, 640, 480}, camera.capture(), heap));
    });
    EXPECT_SAME(verify({DRM_FORMAT_YUYV, 1280, 720}, camera.capture()));
    EXPECT_SAME(verify({DRM_FORMAT_NV12, 640, 480}, camera.capture()));
}

TEST_F(Verify, ACameraThatNeedsContiguousMemory)
{
    NEED_CAMERA(camera, devices::contiguous_camera());
    NEED_HEAP(true, "region");
    const devices::Fast fast(camera);
    EXPECT_SAME(verify({DRM_FORMAT_XRGB8888, 640, 480}, camera.capture()));
}

TEST_F(Verify, OneMemoryForEachPlane)
{
    NEED_CAMERA(camera, devices::camera("vivid-002-vid-cap"));
    const devices::Fast fast(camera);
    ASSERT_TRUE(camera.info().multiplanar);
    const auto plan = cb::Allocator().plan({DRM_FORMAT_YVU422, 640, 480}, {camera.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->layout().memory_count, 3U);
    EXPECT_SAME(verify({DRM_FORMAT_YVU422, 640, 480}, camera.capture()));
}

TEST_F(Verify, BothSidesOfAMemoryToMemoryDevice)
{
    NEED_CAMERA(device, devices::camera("vim2m"));
    EXPECT_SAME(verify({DRM_FORMAT_RGB565, 640, 480}, device.capture()));
    EXPECT_SAME(verify({DRM_FORMAT_RGB565, 640, 480}, device.output()));
}

#define SKIP_A_LOST_WRITEBACK(display, content)                                                                        \
    if ((content) && devices::lost_writeback(display, *(content))) {                                                   \
        kernel_keeps_memory();                                                                                         \
        GTEST_SKIP() << "this kernel's vkms lost a writeback";                                                         \
    }

TEST_F(Verify, ADisplay)
{
    NEED_DISPLAY(display);
    for (const cb::Request& request :
         {cb::Request{DRM_FORMAT_XRGB8888, 640, 480}, cb::Request{DRM_FORMAT_RGB565, 500, 300}}) {
        const auto answer = verify(request, display.scanout());
        SKIP_A_LOST_WRITEBACK(display, answer);
        EXPECT_SAME(answer);
    }
}

/// The pictures are larger than 2 MB, and shown in memory that certainly has breaks too.
TEST_F(Verify, WhatWasShownByContentIsBetterThanAccepted)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    NEED_DISPLAY(display);
    NEED_HEAP(false, "ordinary heap");
    const devices::Fast fast(camera);
    const cb::Request request{DRM_FORMAT_XRGB8888, 1280, 720};
    const std::vector<cb::Use> uses{camera.capture(), display.scanout(), cb::cpu(cb::Access::read)};
    cb::Allocator allocator;
    const auto made = allocator.plan(request, uses);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->chosen().verdict.outcome, cb::Outcome::accepted) << made->explain();
    const auto shown = allocator.verify(*made, uses, {.frames = 8});
    ASSERT_TRUE(shown) << shown.error().message();
    for (const cb::UseContent& use : shown->uses) {
        SKIP_A_LOST_WRITEBACK(display, cb::Result<cb::Content>(use.content));
        EXPECT_EQ(use.content.result, Sameness::same) << use.use << ": " << use.content.reason;
        EXPECT_EQ(use.verdict.outcome, cb::Outcome::verified) << use.use << ": " << use.verdict.reason;
    }
    const auto again = allocator.plan(request, uses);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->chosen().heap, made->chosen().heap);
    EXPECT_EQ(again->chosen().verdict.outcome, cb::Outcome::verified) << again->explain();
}

TEST_F(Verify, TheCpu)
{
    if (devices::usable_heap(false) == nullptr && devices::usable_heap(true) == nullptr)
        GTEST_SKIP() << "no heap can be used here";
    EXPECT_SAME(verify({DRM_FORMAT_NV12, 640, 480}, cb::cpu(cb::Access::read_write)));
}

/// Verifies a layout that nobody planned, in memory of the first heap that serves.
cb::Result<cb::Content> verify_layout(const cb::Layout& layout, const cb::Use& use, std::uint32_t frames = 12)
{
    const auto plan = cb::Allocator().plan({layout.format, layout.width, layout.height}, {use});
    if (!plan)
        return plan.error();
    const auto heaps = cb::find_heaps();
    const auto heap = std::find_if(heaps.begin(), heaps.end(),
                                   [&](const auto& each) { return each->info().name == plan->chosen().heap.name; });
    std::vector<cb::Buffer> buffers;
    for (int i = 0; i < 3; ++i) {
        std::vector<cb::UniqueFd> memories;
        for (const std::uint64_t size : layout.used_memories())
            memories.push_back((*heap)->allocate(size).value());
        buffers.push_back(cb::Buffer::wrap(layout, std::move(memories)).value());
    }
    return cb::verify(use, buffers, frames, cb::deadline_in(std::chrono::seconds(30)));
}

#define EXPECT_DIFFERENT(answer, why)                                                                                  \
    const auto content = (answer);                                                                                     \
    ASSERT_TRUE(content) << content.error().message();                                                                 \
    EXPECT_EQ(content->result, Sameness::different) << content->reason;                                                \
    EXPECT_EQ(to_string(content->cause), to_string(why)) << content->reason;                                           \
    EXPECT_GT(content->wrong_bytes, 0U);                                                                               \
    ASSERT_TRUE(content->first);

const cb::Layout padded = *cb::linear_layout({DRM_FORMAT_XRGB8888, 640, 480}, 2624, cb::Memories::single);

TEST_F(Verify, AnotherStrideThanTheDriversOwnIsRightToo)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const devices::Fast fast(camera);
    EXPECT_SAME(verify_layout(padded, camera.capture()));
}

TEST_F(Verify, ACameraThatIsSetToAnotherStrideThanItSays)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const devices::Fast fast(camera);
    const Lie lie({.stride = 2624, .real_stride = 2560});
    EXPECT_DIFFERENT(verify_layout(padded, camera.capture()), cb::Cause::stride);
    EXPECT_EQ(content->frames, 12U);
    EXPECT_EQ(content->first->frame, 0U);
    EXPECT_EQ(content->first->plane, 0U);
    // Row 1 begins 64 bytes early: the first bar, which is as wide as 80 pixels, ends early.
    EXPECT_EQ(content->first->row, 1U);
    EXPECT_EQ(content->first->byte, 80U * 4 - 64);
    EXPECT_NE(content->reason.find("2560 bytes from row to row of plane 0"), std::string::npos) << content->reason;
}

TEST_F(Verify, APlaneThatLiesElsewhere)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const devices::Fast fast(camera);
    cb::Layout layout = *cb::linear_layout({DRM_FORMAT_NV12, 640, 480}, 640, cb::Memories::single);
    // As far as the memory goes, which ends with a page.
    const Lie lie({.late_from = 640 * 480, .late_by = 640 * 3});
    EXPECT_DIFFERENT(verify_layout(layout, camera.capture()), cb::Cause::offset);
    EXPECT_EQ(content->first->plane, 1U);
    // The first three rows were never written; bars are alike, so all others look right.
    EXPECT_EQ(content->first->row, 0U);
    EXPECT_EQ(content->first->byte, 0U);
}

TEST_F(Verify, APlaneThatV4l2CannotPutThereIsRefused)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    // V4L2 knows no offset inside of one memory: its chroma follows its luma.
    cb::Layout layout = *cb::linear_layout({DRM_FORMAT_NV12, 640, 480}, 640, cb::Memories::single);
    layout.planes[1].offset += 640 * 8;
    layout.memory_sizes[0] += 640 * 8;
    const auto queue = camera.open_queue(cb::v4l2::Role::capture, layout, 3);
    ASSERT_FALSE(queue);
    EXPECT_EQ(queue.error().category, cb::Category::unsupported);
}

TEST_F(Verify, MemoryThatIsOutOfReachFromSomePageOn)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const devices::Fast fast(camera);
    const Lie lie({.kept = [](std::size_t byte) { return byte >= 40 * 4096; }, .from_frame = 5});
    EXPECT_DIFFERENT(verify({DRM_FORMAT_XRGB8888, 640, 480}, camera.capture(), nullptr, 12), cb::Cause::address_limit);
    EXPECT_EQ(content->first->frame, 5U);
    EXPECT_EQ(content->first->row, 40U * 4096 / 2560);
    EXPECT_EQ(content->first->byte, 0U);
    EXPECT_EQ(content->frames, 12U);
}

TEST_F(Verify, CacheLinesThatAreOld)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const devices::Fast fast(camera);
    const Lie lie({.kept = [](std::size_t byte) { return byte / 64 % 97 == 96; }, .from_frame = 3});
    EXPECT_DIFFERENT(verify({DRM_FORMAT_XRGB8888, 640, 480}, camera.capture(), nullptr, 6), cb::Cause::stale_cache);
    EXPECT_EQ(content->first->frame, 3U);
    EXPECT_EQ(content->first->row, 96U * 64 / 2560);
    EXPECT_EQ(content->first->byte, 96U * 64 % 2560);
}

TEST_F(Verify, AFrameThatIsNeverWritten)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const devices::Fast fast(camera);
    const Lie lie({.kept = [](std::size_t) { return true; }, .from_frame = 9});
    EXPECT_DIFFERENT(verify({DRM_FORMAT_XRGB8888, 640, 480}, camera.capture(), nullptr, 12),
                     cb::Cause::nothing_written);
    EXPECT_EQ(content->first->frame, 9U);
}

/// Checksums say that something is wrong, and not where.
TEST_F(Verify, ADisplayWithoutWritebackThatReadsAtAnotherStride)
{
    NEED_DISPLAY(display);
    if (std::any_of(display.info().connectors.begin(), display.info().connectors.end(),
                    [](const std::string& name) { return name.starts_with("Writeback"); }))
        GTEST_SKIP() << "the display has a writeback connector (try --kernel-arg vkms.enable_writeback=0)";
    const Lie lie({.stride = 2624, .real_stride = 2560});
    const auto content = verify_layout(padded, display.scanout(), 3);
    ASSERT_TRUE(content) << content.error().message();
    EXPECT_EQ(content->result, Sameness::different) << content->reason;
    EXPECT_FALSE(content->first);
}

TEST_F(Verify, ADisplayThatReadsAtAnotherStride)
{
    NEED_DISPLAY(display);
    if (std::none_of(display.info().connectors.begin(), display.info().connectors.end(),
                     [](const std::string& name) { return name.starts_with("Writeback"); }))
        GTEST_SKIP() << "the display has no writeback connector";
    const Lie lie({.stride = 2624, .real_stride = 2560});
    const auto answer = verify_layout(padded, display.scanout(), 3);
    SKIP_A_LOST_WRITEBACK(display, answer);
    EXPECT_DIFFERENT(answer, cb::Cause::stride);
    EXPECT_EQ(content->first->row, 1U);
    EXPECT_EQ(content->first->byte, 0U);
    EXPECT_NE(content->reason.find("2560 bytes from row to row"), std::string::npos) << content->reason;
}

TEST_F(Verify, AMemoryToMemoryDeviceThatWritesAtAnotherStride)
{
    NEED_CAMERA(device, devices::camera("vim2m"));
    const cb::Layout layout = *cb::linear_layout({DRM_FORMAT_RGB565, 640, 480}, 1344, cb::Memories::single);
    const Lie lie({.stride = 1344, .real_stride = 1280});
    EXPECT_DIFFERENT(verify_layout(layout, device.capture(), 3), cb::Cause::stride);
    EXPECT_EQ(content->first->row, 1U);
    EXPECT_EQ(content->first->byte, 0U);
}

TEST_F(Verify, ADisplayThatSomebodyElseIsMasterOfIsLeftAlone)
{
    NEED_DISPLAY(display);
    const auto other = cb::drm::Device::open(display.info().path);
    ASSERT_TRUE(other);
    if (drmSetMaster(other->fd()) != 0)
        GTEST_SKIP() << "this user may not become master";
    const auto content = verify({DRM_FORMAT_XRGB8888, 640, 480}, display.scanout());
    ASSERT_TRUE(content);
    EXPECT_EQ(content->result, Sameness::not_checked);
    EXPECT_NE(content->reason.find("left alone"), std::string::npos) << content->reason;
    EXPECT_EQ(drmDropMaster(other->fd()), 0);
}

TEST_F(Verify, ACameraThatSomebodyElseStreamsFromIsLeftAlone)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 480}, {camera.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    const auto other = cb::v4l2::Device::open(camera.info().path);
    const auto queue = other->open_queue(Role::capture, plan->layout(), 2);
    ASSERT_TRUE(queue) << queue.error().message();
    const auto verification = cb::Allocator().verify(*plan, {camera.capture()});
    ASSERT_TRUE(verification);
    EXPECT_EQ(verification->uses[0].content.result, Sameness::not_checked);
}

TEST_F(Verify, ControlsAndFormatsAreAsTheyWere)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    v4l2_format before{};
    before.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    ASSERT_EQ(::ioctl(camera.fd(), VIDIOC_G_FMT, &before), 0);
    const auto text = control(camera.fd(), "OSD Text Mode");
    ASSERT_TRUE(text);
    {
        const devices::Fast fast(camera);
        EXPECT_SAME(verify({DRM_FORMAT_YUYV, 320, 180}, camera.capture()));
    }
    EXPECT_EQ(control(camera.fd(), "OSD Text Mode"), text);
    v4l2_format after{};
    after.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    ASSERT_EQ(::ioctl(camera.fd(), VIDIOC_G_FMT, &after), 0);
    EXPECT_EQ(before.fmt.pix.pixelformat, after.fmt.pix.pixelformat);
}

/// As above, when the program is killed with the camera streaming.
TEST_F(Verify, ControlsAndFormatsAreAsTheyWereEvenWhenKilled)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const auto format = [&camera] {
        v4l2_format now{};
        now.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        EXPECT_EQ(::ioctl(camera.fd(), VIDIOC_G_FMT, &now), 0);
        return std::string(reinterpret_cast<const char*>(now.fmt.raw_data), sizeof now.fmt.pix);
    };
    const auto text = [&camera] { return control(camera.fd(), "OSD Text Mode"); };
    const auto soon = [](const auto& condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition() && std::chrono::steady_clock::now() < deadline)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return condition();
    };
    const std::string format_before = format();
    const auto text_before = text();
    const pid_t program = ::fork();
    if (program == 0) {
        const auto device = cb::v4l2::Device::open(camera.info().path);
        constexpr std::uint32_t no_end = 1000000;
        static_cast<void>(verify({DRM_FORMAT_YUYV, 320, 180}, device->capture(), nullptr, no_end));
        ::_exit(1);
    }
    // The text goes last, when frames were streamed already.
    const bool begun = soon([&] { return text() != text_before; });
    ::kill(program, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(program, &status, 0), program);
    ASSERT_TRUE(begun && WIFSIGNALED(status));
    EXPECT_TRUE(soon([&] { return text() == text_before && format() == format_before; }));
    EXPECT_TRUE(cb::Allocator().plan({DRM_FORMAT_YUYV, 320, 180}, {camera.capture()}));
}

} // namespace
