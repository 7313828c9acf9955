// SPDX-License-Identifier: MIT
//
// What cameras and codecs have that the test drivers of the lab do not show, or not in every
// combination: interlaced sources, metadata beside pictures, colours, many slots, other names,
// padding that nobody tells.
#include "fake/machine.hpp"
#include "os/node_lock.hpp"
#include "os/os.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

namespace commonbuf::v4l2 {
namespace {

class CameraTest : public testing::Test {
protected:
    fake::Machine machine;

    CameraTest() { machine.add_heap("system"); }

    fake::CameraModel& add(fake::CameraModel model, const std::string& node = "video0")
    {
        if (model.formats.empty())
            model.formats = {V4L2_PIX_FMT_XBGR32, V4L2_PIX_FMT_NV12};
        return machine.add_camera(node, model);
    }
    static Device device(const std::string& path = "/dev/video0") { return *Device::open(path); }
    static Result<Plan> plan(Format format, std::uint32_t width, std::uint32_t height, Role role = Role::capture)
    {
        const Device node = device();
        return Allocator().plan({format, width, height}, {role == Role::capture ? node.capture() : node.output()});
    }
    Buffer buffer(const Layout& layout)
    {
        std::vector<UniqueFd> memories;
        for (const std::uint64_t size : layout.used_memories())
            memories.emplace_back(machine.add_dma_buf(size));
        return *Buffer::wrap(layout, std::move(memories));
    }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

TEST_F(CameraTest, AFieldInABufferIsAnImageOfHalfTheHeight)
{
    add({.lines = 1080, .only_fields = true});
    const auto whole = plan(DRM_FORMAT_NV12, 1920, 1080);
    ASSERT_FALSE(whole);
    EXPECT_NE(whole.error().message().find("the driver sets 1920x540: one field of the picture in a buffer"),
              std::string::npos)
        << whole.error().message();
    const auto field = plan(DRM_FORMAT_NV12, 1920, 540);
    ASSERT_TRUE(field) << field.error().message();
    auto queue = device().open_queue(Role::capture, field->layout(), 2);
    ASSERT_TRUE(queue) << queue.error().message();
    EXPECT_EQ(queue->field(), std::uint32_t{V4L2_FIELD_ALTERNATE});
    ASSERT_TRUE(queue->queue(buffer(field->layout())) && queue->start());
    EXPECT_TRUE(queue->dequeue(deadline_in(std::chrono::milliseconds(1))));
}

TEST_F(CameraTest, AnInterlacedSourceGivesBothFieldsOrOne)
{
    const fake::CameraModel& model = add({.lines = 576});
    const auto field_of = [&](std::uint32_t height) -> std::uint32_t {
        const auto made = plan(DRM_FORMAT_XRGB8888, 720, height);
        if (!made)
            return V4L2_FIELD_ANY;
        const auto queue = device().open_queue(Role::capture, made->layout(), 1);
        EXPECT_EQ(model.height, height);
        return queue ? queue->field() : std::uint32_t{V4L2_FIELD_ANY};
    };
    EXPECT_EQ(field_of(576), std::uint32_t{V4L2_FIELD_INTERLACED});
    EXPECT_EQ(field_of(288), std::uint32_t{V4L2_FIELD_ALTERNATE});
    EXPECT_EQ(field_of(240), std::uint32_t{V4L2_FIELD_ANY});
}

TEST_F(CameraTest, FieldsThatLieOneBehindTheOtherAreAskedForWoven)
{
    add({.lines = 576, .fields_in_row = true});
    const auto made = plan(DRM_FORMAT_XRGB8888, 720, 576);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(device().open_queue(Role::capture, made->layout(), 1)->field(), std::uint32_t{V4L2_FIELD_INTERLACED});
}

TEST_F(CameraTest, AnOutputQueueSaysWhichFieldABufferHolds)
{
    const fake::CameraModel& model = add({.output = true, .lines = 1080, .only_fields = true});
    const auto made = plan(DRM_FORMAT_NV12, 1920, 540, Role::output);
    ASSERT_TRUE(made) << made.error().message();
    auto queue = device().open_queue(Role::output, made->layout(), 4);
    ASSERT_TRUE(queue) << queue.error().message();
    const std::vector<Buffer> all{buffer(made->layout()), buffer(made->layout()), buffer(made->layout()),
                                  buffer(made->layout())};
    ASSERT_TRUE(queue->queue(all[0]));
    ASSERT_TRUE(queue->queue(all[1]));
    ASSERT_TRUE(queue->queue(all[2], {.field = V4L2_FIELD_BOTTOM}));
    ASSERT_TRUE(queue->queue(all[3]));
    EXPECT_EQ(model.fields_queued,
              (std::vector<std::uint32_t>{V4L2_FIELD_TOP, V4L2_FIELD_BOTTOM, V4L2_FIELD_BOTTOM, V4L2_FIELD_TOP}));
    ASSERT_TRUE(queue->start() && queue->stop());
    ASSERT_TRUE(queue->queue(all[0]));
    EXPECT_EQ(model.fields_queued.back(), std::uint32_t{V4L2_FIELD_TOP}) << "each stream begins with the top";
}

TEST_F(CameraTest, ADriverThatKnowsNoFieldsDoesNotHideItsSizes)
{
    add({.lines = 576, .refuses_single_fields = true});
    const auto made = plan(DRM_FORMAT_XRGB8888, 720, 480);
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message().find("720x576"), std::string::npos) << made.error().message();
}

/// uvcvideo gives its node of metadata the name, the card and the bus of its node of pictures.
TEST_F(CameraTest, AUsbCameraIsFoundByNameBesideItsMetadata)
{
    add({.name = "USB camera"});
    add({.name = "USB camera",
         .capabilities = V4L2_CAP_META_CAPTURE,
         .no_pictures = true,
         .formats = {V4L2_META_FMT_UVC}},
        "video1");
    const auto found = Device::open("@USB camera");
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->info().path, "/dev/video0");
}

TEST_F(CameraTest, ANodeWithPicturesAndMetadataIsOneOfPictures)
{
    for (const auto more : {std::uint32_t{V4L2_CAP_META_CAPTURE}, std::uint32_t{V4L2_CAP_META_OUTPUT}}) {
        const std::string node = more == V4L2_CAP_META_CAPTURE ? "video1" : "video2";
        add({.capabilities = more}, node);
        const Device both = device("/dev/" + node);
        EXPECT_FALSE(both.info().metadata);
        EXPECT_EQ(both.info().capture_formats, (std::vector<std::uint32_t>{V4L2_PIX_FMT_XBGR32, V4L2_PIX_FMT_NV12}));
        EXPECT_EQ(both.info().output, more == V4L2_CAP_META_OUTPUT);
        const auto made = Allocator().plan({DRM_FORMAT_NV12, 640, 480}, {both.capture()});
        EXPECT_TRUE(made) << made.error().message();
        if (both.info().output) {
            EXPECT_EQ(both.colorimetry(Role::output).error().category, Category::unsupported);
        }
    }
    add({.capabilities = V4L2_CAP_META_CAPTURE, .no_pictures = true, .formats = {V4L2_META_FMT_UVC}}, "video3");
    EXPECT_TRUE(device("/dev/video3").info().metadata);
    EXPECT_EQ(device("/dev/video3").info().capture_formats, std::vector<std::uint32_t>{V4L2_META_FMT_UVC});
}

TEST_F(CameraTest, WhatAnOutputQueuesPicturesAreIsKept)
{
    const fake::CameraModel& model = add({.output = true, .colorspace = V4L2_COLORSPACE_BT2020, .quantization = 1});
    const auto made = plan(DRM_FORMAT_NV12, 640, 480, Role::output);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(model.colorspace, std::uint32_t{V4L2_COLORSPACE_BT2020}) << "a plan leaves no trace";
    const Device node = device();
    const auto queue = node.open_queue(Role::output, made->layout(), 1);
    ASSERT_TRUE(queue);
    EXPECT_EQ(model.fourcc, std::uint32_t{V4L2_PIX_FMT_NV12});
    EXPECT_EQ(model.colorspace, std::uint32_t{V4L2_COLORSPACE_BT2020});
    EXPECT_EQ(model.quantization, std::uint32_t{V4L2_QUANTIZATION_FULL_RANGE});
    EXPECT_EQ(queue->colorimetry()->colorspace, std::uint32_t{V4L2_COLORSPACE_BT2020});
}

TEST_F(CameraTest, WhatAnOutputQueuesPicturesAreCanBeSet)
{
    const fake::CameraModel& model = add({.output = true});
    const Device node = device();
    EXPECT_EQ(node.colorimetry(Role::output)->colorspace, std::uint32_t{V4L2_COLORSPACE_REC709});
    const auto set = node.set_colorimetry(
        Role::output, {.colorspace = V4L2_COLORSPACE_SMPTE170M, .quantization = V4L2_QUANTIZATION_FULL_RANGE});
    ASSERT_TRUE(set) << set.error().message();
    EXPECT_EQ(set->colorspace, std::uint32_t{V4L2_COLORSPACE_SMPTE170M});
    const auto made = Allocator().plan({DRM_FORMAT_NV12, 640, 480}, {node.output()});
    ASSERT_TRUE(made && node.open_queue(Role::output, made->layout(), 1));
    EXPECT_EQ(model.colorspace, std::uint32_t{V4L2_COLORSPACE_SMPTE170M});
    EXPECT_EQ(model.quantization, std::uint32_t{V4L2_QUANTIZATION_FULL_RANGE});
    EXPECT_EQ(node.set_colorimetry(Role::capture, {}).error().category, Category::unsupported);
}

TEST_F(CameraTest, ACameraIsAskedForColoursAndMayKeepItsOwn)
{
    for (const bool converts : {false, true}) {
        const std::string name = converts ? "video1" : "video2";
        fake::CameraModel& model = add({.converts_colours = converts}, name);
        const Device node = device("/dev/" + name);
        const auto set = node.set_colorimetry(Role::capture, {.colorspace = V4L2_COLORSPACE_SRGB});
        ASSERT_TRUE(set);
        const std::uint32_t expected = converts ? V4L2_COLORSPACE_SRGB : V4L2_COLORSPACE_REC709;
        EXPECT_EQ(set->colorspace, expected);
        // Somebody else sets another one meanwhile.
        model.colorspace = converts ? V4L2_COLORSPACE_JPEG : V4L2_COLORSPACE_REC709;
        const auto made = Allocator().plan({DRM_FORMAT_NV12, 640, 480}, {node.capture()});
        ASSERT_TRUE(made && node.open_queue(Role::capture, made->layout(), 1));
        EXPECT_EQ(model.colorspace, expected);
    }
}

TEST_F(CameraTest, AQueueHasAsManySlotsAsItsDriver)
{
    for (const bool output : {false, true}) {
        const std::string node = output ? "video1" : "video0";
        add({.output = output, .exports = true, .max_slots = 64}, node);
        const Device many = device("/dev/" + node);
        const Role role = output ? Role::output : Role::capture;
        const Layout layout = *linear_layout({DRM_FORMAT_XRGB8888, 64, 32}, 256, Memories::single);
        if (const auto queue = many.open_queue(role, layout, 40); queue) {
            EXPECT_EQ(queue->slots(), 40U);
        } else {
            ADD_FAILURE() << queue.error().message();
        }
        if (const auto queue = many.open_own_queue(role, layout, 64); queue) {
            EXPECT_EQ(queue->slots(), 64U);
        } else {
            ADD_FAILURE() << queue.error().message();
        }
        auto growing = many.open_queue(role, layout, 30);
        ASSERT_TRUE(growing);
        const auto grown = growing->grow(34);
        ASSERT_TRUE(grown) << grown.error().message();
        EXPECT_EQ(*grown, 64U);
        EXPECT_NE(growing->grow(1).error().message().find("between 1 and 64"), std::string::npos);
        EXPECT_NE(many.open_queue(role, layout, 65).error().message().find("65 slots are not between 1 and 64"),
                  std::string::npos);
    }
    add({.exports = true}, "video2");
    const Layout layout = *linear_layout({DRM_FORMAT_XRGB8888, 64, 32}, 256, Memories::single);
    EXPECT_NE(device("/dev/video2").open_queue(Role::capture, layout, 33).error().message().find("between 1 and 32"),
              std::string::npos);
}

TEST_F(CameraTest, ANodeIsWhatItsNumberSays)
{
    add({.name = "right"}, "video7");
    add({.name = "wrong"}, "video0");
    // Renamed in a container, where another device's name is free; and a link of udev's.
    for (const std::string path : {"/container/video0", "/dev/v4l/by-id/usb-camera-index0"}) {
        machine.add_alias(path, "/dev/video7");
        const Device node = device(path);
        EXPECT_EQ(node.info().name, "right");
        EXPECT_EQ(node.info().path, path);
    }
    machine.add_alias("/container/card", "/dev/video0");
    EXPECT_EQ(device("/container/card").info().name, "wrong");
}

TEST_F(CameraTest, WhereNodesHaveOthersNamesTheNumberFindsThem)
{
    add({.name = "first"}, "video0");
    add({.name = "second"}, "video1");
    // Somebody has changed both in /dev.
    machine.add_alias("/dev/spare", "/dev/video0");
    machine.add_alias("/dev/video0", "/dev/video1");
    machine.add_alias("/dev/video1", "/dev/spare");
    EXPECT_EQ(Device::open("@first")->info().path, "/dev/spare");
    EXPECT_EQ(Device::open("@second")->info().path, "/dev/video0");
    const auto all = nodes();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].name, "first");
    EXPECT_EQ(all[1].name, "second");
    // A node that is another device's is not opened for this one.
    add({.name = "third"}, "video2");
    machine.add_alias("/dev/video2", "/dev/video1");
    const auto hidden = Device::open("@third");
    ASSERT_FALSE(hidden);
    EXPECT_EQ(hidden.error().category, Category::not_present);
    EXPECT_EQ(nodes()[2].obstacle->category, Category::not_present);
}

