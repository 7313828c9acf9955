// SPDX-License-Identifier: MIT
//
// What cameras and codecs have beside plain pictures of their own size: fields, colours, many slots,
// other names in /dev, lines around the picture, pipelines that nobody configured.
#include "devices.hpp"
#include "example.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;
using cb::v4l2::Role;

class Cameras : public devices::Test {};

/// Digital video of 1080 interlaced lines, as long as it lives.
class Interlaced {
public:
    explicit Interlaced(const cb::v4l2::Device& device)
        : fd_(device.fd()),
          get_(device.info().capture ? VIDIOC_G_INPUT : VIDIOC_G_OUTPUT),
          set_(device.info().capture ? VIDIOC_S_INPUT : VIDIOC_S_OUTPUT)
    {
        if (::ioctl(fd_, get_, &before_) != 0)
            return;
        for (int input = 0; !works_ && ::ioctl(fd_, set_, &input) == 0; ++input) {
            for (v4l2_enum_dv_timings each{}; !works_ && ::ioctl(fd_, VIDIOC_ENUM_DV_TIMINGS, &each) == 0;
                 ++each.index) {
                works_ = each.timings.bt.height == 1080 && each.timings.bt.interlaced == V4L2_DV_INTERLACED &&
                         ::ioctl(fd_, VIDIOC_G_DV_TIMINGS, &timings_) == 0 &&
                         ::ioctl(fd_, VIDIOC_S_DV_TIMINGS, &each.timings) == 0;
            }
        }
    }
    Interlaced(const Interlaced&) = delete;
    Interlaced& operator=(const Interlaced&) = delete;
    ~Interlaced()
    {
        if (works_) {
            EXPECT_EQ(::ioctl(fd_, VIDIOC_S_DV_TIMINGS, &timings_), 0);
        }
        ::ioctl(fd_, set_, &before_);
    }
    bool works() const { return works_; }

private:
    int fd_;
    unsigned long get_;
    unsigned long set_;
    int before_ = 0;
    v4l2_dv_timings timings_{};
    bool works_ = false;
};

/// What a queue is set to.
v4l2_format format_of(const cb::v4l2::Device& device, Role role)
{
    v4l2_format format{};
    format.type = role == Role::capture ? V4L2_BUF_TYPE_VIDEO_CAPTURE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
    if (device.info().multiplanar)
        format.type = role == Role::capture ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE;
    EXPECT_EQ(::ioctl(device.fd(), VIDIOC_G_FMT, &format), 0);
    return format;
}

bool same(const v4l2_format& a, const v4l2_format& b)
{
    return std::memcmp(a.fmt.raw_data, b.fmt.raw_data, sizeof a.fmt.raw_data) == 0;
}

/// Streams in fields, and returns which ones they were.
std::vector<std::uint32_t> stream_fields(const cb::v4l2::Device& device, Role role, cb::Format format)
{
    std::vector<std::uint32_t> fields;
    const cb::Use use = role == Role::capture ? device.capture() : device.output();
    const auto plan = cb::Allocator().plan({format, 1920, 540, 4}, {use, cb::cpu(cb::Access::read_write)});
    EXPECT_TRUE(plan) << plan.error().message();
    if (!plan)
        return fields;
    // Before the queue: the memory may be the device's own.
    std::vector<cb::Buffer> buffers;
    while (buffers.size() < 4) {
        auto buffer = plan->allocate();
        EXPECT_TRUE(buffer) << buffer.error().message();
        if (!buffer)
            return fields;
        buffers.push_back(std::move(*buffer));
    }
    auto queue = device.open_queue(role, plan->layout(), 4);
    EXPECT_TRUE(queue) << queue.error().message();
    if (!queue)
        return fields;
    EXPECT_EQ(queue->field(), std::uint32_t{V4L2_FIELD_ALTERNATE});
    for (const cb::Buffer& buffer : buffers) {
        const auto queued = queue->queue(buffer);
        EXPECT_TRUE(queued) << queued.error().message();
    }
    EXPECT_TRUE(queue->start());
    for (int i = 0; i < 6; ++i) {
        const auto frame = queue->dequeue(cb::deadline_in(5s));
        EXPECT_TRUE(frame) << frame.error().message();
        if (!frame)
            break;
        fields.push_back(frame->field);
        EXPECT_TRUE(queue->queue(frame->buffer));
    }
    EXPECT_TRUE(queue->stop());
    return fields;
}

