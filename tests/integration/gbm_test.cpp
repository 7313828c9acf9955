// SPDX-License-Identifier: MIT
#include "devices.hpp"

#include <drm_fourcc.h>
#include <gbm.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#endif
#endif

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

class Gbm : public devices::Test {};

template <auto Free>
struct Freer {
    template <typename T>
    void operator()(T* object) const
    {
        Free(object);
    }
};

/// Mesa keeps something for the life of the process in a module that it unloads, so that
/// nothing points to it any more when leaks are counted. It is not ours.
gbm_device* create_device(int fd)
{
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
    const __lsan::ScopedDisabler theirs;
#endif
#endif
    return gbm_create_device(fd);
}

TEST_F(Gbm, AnObjectOfTheCallersIsShownAndReadAfterItIsGone)
{
    NEED_DISPLAY(display);
    const std::unique_ptr<gbm_device, Freer<gbm_device_destroy>> device(create_device(display.fd()));
    if (device == nullptr)
        GTEST_SKIP() << "GBM has no driver for " << display.info().path;
    std::unique_ptr<gbm_bo, Freer<gbm_bo_destroy>> object(
        gbm_bo_create(device.get(), 640, 480, DRM_FORMAT_XRGB8888, GBM_BO_USE_SCANOUT | GBM_BO_USE_LINEAR));
    ASSERT_NE(object, nullptr);
    const auto buffer = cb::gbm::wrap(object.get());
    ASSERT_TRUE(buffer) << buffer.error().message();
    EXPECT_EQ(buffer->layout().width, 640U);
    EXPECT_EQ(buffer->layout().planes[0].stride, gbm_bo_get_stride(object.get()));
    EXPECT_GE(buffer->size(), 640U * 480 * 4);
    object.reset();

    // Another file of the same card: GBM has its own handles on the first.
    const auto other = cb::drm::Device::open(display.info().path);
    ASSERT_TRUE(other);
    if (buffer->layout().modifier == cb::linear) {
        EXPECT_TRUE(other->framebuffer(*buffer));
    }
    auto access = buffer->read_write(cb::deadline_in(1s));
    ASSERT_TRUE(access) << access.error().message();
    EXPECT_GE(access->plane(0).size(), 640U * 480 * 4);
    EXPECT_TRUE(access->end());
}

using Device = std::unique_ptr<gbm_device, Freer<gbm_device_destroy>>;

/// GBM and the library on one open file, as compositors have them.
class GbmOnOneFile : public Gbm {
protected:
    using Object = std::unique_ptr<gbm_bo, Freer<gbm_bo_destroy>>;

    static Object make(const Device& device)
    {
        return Object(
            gbm_bo_create(device.get(), 640, 480, DRM_FORMAT_XRGB8888, GBM_BO_USE_SCANOUT | GBM_BO_USE_LINEAR));
    }

    static bool lives(const Object& object) { return cb::UniqueFd(gbm_bo_get_fd(object.get())).get() >= 0; }
};

TEST_F(GbmOnOneFile, AnObjectOutlivesTheFramebuffer)
{
    NEED_DISPLAY(display);
    const Device device(create_device(display.fd()));
    if (device == nullptr)
        GTEST_SKIP() << "GBM has no driver for " << display.info().path;
    const Object object = make(device);
    ASSERT_NE(object, nullptr);
    {
        const auto buffer = cb::gbm::wrap(object.get());
        ASSERT_TRUE(buffer) << buffer.error().message();
        const auto framebuffer = display.framebuffer(*buffer);
        ASSERT_TRUE(framebuffer) << framebuffer.error().message();
    }
    EXPECT_TRUE(lives(object)) << "its handle was closed with the framebuffer";
}

TEST_F(GbmOnOneFile, AFramebufferOutlivesTheObjectAndTheNextOneKeepsItsHandle)
{
    NEED_DISPLAY(display);
    const Device device(create_device(display.fd()));
    if (device == nullptr)
        GTEST_SKIP() << "GBM has no driver for " << display.info().path;
    Object object = make(device);
    ASSERT_NE(object, nullptr);
    std::optional<cb::Buffer> buffer = cb::gbm::wrap(object.get()).value();
    ASSERT_TRUE(display.framebuffer(*buffer));
    const std::uint32_t handle = gbm_bo_get_handle(object.get()).u32;
    object.reset();
    // One that the library knows, and one that it never sees.
    const Object second = make(device);
    const Object third = make(device);
    ASSERT_TRUE(second != nullptr && third != nullptr);
    EXPECT_TRUE(gbm_bo_get_handle(second.get()).u32 == handle || gbm_bo_get_handle(third.get()).u32 == handle)
        << "nobody got the freed number, so the test shows nothing";
    const auto known = cb::gbm::wrap(second.get());
    ASSERT_TRUE(known && display.framebuffer(*known));
    buffer.reset();
    EXPECT_TRUE(lives(second));
    EXPECT_TRUE(lives(third));
}