TEST_F(CameraTest, TheMediaDeviceOfACodecIsFoundByItsNumber)
{
    add({.name = "camera"}, "video0");
    machine.add_codec("video5", {.requires_requests = true});
    machine.add_alias("/container/video0", "/dev/video5");
    const auto media = MediaDevice::open(device("/container/video0"));
    ASSERT_TRUE(media) << media.error().message();
    EXPECT_EQ(media->path(), "/dev/media0");
    EXPECT_FALSE(MediaDevice::open(device("/dev/video0")));
}

TEST_F(CameraTest, NamesThatTheDriverGivesFindTheNode)
{
    add({.name = "Video Capture 1", .driver = "uvcvideo", .card = "HD Pro Webcam", .bus = "usb-0000:00:14.0-3"});
    add({.name = "Video Capture 2", .driver = "other", .card = "Other"}, "video1");
    for (const char* name : {"Video Capture 1", "uvcvideo", "HD Pro Webcam", "usb-0000:00:14.0-3"}) {
        const auto found = Device::open(std::string("@") + name);
        ASSERT_TRUE(found) << found.error().message();
        EXPECT_EQ(found->info().path, "/dev/video0");
    }
    // A name in sysfs comes before one that a driver gives.
    add({.name = "other"}, "video2");
    EXPECT_EQ(Device::open("@other")->info().path, "/dev/video2");
}