/// Each buffer is an image of half the height, and both fields come in turn.
TEST_F(Cameras, InterlacedSourcesStreamFieldByField)
{
    unsigned streamed = 0;
    for (const Role role : {Role::capture, Role::output}) {
        for (const auto& device : devices::all(role)) {
            const Interlaced signal(device);
            if (device.info().driver != "vivid" || device.info().metadata || !signal.works())
                continue;
            for (const std::uint32_t format : {DRM_FORMAT_NV12, DRM_FORMAT_YUYV}) {
                const auto fields = stream_fields(device, role, format);
                ASSERT_EQ(fields.size(), 6U) << device.info().name;
                for (std::size_t i = 0; i < fields.size(); ++i) {
                    EXPECT_TRUE(fields[i] == V4L2_FIELD_TOP || fields[i] == V4L2_FIELD_BOTTOM) << fields[i];
                    if (role == Role::output && i > 0) {
                        EXPECT_NE(fields[i], fields[i - 1]);
                    }
                }
                EXPECT_TRUE(std::ranges::count(fields, V4L2_FIELD_TOP) > 0 &&
                            std::ranges::count(fields, V4L2_FIELD_BOTTOM) > 0);
                ++streamed;
            }
        }
    }
    if (streamed == 0)
        GTEST_SKIP() << "no interlaced source here";
}