TEST_F(GbmOnOneFile, APlanWithItsHeapClosesNothing)
{
    NEED_DISPLAY(display);
    const Device device(create_device(display.fd()));
    if (device == nullptr)
        GTEST_SKIP() << "GBM has no driver for " << display.info().path;
    const Object object = make(device);
    ASSERT_NE(object, nullptr);
    const auto heap = cb::gbm::heap(device.get(), cb::gbm::BufferUse::scanout);
    const auto plan = cb::Allocator({heap}).plan({DRM_FORMAT_XRGB8888, 640, 480}, {display.scanout()});
    ASSERT_TRUE(plan) << plan.error().message();
    const auto buffer = plan->allocate();
    ASSERT_TRUE(buffer && display.framebuffer(*buffer));
    EXPECT_TRUE(lives(object));
}

TEST_F(Gbm, AsAHeapItProposesItsLayoutsAndADisplayShowsThem)
{
    NEED_DISPLAY(display);
    const Device device(create_device(display.fd()));
    if (device == nullptr)
        GTEST_SKIP() << "GBM has no driver for " << display.info().path;
    const auto heap = cb::gbm::heap(device.get(), cb::gbm::BufferUse::scanout);
    EXPECT_EQ(heap->info().kind, cb::HeapKind::gbm);
    EXPECT_EQ(heap->info().name, "gbm-" + display.info().path.substr(display.info().path.rfind('/') + 1) + "-scanout");
    EXPECT_EQ(heap->allocate(4096).error().category, cb::Category::unsupported);

    cb::WantedImage image;
    image.request = {DRM_FORMAT_XRGB8888, 640, 480};
    const auto proposed = heap->propose(image);
    ASSERT_TRUE(proposed) << proposed.error().message();
    ASSERT_EQ(proposed->size(), 1U);
    EXPECT_EQ(proposed->front().modifier, cb::linear);
    EXPECT_TRUE(cb::validate(proposed->front()));

    // On another file of the same card: GBM has its own handles on this one.
    const auto other = cb::drm::Device::open(display.info().path);
    ASSERT_TRUE(other);
    cb::Allocator allocator({heap});
    const auto plan = allocator.plan(image.request, {other->scanout(), cb::cpu(cb::Access::read_write)});
    ASSERT_TRUE(plan) << plan.error().message() << plan.error().report->explain();
    EXPECT_EQ(plan->chosen().heap.name, heap->info().name);
    const auto buffer = plan->allocate();
    ASSERT_TRUE(buffer) << buffer.error().message();
    EXPECT_EQ(buffer->layout(), plan->layout());
    const auto framebuffer = other->framebuffer(*buffer);
    EXPECT_TRUE(framebuffer) << framebuffer.error().message();
    auto access = buffer->write(cb::deadline_in(1s));
    ASSERT_TRUE(access) << access.error().message();
    EXPECT_GE(access->plane(0).size(), 640U * 480 * 4);
    EXPECT_TRUE(access->end());
}

TEST_F(Gbm, WhatGbmDoesNotMakeIsAVerdict)
{
    NEED_DISPLAY(display);
    const Device device(create_device(display.fd()));
    if (device == nullptr)
        GTEST_SKIP() << "GBM has no driver for " << display.info().path;
    const auto heap = cb::gbm::heap(device.get(), cb::gbm::BufferUse::scanout);
    // A stride of the caller's own, which GBM has no word for.
    cb::WantedImage image;
    image.request = {DRM_FORMAT_XRGB8888, 640, 480};
    const auto proposed = heap->propose(image);
    ASSERT_TRUE(proposed && proposed->size() == 1);
    const auto wider = cb::linear_layout(image.request, proposed->front().planes[0].stride + 64, cb::Memories::single);
    ASSERT_TRUE(wider);
    const auto memories = heap->allocate_image(*wider);
    ASSERT_FALSE(memories);
    EXPECT_EQ(memories.error().category, cb::Category::incompatible);
    EXPECT_NE(memories.error().message().find("stride"), std::string::npos) << memories.error().message();

    cb::Preferences preferences;
    preferences.constraints.min_stride = proposed->front().planes[0].stride + 64;
    // The CPU, because the display also shows what GBM lays out in rows of its own, without a modifier.
    const auto plan =
        cb::Allocator({heap}).plan(image.request, {display.scanout(), cb::cpu(cb::Access::read)}, preferences);
    ASSERT_FALSE(plan) << plan->explain();
    EXPECT_EQ(plan.error().category, cb::Category::incompatible);

    // Nor a modifier that no driver here has.
    image.arrangement.modifier = DRM_FORMAT_MOD_VIVANTE_SUPER_TILED;
    const auto tiled = heap->propose(image);
    EXPECT_TRUE(!tiled || tiled->empty());
    image.arrangement.modifier = cb::linear;
    image.request.format = cb::Format::v4l2(0x47504a4d); // MJPG
    EXPECT_TRUE(heap->propose(image) && heap->propose(image)->empty());
}

TEST_F(Gbm, WithoutModifiersItIsImplicit)
{
    NEED_DISPLAY(display);
    const Device device(create_device(display.fd()));
    if (device == nullptr)
        GTEST_SKIP() << "GBM has no driver for " << display.info().path;
    cb::WantedImage image;
    image.request = {DRM_FORMAT_XRGB8888, 640, 480};
    image.arrangement.modifier = cb::implicit_modifier;
    const auto proposed = cb::gbm::heap(device.get(), cb::gbm::BufferUse::scanout)->propose(image);
    ASSERT_TRUE(proposed) << proposed.error().message();
    ASSERT_EQ(proposed->size(), 1U);
    EXPECT_EQ(proposed->front().modifier, cb::implicit_modifier);
}

} // namespace