TEST_F(CameraTest, ACardGoesByEveryNameToo)
{
    machine.add_card("card0", {.driver = "fakegpu", .formats = {DRM_FORMAT_XRGB8888}});
    machine.add_card("card1", {.driver = "other", .formats = {DRM_FORMAT_XRGB8888}});
    machine.add_alias("/container/card1", "/dev/dri/card0");
    const auto renamed = drm::Device::open("/container/card1");
    ASSERT_TRUE(renamed);
    EXPECT_EQ(renamed->info().name, "fakegpu");
    EXPECT_EQ(drm::Device::open("@other")->info().path, "/dev/dri/card1");
    // What the driver calls itself is another name than that in sysfs.
    machine.add_card("card2", {.driver = "virtio_gpu", .bus = "virtio", .driver_in_sysfs = "virtio-pci"});
    for (const char* name : {"@virtio_gpu", "@virtio-pci"}) {
        const auto found = drm::Device::open(name);
        ASSERT_TRUE(found) << found.error().message();
        EXPECT_EQ(found->info().path, "/dev/dri/card2");
    }
}

TEST_F(CameraTest, AnEncoderAtItsGreatestHeightHasTheSameSteps)
{
    machine.add_codec("video0", {.row_step = 16, .max_rows = 1088});
    const Device codec = device();
    const auto align = [&](std::uint32_t height) -> std::uint32_t {
        const auto support = codec.output().importer().support({DRM_FORMAT_NV12, 1920, height});
        return support ? (*support)->entries.front().constraints->height_align : 0;
    };
    EXPECT_EQ(align(720), 16U);
    EXPECT_EQ(align(1080), 16U);
    EXPECT_EQ(align(1088), 16U);
    EXPECT_EQ(align(1089), 0U) << "it has no such height";
    // A display that pads to 64 rows, and an encoder that has no more than 1088.
    Preferences pads;
    pads.constraints.height_align = 32;
    const auto made = Allocator().plan({DRM_FORMAT_NV12, 1920, 1080}, {codec.output()}, pads);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().planes[1].offset, 1920U * 1088);
}