#ifdef COMMONBUF_VERIFY
/// The rows of the two fields differ, so each is compared with its own.
TEST_F(Cameras, FieldsAreComparedWithThoseOfTheirOwnKind)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const Interlaced signal(camera);
    if (!signal.works())
        GTEST_SKIP() << "it has no interlaced source";
    cb::Allocator allocator;
    const auto plan = allocator.plan({DRM_FORMAT_YUYV, 1920, 540, 4}, {camera.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    const auto verified = allocator.verify(*plan, {camera.capture()}, {.frames = 6, .deadline = cb::deadline_in(60s)});
    ASSERT_TRUE(verified) << verified.error().message();
    EXPECT_EQ(verified->uses[0].content.result, cb::Sameness::same) << verified->uses[0].content.reason;
    EXPECT_EQ(verified->uses[0].content.frames, 6U);
}
#endif

/// Neither a plan nor opening a queue makes anything else of them.
TEST_F(Cameras, WhatAnOutputQueuesPicturesAreIsKept)
{
    unsigned kept = 0;
    for (const auto& device : devices::all(Role::output)) {
        if (device.info().driver != "vivid" || device.info().metadata)
            continue;
        int before = 0;
        ASSERT_EQ(::ioctl(device.fd(), VIDIOC_G_OUTPUT, &before), 0);
        int digital = 1;
        if (::ioctl(device.fd(), VIDIOC_S_OUTPUT, &digital) != 0)
            continue;
        const auto request = devices::current_size(device, Role::output, DRM_FORMAT_NV12);
        {
            // Somebody else sets the format, and then the colours: this Device does not know.
            const auto other = cb::v4l2::Device::open(device.info().path);
            const auto first = cb::Allocator().plan(request, {other->output()});
            ASSERT_TRUE(first) << device.info().name << ": " << first.error().message();
            const auto opened = other->open_queue(Role::output, first->layout(), 2);
            ASSERT_TRUE(opened) << device.info().name << ": " << opened.error().message();
        }
        // vivid has no more than the colorspace: the rest is its default.
        const auto made = cb::v4l2::Device::open(device.info().path)
                              ->set_colorimetry(Role::output, {.colorspace = V4L2_COLORSPACE_BT2020,
                                                               .quantization = V4L2_QUANTIZATION_FULL_RANGE});
        ASSERT_TRUE(made) << made.error().message();
        EXPECT_EQ(made->colorspace, std::uint32_t{V4L2_COLORSPACE_BT2020}) << device.info().name;
        const auto plan = cb::Allocator().plan(request, {device.output()});
        ASSERT_TRUE(plan) << plan.error().message();
        EXPECT_EQ(*device.colorimetry(Role::output), *made) << device.info().name;
        const auto queue = device.open_queue(Role::output, plan->layout(), 2);
        ASSERT_TRUE(queue) << queue.error().message();
        EXPECT_EQ(*queue->colorimetry(), *made) << device.info().name;
        ::ioctl(device.fd(), VIDIOC_S_OUTPUT, &before);
        ++kept;
    }
    if (kept == 0)
        GTEST_SKIP() << "no vivid output here";
}

/// A codec passes on what its pictures are.
TEST_F(Cameras, ACodecKeepsTheColoursThatItIsTold)
{
    const cb::Format coded = cb::Format::v4l2(V4L2_PIX_FMT_FWHT);
    unsigned seen = 0;
    for (const char* name : {"@stateful-encoder", "@stateful-decoder"}) {
        auto codec = cb::v4l2::M2m::open(name);
        if (!codec)
            continue;
        const bool encodes = codec->kind() == cb::v4l2::M2m::Kind::encoder;
        const cb::v4l2::Colorimetry wanted{V4L2_COLORSPACE_SMPTE170M, V4L2_XFER_FUNC_SRGB, V4L2_YCBCR_ENC_601,
                                           V4L2_QUANTIZATION_FULL_RANGE};
        ASSERT_TRUE(codec->device().set_colorimetry(Role::output, wanted));
        cb::Allocator allocator;
        const cb::Format in = encodes ? cb::Format(DRM_FORMAT_NV12) : coded;
        const cb::Format out = encodes ? coded : cb::Format(DRM_FORMAT_NV12);
        const auto plan_in = allocator.plan({in, 640, 480, 2}, {codec->output()});
        const auto plan_out = allocator.plan({out, 640, 480, 2}, {codec->capture()});
        ASSERT_TRUE(plan_in && plan_out);
        const auto opened = codec->open_queues(plan_in->layout(), plan_out->layout(), 2);
        ASSERT_TRUE(opened) << opened.error().message();
        EXPECT_EQ(*codec->output_queue()->colorimetry(), wanted) << name;
        EXPECT_EQ(*codec->capture_queue()->colorimetry(), wanted) << name;
        ++seen;
    }
    if (seen == 0)
        GTEST_SKIP() << "no codec here";
}

/// The greatest height has no steps of its own.
TEST_F(Cameras, ACodecAtItsGreatestHeightHasTheStepsThatItHasElsewhere)
{
    const auto codec = cb::v4l2::M2m::open("@stateful-encoder");
    if (!codec)
        GTEST_SKIP() << codec.error().message();
    const auto step = [&](std::uint32_t height) {
        const auto support = codec->output().importer().support({DRM_FORMAT_NV12, 3840, height});
        return support ? (*support)->entries.front().constraints->height_align : 0U;
    };
    const std::uint32_t usual = step(1000);
    EXPECT_GT(usual, 0U);
    EXPECT_EQ(step(2160), usual);
}

TEST_F(Cameras, AQueueHasAsManySlotsAsItsDriver)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 320, 180}, {camera.capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    // Before the queue: the memory may be the camera's own.
    std::vector<cb::Buffer> buffers;
    while (buffers.size() < 50) {
        auto buffer = plan->allocate();
        ASSERT_TRUE(buffer) << buffer.error().message();
        buffers.push_back(std::move(*buffer));
    }
    auto queue = camera.open_queue(Role::capture, plan->layout(), 40);
    if (!queue && queue.error().category == cb::Category::invalid_argument)
        GTEST_SKIP() << queue.error().message();
    ASSERT_TRUE(queue) << queue.error().message();
    EXPECT_EQ(queue->slots(), 40U);
    const auto grown = queue->grow(10);
    ASSERT_TRUE(grown) << grown.error().message();
    EXPECT_EQ(*grown, 50U);
    for (const cb::Buffer& buffer : buffers)
        ASSERT_TRUE(queue->queue(buffer));
    ASSERT_TRUE(queue->start());
    EXPECT_TRUE(queue->dequeue(cb::deadline_in(5s)));
    EXPECT_TRUE(queue->stop());
}

