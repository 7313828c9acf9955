// SPDX-License-Identifier: MIT
//
// Plans on real drivers: the choice, the reasons, and that the devices are left alone.
#include "devices.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

namespace {

namespace cb = commonbuf;

class Plans : public devices::Test {
protected:
    const cb::Request image{DRM_FORMAT_XRGB8888, 1280, 720};
};

TEST_F(Plans, AContiguousCameraAndADisplayGetARegion)
{
    NEED_CAMERA(camera, devices::contiguous_camera());
    NEED_DISPLAY(display);
    NEED_HEAP(true, "region");
    cb::Allocator allocator;
    const auto plan = allocator.plan(image, {camera.capture(), display.scanout()});
    ASSERT_TRUE(plan) << plan.error().message();
    if (devices::verdict(plan->report(), "udmabuf")->heap.obstacle == std::nullopt) {
        EXPECT_TRUE(plan->report().constraints.contiguous);
    }
    EXPECT_TRUE(plan->chosen().heap.scarce) << plan->explain();
    EXPECT_EQ(plan->chosen().uses[0].verdict.outcome, cb::Outcome::proved);
    const cb::HeapVerdict* system = devices::verdict(plan->report(), "system");
    ASSERT_NE(system, nullptr);
    ASSERT_EQ(system->uses.size(), 2U) << plan->explain();
    EXPECT_EQ(system->uses[0].verdict.outcome, cb::Outcome::refused);
    EXPECT_EQ(system->uses[0].verdict.call, "VIDIOC_PREPARE_BUF");
    EXPECT_EQ(system->uses[0].verdict.sys_errno, EFAULT);
}

TEST_F(Plans, WhereAllTakeScatteredMemoryNoRegionIsTouched)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    NEED_DISPLAY(display);
    NEED_HEAP(false, "ordinary heap");
    cb::Allocator allocator;
    const auto plan = allocator.plan(image, {camera.capture(), display.scanout()});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_FALSE(plan->chosen().heap.scarce) << plan->explain();
    EXPECT_FALSE(plan->report().constraints.contiguous);
    bool scarce_seen = false;
    for (const cb::HeapVerdict& heap : plan->report().heaps) {
        if (heap.verdict.outcome > cb::Outcome::accepted)
            continue;
        EXPECT_FALSE(scarce_seen && !heap.heap.scarce) << plan->explain();
        scarce_seen = scarce_seen || heap.heap.scarce;
    }
}

/// On a fresh machine the system heap's chunks often lie side by side.
TEST_F(Plans, LuckIsNoProofForAnySize)
{
    NEED_CAMERA(camera, devices::contiguous_camera());
    const cb::HeapVerdict* system = nullptr;
    for (const auto& [width, height] : {std::pair(320, 180), std::pair(640, 360), std::pair(640, 480),
                                        std::pair(1280, 720), std::pair(1920, 1080), std::pair(3840, 2160)}) {
        cb::Allocator allocator;
        const auto plan =
            allocator.plan({DRM_FORMAT_XRGB8888, static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height)},
                           {camera.capture()});
        const cb::Report& report = plan ? plan->report() : *plan.error().report;
        system = devices::verdict(report, "system");
        if (system == nullptr || system->heap.obstacle)
            GTEST_SKIP() << "the system heap cannot be used here";
        EXPECT_EQ(system->verdict.outcome, cb::Outcome::refused) << width << "x" << height << "\n" << report.explain();
    }
}

v4l2_format format_of(const cb::v4l2::Device& device, cb::v4l2::Role role)
{
    const bool many = device.info().multiplanar;
    v4l2_format format{};
    if (role == cb::v4l2::Role::capture)
        format.type = many ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
    else
        format.type = many ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
    EXPECT_EQ(::ioctl(device.fd(), VIDIOC_G_FMT, &format), 0);
    return format;
}

/// One side of a node, and a format that it has and the library knows.
struct KnownQueue {
    cb::v4l2::Device device;
    cb::v4l2::Role role;
    cb::Format format;
    cb::Use use;
};

std::vector<KnownQueue> known_queues()
{
    std::vector<KnownQueue> queues;
    for (const auto role : {cb::v4l2::Role::capture, cb::v4l2::Role::output}) {
        for (const auto& device : devices::all(role)) {
            if (const auto format = devices::any_format(device.info(), role))
                queues.push_back(
                    {device, role, *format, role == cb::v4l2::Role::capture ? device.capture() : device.output()});
        }
    }
    return queues;
}