TEST_F(CameraTest, AGreatestHeightBesideTheStepsIsTakenAsItIs)
{
    machine.add_codec("video0", {.row_step = 16, .max_rows = 1080});
    const auto made = Allocator().plan({DRM_FORMAT_NV12, 1920, 1080}, {device().output()});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().planes[1].offset, 1920U * 1080);
}

/// A layout of NV12 with room for another description of it.
class SamePixelsTest : public CameraTest, public testing::WithParamInterface<bool> {};

TEST_P(SamePixelsTest, TakenHoweverTheyAreDescribed)
{
    const Role role = GetParam() ? Role::output : Role::capture;
    add({.output = GetParam()});
    const Layout layout = *linear_layout({DRM_FORMAT_NV12, 600, 480}, 640, Memories::single);
    auto queue = device().open_queue(role, layout, 4);
    ASSERT_TRUE(queue);
    const Buffer whole = buffer(layout);

    Layout tight = layout;
    tight.planes[0].size = std::uint64_t{layout.planes[0].stride} * 479 + 600;
    tight.planes[1].size = std::uint64_t{layout.planes[1].stride} * 239 + 600;
    EXPECT_TRUE(queue->queue(buffer(tight)));

    Layout twice = layout;
    twice.memory_count = 2;
    twice.memory_sizes[1] = layout.memory_sizes[0];
    twice.planes[1].memory = 1;
    std::vector<UniqueFd> memories;
    memories.push_back(*whole.export_fd());
    memories.push_back(*whole.export_fd());
    const Buffer named_twice = *Buffer::wrap(twice, std::move(memories));
    const Status queued = queue->queue(named_twice);
    EXPECT_TRUE(queued) << queued.error().message();

    // Two memories are not one.
    const Status two = queue->queue(buffer(twice));
    ASSERT_FALSE(two);
    EXPECT_NE(two.error().message().find("plane 1 lies in another memory"), std::string::npos);
    Layout lower = layout;
    lower.planes[1].offset += 4096;
    lower.memory_sizes[0] += 4096;
    const Status moved = queue->queue(buffer(lower));
    ASSERT_FALSE(moved);
    EXPECT_NE(moved.error().message().find("plane 1 begins at " + std::to_string(lower.planes[1].offset)),
              std::string::npos)
        << moved.error().message();
}