/// A folder of nodes of this test's own.
class Nodes {
public:
    Nodes() { std::filesystem::create_directory(path); }
    Nodes(const Nodes&) = delete;
    Nodes& operator=(const Nodes&) = delete;
    ~Nodes() { std::filesystem::remove_all(path); }
    std::string path = std::filesystem::temp_directory_path() / ("nodes-" + std::to_string(::getpid()));
};

TEST_F(Cameras, NodesAreKnownByTheirNumberWhateverTheyAreCalled)
{
    NEED_CAMERA(camera, devices::camera("vivid-001-vid-cap"));
    NEED_CAMERA(other, devices::camera("vivid-000-vid-cap"));
    const Nodes nodes;
    const std::string link = nodes.path + "/usb-camera-index0";
    std::filesystem::create_symlink(camera.info().path, link);
    struct stat node {};
    ASSERT_EQ(::stat(camera.info().path.c_str(), &node), 0);
    // As in a container, which has another device's name free.
    const std::string renamed = nodes.path + "/" + std::filesystem::path(other.info().path).filename().string();
    const bool made = ::mknod(renamed.c_str(), S_IFCHR | 0600, node.st_rdev) == 0;
    for (const std::string& path : {link, renamed}) {
        if (path == renamed && !made)
            continue;
        const auto opened = cb::v4l2::Device::open(path);
        ASSERT_TRUE(opened) << opened.error().message();
        EXPECT_EQ(opened->info().name, "vivid-001-vid-cap");
        const auto heap = opened->heap(Role::capture);
        if (heap != nullptr) {
            EXPECT_EQ(heap->info().name, camera.heap(Role::capture)->info().name);
        }
    }
    const auto by_bus = cb::v4l2::Device::open("@" + camera.info().bus);
    EXPECT_EQ(by_bus.error().category, cb::Category::invalid_argument) << "all nodes of one vivid have its bus";
}

TEST_F(Cameras, CardsAreKnownByTheirNumberWhateverTheyAreCalled)
{
    NEED_DISPLAY(display);
    const Nodes nodes;
    std::filesystem::create_symlink(display.info().path, nodes.path + "/card");
    const auto opened = cb::drm::Device::open(nodes.path + "/card");
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_EQ(opened->info().name, display.info().name);
    EXPECT_EQ(opened->info().bus, display.info().bus);
    EXPECT_EQ(opened->info().connectors, display.info().connectors);
    for (const auto& node : cb::drm::nodes()) {
        if (!node.render || node.obstacle)
            continue;
        const std::string path = nodes.path + "/" + std::filesystem::path(display.info().path).filename().string();
        std::filesystem::remove(path);
        std::filesystem::create_symlink(node.path, path);
        const auto render = cb::drm::Device::open(path);
        ASSERT_TRUE(render) << render.error().message();
        EXPECT_TRUE(render->info().render);
        EXPECT_EQ(render->info().name, node.name);
    }
    // Every name that is told finds it.
    for (const std::string& name : {display.info().name, display.info().driver}) {
        const auto found = cb::drm::Device::open("@" + name);
        EXPECT_TRUE(found) << found.error().message();
    }
}

