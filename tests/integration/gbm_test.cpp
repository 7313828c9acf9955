// SPDX-License-Identifier: MIT
#include "devices.hpp"

#include <drm_fourcc.h>
#include <gbm.h>
#include <gtest/gtest.h>

#include <memory>
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
    auto access = buffer->read_write(cb::in(1s));
    ASSERT_TRUE(access) << access.error().message();
    EXPECT_GE(access->plane(0).size(), 640U * 480 * 4);
    EXPECT_TRUE(access->end());
}

} // namespace