INSTANTIATE_TEST_SUITE_P(Roles, SamePixelsTest, testing::Bool(),
                         [](const auto& output) { return output.param ? "Output" : "Capture"; });

TEST_F(CameraTest, ChromaThatLiesLowerThanTheDriverSaysIsPlannedAsTheCallerKnows)
{
    const fake::CameraModel& model = add({});
    Preferences manual;
    manual.constraints.height_align = 32;
    manual.constraints.add_origin({Constraint::height_align, 32, "me", "the manual"});
    const Device node = device();
    const auto made = Allocator().plan({DRM_FORMAT_NV12, 1280, 720}, {node.capture()}, manual);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().planes[1].offset, 1280U * 736);
    EXPECT_GE(made->layout().memory_sizes[0], 1280U * 736 * 3 / 2);
    const auto queue = node.open_queue(Role::capture, made->layout(), 1);
    ASSERT_TRUE(queue) << queue.error().message();
    EXPECT_EQ(model.height, 720U) << "the picture has as many rows as before";
}

TEST_F(CameraTest, PaddingThatAnotherDeviceAsksForDoesNotMoveTheChromaOfACamera)
{
    add({});
    Layout padded = *linear_layout({DRM_FORMAT_NV12, 1280, 720}, 1280, Memories::single, 736);
    const auto refused = device().capture().importer().fit(padded);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("plane 1 right behind the one before"), std::string::npos);
    padded.rows = 736;
    EXPECT_TRUE(device().capture().importer().fit(padded));
}

class FailingTest : public CameraTest, public testing::WithParamInterface<std::pair<const char*, int>> {};

TEST_P(FailingTest, ADeviceThatFailsIsNotOneWithoutTheFormat)
{
    const auto [call, error] = GetParam();
    add({});
    const Device healthy = device();
    machine.fail_all(call, error);
    for (const Format format : {Format(DRM_FORMAT_NV12), Format(DRM_FORMAT_P010)}) {
        const auto opened = Device::open("/dev/video0");
        const auto support = (opened ? *opened : healthy).capture().importer().support({format, 64, 64});
        // A format that it does not have needs no TRY_FMT.
        if (opened && format == Format(DRM_FORMAT_P010))
            continue;
        const Error& told = opened ? support.error() : opened.error();
        EXPECT_EQ(told.call, call);
        EXPECT_EQ(told.category, error == EIO ? Category::device_failed : Category::device_gone);
    }
}