TEST_F(Plans, LeaveEveryNodeAsItWas)
{
    const auto queues = known_queues();
    for (const auto& [device, role, format, use] : queues) {
        const v4l2_format before = format_of(device, role);
        // Another size than the present one, where the node has it.
        for (const cb::Request& request :
             {cb::Request{format, 640, 480}, cb::Request{format, 320, 180}, cb::Request{format, 1920, 1080}})
            static_cast<void>(cb::Allocator().plan(request, {use}));
        const v4l2_format after = format_of(device, role);
        EXPECT_EQ(std::memcmp(&before, &after, sizeof before), 0) << device.info().path;
        // Nobody owns the queue: another file handle can have it.
        const auto other = cb::v4l2::Device::open(device.info().path);
        ASSERT_TRUE(other);
        v4l2_requestbuffers request{};
        request.count = 1;
        request.type = before.type;
        request.memory = V4L2_MEMORY_MMAP;
        EXPECT_EQ(::ioctl(other->fd(), VIDIOC_REQBUFS, &request), 0) << device.info().path;
    }
    if (queues.empty())
        GTEST_SKIP() << "no V4L2 node can be opened here";
}

/// A program of its own that is killed in the middle of a trial. 0 when it was.
int die_in_a_trial(const std::string& path, cb::v4l2::Role role, const cb::Layout& layout)
{
    const pid_t program = ::fork();
    if (program == 0) {
        const auto device = cb::v4l2::Device::open(path);
        if (!device)
            ::_exit(1);
        const v4l2_format before = format_of(*device, role);
        const cb::Use use = role == cb::v4l2::Role::capture ? device->capture() : device->output();
        const auto trial = use.importer().begin_trial(layout);
        if (!trial)
            ::_exit(2);
        const v4l2_format during = format_of(*device, role);
        if (std::memcmp(&before, &during, sizeof before) == 0)
            ::_exit(3);
        v4l2_requestbuffers request{};
        request.count = 1;
        request.type = before.type;
        request.memory = V4L2_MEMORY_DMABUF;
        if (::ioctl(device->fd(), VIDIOC_REQBUFS, &request) != 0)
            ::_exit(4);
        ::raise(SIGKILL);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(program, &status, 0), program);
    return WIFSIGNALED(status) ? 0 : WEXITSTATUS(status);
}

TEST_F(Plans, LeaveEveryNodeAsItWasEvenWhenKilled)
{
    bool any = false;
    for (const auto& [device, role, format, use] : known_queues()) {
        const v4l2_format before = format_of(device, role);
        for (const cb::Request& request : {cb::Request{format, 640, 480}, cb::Request{format, 1920, 1080}}) {
            const auto plan = cb::Allocator().plan(request, {use});
            const bool changes = request.width != before.fmt.pix.width; // with either API
            if (!plan || !changes)
                continue;
            ASSERT_EQ(die_in_a_trial(device.info().path, role, plan->layout()), 0) << device.info().path;
            any = true;
            const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
            v4l2_format after = format_of(device, role);
            while (std::memcmp(&before, &after, sizeof before) != 0 && std::chrono::steady_clock::now() < deadline)
                after = format_of(device, role);
            EXPECT_EQ(std::memcmp(&before, &after, sizeof before), 0) << device.info().path;
            const auto again = cb::Allocator().plan(request, {use});
            EXPECT_TRUE(again) << again.error().message();
        }
    }
    if (!any)
        GTEST_SKIP() << "no V4L2 node here takes another format and a heap";
}

TEST_F(Plans, AQueueThatSomebodyOwnsIsBusy)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const auto other = cb::v4l2::Device::open(camera.info().path);
    ASSERT_TRUE(other);
    v4l2_requestbuffers request{};
    request.count = 2;
    request.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    request.memory = V4L2_MEMORY_MMAP;
    ASSERT_EQ(::ioctl(other->fd(), VIDIOC_REQBUFS, &request), 0);
    const auto plan = cb::Allocator().plan(image, {camera.capture()});
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().category, cb::Category::busy);
    EXPECT_EQ(plan.error().sys_errno, EBUSY);
}

/// A queue of this very file that does not stream: the kernel would let a trial free it.
TEST_F(Plans, AQueueThatIsOursIsBusyToo)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const auto first = cb::Allocator().plan(image, {camera.capture()});
    if (!first)
        GTEST_SKIP() << first.error().message();
    auto queue = camera.open_queue(cb::v4l2::Role::capture, first->layout(), 2);
    ASSERT_TRUE(queue) << queue.error().message();
    const auto buffer = first->allocate();
    ASSERT_TRUE(buffer);
    const auto second = cb::Allocator().plan(image, {camera.capture()});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().category, cb::Category::busy);
    EXPECT_TRUE(queue->queue(*buffer)) << "its slots are gone";
}

/// Two trials of one node put back what was before the first.
TEST_F(Plans, OneQueueTwiceIsLeftAsItWas)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    const v4l2_format before = format_of(camera, cb::v4l2::Role::capture);
    const cb::Request other{DRM_FORMAT_YUYV, 640, 360};
    const auto made = cb::Allocator().plan(other, {camera.capture(), camera.capture()});
    EXPECT_TRUE(made || !made.error().report->heaps.empty()) << made.error().message();
    const v4l2_format after = format_of(camera, cb::v4l2::Role::capture);
    EXPECT_EQ(std::memcmp(&before, &after, sizeof before), 0);
}