/// A sensor's lines above and below come along, in every plane, and the display sees the picture between them.
TEST_F(Cameras, LinesAroundThePictureAreTheCamerasAndNotTheDisplays)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    NEED_DISPLAY(display);
    const devices::Fast any_size(camera);
    for (const std::uint32_t format : {DRM_FORMAT_XRGB8888, DRM_FORMAT_NV12}) {
        SCOPED_TRACE(cb::to_string(cb::Format(format)));
        cb::Request request{format, 640, 480, 2};
        request.lines_before = 8;
        request.lines_after = 4;
        const auto plan =
            cb::Allocator().plan(request, {camera.capture(), display.scanout(), cb::cpu(cb::Access::read_write)});
        ASSERT_TRUE(plan) << plan.error().message();
        const cb::Layout& layout = plan->layout();
        const std::uint32_t stride = layout.planes[0].stride;
        EXPECT_EQ(layout.planes[0].offset, std::uint64_t{stride} * 8);
        auto queue = camera.open_queue(Role::capture, layout, 2);
        ASSERT_TRUE(queue) << queue.error().message();
        EXPECT_EQ(format_of(camera, Role::capture).fmt.pix.height, 492U);
        const auto buffer = plan->allocate();
        ASSERT_TRUE(buffer);
        EXPECT_TRUE(display.framebuffer(*buffer));
        // All that the camera sees, in the same memory.
        std::vector<cb::UniqueFd> memories;
        memories.push_back(*buffer->export_fd());
        const auto seen = cb::linear_layout({format, 640, 492}, stride, cb::Memories::single);
        const auto all = cb::Buffer::wrap(*seen, std::move(memories));
        ASSERT_TRUE(all) << all.error().message();
        {
            auto access = all->write(cb::deadline_in(1s));
            ASSERT_TRUE(access);
            for (std::uint32_t plane = 0; plane < seen->plane_count; ++plane)
                std::ranges::fill(access->plane(plane), std::byte{0x5a});
            ASSERT_TRUE(access->end());
        }
        ASSERT_TRUE(queue->queue(*buffer) && queue->start());
        ASSERT_TRUE(queue->dequeue(cb::deadline_in(5s)));
        ASSERT_TRUE(queue->stop());
        auto access = all->read(cb::deadline_in(1s));
        ASSERT_TRUE(access);
        const cb::FormatInfo& info = *cb::format_info(format);
        for (std::uint32_t plane = 0; plane < seen->plane_count; ++plane) {
            for (std::uint32_t row = 0; row < cb::plane_rows(info, plane, 492); ++row) {
                const auto bytes = access->plane(plane).subspan(std::size_t{row} * seen->planes[plane].stride,
                                                                cb::min_stride(info, plane, 640));
                EXPECT_FALSE(std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0x5a}; }))
                    << plane << " " << row;
            }
        }
        EXPECT_TRUE(access->end());
    }
}

/// One rule for plans, foreign buffers and framebuffers.
TEST_F(Cameras, OddSizesArePlannedAndShown)
{
    NEED_DISPLAY(display);
    const auto plan =
        cb::Allocator().plan({DRM_FORMAT_NV12, 853, 481}, {display.scanout(), cb::cpu(cb::Access::read_write)});
    if (!plan && plan.error().category == cb::Category::incompatible)
        GTEST_SKIP() << plan.error().message();
    ASSERT_TRUE(plan) << plan.error().message();
    const auto buffer = plan->allocate();
    ASSERT_TRUE(buffer);
    const auto framebuffer = display.framebuffer(*buffer);
    EXPECT_TRUE(framebuffer) << framebuffer.error().message();
}

TEST_F(Cameras, APipelineThatNobodyConfiguredIsNamed)
{
    NEED_EXAMPLE("allocinfo");
    NEED_CAMERA(camera, devices::camera("RGB/YUV Capture"));
    const auto outcome = example::run("allocinfo verify --use 'v4l2:@RGB/YUV Capture:capture' --use cpu:read "
                                      "--format RG24 --size 640x480");
    EXPECT_NE(outcome.text.find("EPIPE"), std::string::npos) << outcome.text;
    EXPECT_NE(outcome.text.find("media-ctl"), std::string::npos) << outcome.text;
}

/// Two programs that try formats at once leave the camera as they found it.
TEST_F(Cameras, TwoPlansAtOnceLeaveTheFormatAsItWas)
{
    NEED_EXAMPLE("allocinfo");
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const devices::Fast any_size(camera);
    const v4l2_format before = format_of(camera, Role::capture);
    const auto held_up = std::filesystem::read_symlink("/proc/self/exe").replace_filename("libheld-up.so");
    const std::string plan =
        "HELD_UP_AT_FORMAT=1 LD_PRELOAD=" + held_up.string() + " allocinfo plan --use v4l2:@vivid-000-vid-cap:capture ";
    const auto outcome = example::run("(" + plan + "--format NV12 --size 1280x720 & sleep 0.3; " + plan +
                                      "--format XR24 --size 640x480 && wait $!)");
    if (outcome.text.find("ASan runtime does not come first") != std::string::npos)
        GTEST_SKIP() << "sanitizers want to be loaded before everybody else";
    EXPECT_EQ(outcome.status, 0) << outcome.text;
    EXPECT_TRUE(same(before, format_of(camera, Role::capture)));
}

} // namespace