INSTANTIATE_TEST_SUITE_P(Calls, FailingTest,
                         testing::Values(std::pair{"VIDIOC_ENUM_FMT", EIO}, std::pair{"VIDIOC_ENUM_FMT", ENODEV},
                                         std::pair{"VIDIOC_TRY_FMT", EIO}, std::pair{"VIDIOC_TRY_FMT", ENODEV}));

TEST_F(CameraTest, HalfOfAMeasurementIsNone)
{
    add({});
    // Between the first two it reads from sysfs which addresses the device reaches.
    for (const std::size_t skipped : {0U, 2U, 3U}) {
        const Use healthy = device().capture();
        machine.fail(machine.calls().size() + skipped, EIO);
        const auto support = healthy.importer().support({DRM_FORMAT_NV12, 64, 64});
        ASSERT_TRUE(machine.fault_hit());
        ASSERT_FALSE(support) << skipped << ": " << machine.calls().back();
        EXPECT_EQ(support.error().category, Category::device_failed);
    }
}

class TwoPlansTest : public CameraTest {
protected:
    const Layout image = *linear_layout({DRM_FORMAT_XRGB8888, 1280, 720}, 5120, Memories::single);
};

TEST_F(TwoPlansTest, OneWaitsUntilTheOtherHasPutTheFormatBack)
{
    fake::CameraModel& model = add({});
    const std::uint32_t before = model.width;
    model.width = 999; // the other's
    int tries = 0;
    machine.locked_elsewhere = [&] {
        if (++tries < 5)
            return true;
        model.width = before;
        return false;
    };
    const Use use = device().capture();
    {
        const auto trial = use.importer().begin_trial(image);
        ASSERT_TRUE(trial) << trial.error().message();
        EXPECT_EQ(tries, 5);
        EXPECT_EQ(model.width, 1280U);
        EXPECT_EQ(machine.locks(), 1U);
    }
    EXPECT_EQ(model.width, before);
    EXPECT_EQ(machine.locks(), 0U);
}

TEST_F(TwoPlansTest, OneThatNeverEndsIsSaidToBeBusy)
{
    const fake::CameraModel& model = add({});
    machine.locked_elsewhere = [] { return true; };
    const auto trial = device().capture().importer().begin_trial(image);
    ASSERT_FALSE(trial);
    EXPECT_EQ(trial.error().category, Category::busy);
    EXPECT_EQ(trial.error().call, "flock");
    EXPECT_EQ(device().open_queue(Role::capture, image, 1).error().category, Category::busy);
    EXPECT_EQ(model.width, 640U);
    EXPECT_LT(machine.count("flock"), 1100U) << "it gives up";
}

TEST_F(TwoPlansTest, WithoutLocksTheTrialGoesOn)
{
    const fake::CameraModel& model = add({});
    for (const int error : {ENOSYS, EINVAL, ENOLCK, EACCES}) {
        machine.fail_all("flock", error);
        EXPECT_TRUE(device().capture().importer().begin_trial(image));
        EXPECT_EQ(model.width, 640U);
    }
}

TEST_F(TwoPlansTest, WhatSomebodyElseHasSetSinceStays)
{
    fake::CameraModel& model = add({});
    const Use use = device().capture();
    {
        const auto trial = use.importer().begin_trial(image);
        ASSERT_TRUE(trial);
        model.width = 320; // v4l2-ctl asks nobody
    }
    EXPECT_EQ(model.width, 320U);
}

TEST_F(TwoPlansTest, OneThreadMayTryTwiceAndOthersWait)
{
    add({});
    const Device node = device();
    const Device again = device();
    const auto first = node.capture().importer().begin_trial(image);
    ASSERT_TRUE(first);
    {
        const auto second = again.capture().importer().begin_trial(image);
        ASSERT_TRUE(second) << second.error().message();
    }
    EXPECT_EQ(machine.locks(), 1U) << "the first still tries";
    Category category{};
    std::thread([&] { category = again.capture().importer().begin_trial(image).error().category; }).join();
    EXPECT_EQ(category, Category::busy);
}

TEST_F(TwoPlansTest, ACodecHasFormatsForEachFileAndNeedsNoLock)
{
    add({.memory_to_memory = true});
    machine.locked_elsewhere = [] { return true; };
    EXPECT_TRUE(device().capture().importer().begin_trial(image));
    EXPECT_EQ(machine.count("flock"), 0U);
}

} // namespace
} // namespace commonbuf::v4l2
