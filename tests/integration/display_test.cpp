// SPDX-License-Identifier: MIT
#include "devices.hpp"

#include <drm_fourcc.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include <atomic>
#include <future>
#include <thread>

namespace {

namespace cb = commonbuf;

class Displays : public devices::Test {};

cb::Result<cb::Buffer> image(const cb::drm::Device& display)
{
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 480}, {display.scanout()});
    if (!plan)
        return plan.error();
    return plan->allocate();
}

TEST_F(Displays, AFramebufferIsTheKernelsAndGoesWithTheBuffer)
{
    NEED_DISPLAY(display);
    auto buffer = image(display);
    ASSERT_TRUE(buffer) << buffer.error().message();
    std::uint32_t id = 0;
    {
        const auto framebuffer = display.framebuffer(*buffer);
        ASSERT_TRUE(framebuffer) << framebuffer.error().message();
        id = framebuffer->id();
        EXPECT_EQ(display.framebuffer(*buffer)->id(), id);
    }
    drmModeFB2* known = drmModeGetFB2(display.fd(), id);
    ASSERT_NE(known, nullptr) << "kept with the buffer";
    EXPECT_EQ(known->width, 640U);
    EXPECT_EQ(known->pixel_format, std::uint32_t{DRM_FORMAT_XRGB8888});
    EXPECT_EQ(known->pitches[0], buffer->layout().planes[0].stride);
    drmModeFreeFB2(known);
    *buffer = *image(display);
    known = drmModeGetFB2(display.fd(), id);
    EXPECT_EQ(known, nullptr) << "gone with the buffer";
    drmModeFreeFB2(known);
}

TEST_F(Displays, OneDmaBufInTwoBuffersIsClosedOnce)
{
    NEED_DISPLAY(display);
    const auto first = image(display);
    ASSERT_TRUE(first) << first.error().message();
    ASSERT_TRUE(display.framebuffer(*first));
    {
        std::vector<cb::UniqueFd> memories;
        memories.push_back(*first->export_fd());
        const auto second = cb::Buffer::wrap(first->layout(), std::move(memories));
        ASSERT_TRUE(second);
        ASSERT_TRUE(display.framebuffer(*second));
    }
    // The handle of the first must have survived.
    std::uint32_t handle = 0;
    ASSERT_EQ(drmPrimeFDToHandle(display.fd(), first->dma_buf_fd(), &handle), 0);
    std::vector<cb::UniqueFd> memories;
    memories.push_back(*first->export_fd());
    const auto third = cb::Buffer::wrap(first->layout(), std::move(memories));
    EXPECT_TRUE(display.framebuffer(*third));
}

TEST_F(Displays, TheLibraryDoesNotStayMaster)
{
    NEED_DISPLAY(display);
    // Another file can become master only if nobody is.
    const auto other = cb::drm::Device::open(display.info().path);
    ASSERT_TRUE(other);
    const auto heaps = cb::find_heaps();
    if (drmSetMaster(other->fd()) != 0)
        GTEST_SKIP() << "another program is master, or this user may not become it";
    EXPECT_EQ(drmDropMaster(other->fd()), 0);
}

TEST_F(Displays, AWrappedCopyOfTheDescriptorSharesTheTable)
{
    NEED_DISPLAY(display);
    const auto again = cb::drm::Device::wrap(*cb::duplicate(display.fd()), display.info().path);
    ASSERT_TRUE(again);
    const auto buffer = image(display);
    ASSERT_TRUE(buffer) << buffer.error().message();
    EXPECT_EQ(display.framebuffer(*buffer)->id(), again->framebuffer(*buffer)->id());
}

TEST_F(Displays, TwoThreadsThatWrapOneOpenFileShareItsTable)
{
    NEED_DISPLAY(display);
    for (int round = 0; round < 200; ++round) {
        const cb::UniqueFd file(::open(display.info().path.c_str(), O_RDWR | O_CLOEXEC));
        ASSERT_TRUE(file);
        std::atomic<bool> go{false};
        const auto wrap = [&] {
            auto mine = cb::duplicate(file.get());
            while (!go)
                std::this_thread::yield();
            return cb::drm::Device::wrap(std::move(*mine), display.info().path);
        };
        auto one = std::async(std::launch::async, wrap);
        auto other = std::async(std::launch::async, wrap);
        go = true;
        const auto first = one.get();
        const auto second = other.get();
        ASSERT_TRUE(first && second);
        ASSERT_EQ(first->file(), second->file()) << "in round " << round;
    }
}

} // namespace