TEST_F(Plans, MultiPlanarNodesWithOneMemoryOrOnePerPlane)
{
    NEED_CAMERA(camera, devices::camera("vivid-002-vid-cap"));
    ASSERT_TRUE(camera.info().multiplanar);
    const auto single = cb::Allocator().plan({DRM_FORMAT_NV12, 1280, 720}, {camera.capture()});
    ASSERT_TRUE(single) << single.error().message();
    EXPECT_EQ(single->layout().memory_count, 1U);
    // Only the twin with several memories exists for this one.
    const auto several = cb::Allocator().plan({DRM_FORMAT_YVU422, 1280, 720}, {camera.capture()});
    ASSERT_TRUE(several) << several.error().message();
    EXPECT_EQ(several->layout().memory_count, 3U);
}

TEST_F(Plans, ADisplayRefusesFormatsAndSizesItDoesNotHave)
{
    NEED_DISPLAY(display);
    const auto size = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 65536, 65536}, {display.scanout()});
    ASSERT_FALSE(size);
    EXPECT_EQ(size.error().category, cb::Category::incompatible);
    EXPECT_NE(size.error().message().find("larger than"), std::string::npos) << size.error().message();
}

TEST_F(Plans, WithoutAnyHeapTheErrorNamesWhatThereIs)
{
    const auto heaps = cb::find_heaps();
    const bool none = std::all_of(heaps.begin(), heaps.end(), [](const auto& heap) { return heap->info().obstacle; });
    if (!none)
        GTEST_SKIP() << "this machine has heaps that can be used";
    const auto plan = cb::Allocator().plan(image, {cb::cpu(cb::Access::read)});
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().category, cb::Category::incompatible);
    EXPECT_NE(plan.error().message().find("udmabuf"), std::string::npos);
}

/// An encoder that pads rows to whole blocks, as most do: 1080 rows are 1088.
TEST_F(Plans, AnEncodersPicturesArePadded)
{
    NEED_CAMERA(encoder, devices::camera("stateful-encoder"));
    const cb::Request request{DRM_FORMAT_NV12, 1920, 1080};
    const auto made = cb::Allocator().plan(request, {encoder.output(), cb::cpu(cb::Access::write)});
    ASSERT_TRUE(made) << made.error().message();
    const cb::Layout& layout = made->layout();
    EXPECT_EQ(layout.height, 1080U);
    EXPECT_EQ(layout.planes[1].offset, std::uint64_t{layout.planes[0].stride} * 1088);
    const auto& constraints = made->report().constraints;
    EXPECT_EQ(constraints.height_align % 8, 0U);
    const auto asks = [&constraints](cb::Constraint name) {
        return std::any_of(constraints.origins.begin(), constraints.origins.end(), [name](const cb::Origin& origin) {
            return origin.constraint == name && origin.call == "VIDIOC_TRY_FMT";
        });
    };
    EXPECT_TRUE(asks(cb::Constraint::height_align));
    // The queue is set to the padded size, and only the picture is encoded.
    const auto queue = encoder.open_queue(cb::v4l2::Role::output, layout, 2);
    ASSERT_TRUE(queue) << queue.error().message();
    v4l2_selection crop{};
    crop.type = V4L2_BUF_TYPE_VIDEO_OUTPUT;
    crop.target = V4L2_SEL_TGT_CROP;
    ASSERT_EQ(::ioctl(encoder.fd(), VIDIOC_G_SELECTION, &crop), 0);
    EXPECT_EQ(crop.r.width, 1920U);
    EXPECT_EQ(crop.r.height, 1080U);
}

/// What a camera and an encoder agree on, with rows that only one of them pads.
TEST_F(Plans, ACameraAndAnEncoder)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    NEED_CAMERA(encoder, devices::camera("stateful-encoder"));
    // One plane: padding behind it is no matter to the camera.
    const auto packed = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 360}, {camera.capture(), encoder.output()});
    EXPECT_TRUE(packed) << packed.error().message();
    // Two planes: the camera puts the second one right behind the first, the encoder wants rows between.
    const auto planar = cb::Allocator().plan({DRM_FORMAT_NV12, 640, 360}, {camera.capture(), encoder.output()});
    ASSERT_FALSE(planar);
    EXPECT_EQ(planar.error().category, cb::Category::incompatible);
    ASSERT_FALSE(planar.error().report->set_aside.empty());
    EXPECT_NE(planar.error().report->set_aside[0].verdict.reason.find("plane 1"), std::string::npos);
}

} // namespace
