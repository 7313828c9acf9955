// SPDX-License-Identifier: MIT
#include "buffer/buffer_state.hpp"
#include "fake/machine.hpp"

#include <commonbuf/drm/device.hpp>

#include <drm.h>
#include <drm_fourcc.h>
#include <drm_mode.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

namespace commonbuf::drm {
namespace {

class DrmTest : public testing::Test {
protected:
    fake::Machine machine;
    fake::CardModel& card = machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888, DRM_FORMAT_NV12}});
    Layout layout = *linear_layout({DRM_FORMAT_XRGB8888, 64, 32}, 256, Memories::single);

    Buffer buffer()
    {
        std::vector<UniqueFd> memories;
        memories.emplace_back(machine.add_dma_buf(layout.memory_sizes[0]));
        return *Buffer::wrap(layout, std::move(memories));
    }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

TEST_F(DrmTest, CardsGoByPathDriverOrDevice)
{
    EXPECT_TRUE(Device::open("/dev/dri/card0"));
    const auto named = Device::open("@fakedrm");
    ASSERT_TRUE(named);
    EXPECT_EQ(named->info().path, "/dev/dri/card0");
    EXPECT_EQ(named->info().driver, "fakedrm");
    EXPECT_EQ(Device::open("@nobody").error().category, Category::not_present);
    machine.add_heap("system");
    EXPECT_EQ(Device::open("/dev/dma_heap/system").error().category, Category::invalid_argument);
}

TEST_F(DrmTest, AFramebufferIsMadeOnceAndGoesWithTheBuffer)
{
    {
        const Device device = *Device::open("/dev/dri/card0");
        std::optional<Buffer> image = buffer();
        const auto first = device.framebuffer(*image);
        ASSERT_TRUE(first) << first.error().message();
        EXPECT_EQ(device.framebuffer(*image)->id(), first->id());
        EXPECT_EQ(machine.count("DRM_IOCTL_MODE_ADDFB2"), 1U);
        image.reset();
        EXPECT_EQ(card.framebuffers, 1U) << "a handle of it is left";
    }
    EXPECT_EQ(card.framebuffers, 0U);
}

TEST_F(DrmTest, OneDmaBufIsOneHandleClosedOnce)
{
    const Device device = *Device::open("/dev/dri/card0");
    const UniqueFd memory(machine.add_dma_buf(layout.memory_sizes[0]));
    const auto wrap = [&] {
        std::vector<UniqueFd> memories;
        memories.push_back(*duplicate(memory.get()));
        return *Buffer::wrap(layout, std::move(memories));
    };
    std::optional<Buffer> a = wrap();
    std::optional<Buffer> b = wrap();
    ASSERT_TRUE(device.framebuffer(*a));
    ASSERT_TRUE(device.framebuffer(*b));
    a.reset();
    EXPECT_EQ(machine.count("DRM_IOCTL_GEM_CLOSE"), 0U) << "the other framebuffer still has it";
    b.reset();
    EXPECT_EQ(machine.count("DRM_IOCTL_GEM_CLOSE"), 1U);
}

TEST_F(DrmTest, WrappingOneFileTwiceGivesOneTable)
{
    const Device device = *Device::open("/dev/dri/card0");
    const auto again = Device::wrap(*duplicate(device.fd()), "/dev/dri/card0");
    ASSERT_TRUE(again);
    EXPECT_EQ(again->fd(), device.fd());
    const auto other = Device::open("/dev/dri/card0");
    ASSERT_TRUE(other);
    EXPECT_NE(other->fd(), device.fd());

    const Buffer image = buffer();
    const auto first = device.framebuffer(image);
    ASSERT_TRUE(first);
    EXPECT_EQ(again->framebuffer(image)->id(), first->id());
    EXPECT_NE(other->framebuffer(image)->id(), first->id());
}

TEST_F(DrmTest, ARefusedStrideIsUnsupportedAndNothingIsLeft)
{
    card.pitch_align = 512;
    const Device device = *Device::open("/dev/dri/card0");
    const Buffer image = buffer();
    const auto framebuffer = device.framebuffer(image);
    ASSERT_FALSE(framebuffer);
    EXPECT_EQ(framebuffer.error().category, Category::unsupported);
    EXPECT_NE(framebuffer.error().message().find("stride 256"), std::string::npos) << framebuffer.error().message();
    EXPECT_EQ(machine.count("DRM_IOCTL_GEM_CLOSE"), 1U);
}

TEST_F(DrmTest, RefusedMemoryIsIncompatible)
{
    card.import = false;
    const Device device = *Device::open("/dev/dri/card0");
    const auto framebuffer = device.framebuffer(buffer());
    ASSERT_FALSE(framebuffer);
    EXPECT_EQ(framebuffer.error().category, Category::incompatible);
    EXPECT_EQ(framebuffer.error().call, "DRM_IOCTL_PRIME_FD_TO_HANDLE");
    EXPECT_EQ(framebuffer.error().target, "/dev/dri/card0");
}

/// virtio-gpu says ENODEV of all memory but its own.
TEST_F(DrmTest, NoSuchDeviceIsARefusalAsLongAsTheCardIsThere)
{
    const Device device = *Device::open("/dev/dri/card0");
    const Buffer image = buffer();
    machine.fail_all("DRM_IOCTL_PRIME_FD_TO_HANDLE", ENODEV);
    auto framebuffer = device.framebuffer(image);
    ASSERT_FALSE(framebuffer);
    EXPECT_EQ(framebuffer.error().category, Category::incompatible);
    EXPECT_TRUE(framebuffer.error().is_final());

    machine.fail_all("DRM_IOCTL_VERSION", ENODEV);
    framebuffer = device.framebuffer(image);
    ASSERT_FALSE(framebuffer);
    EXPECT_EQ(framebuffer.error().category, Category::device_gone);
    EXPECT_FALSE(framebuffer.error().is_final());
}

TEST_F(DrmTest, OffsetsBeyondDrmAreRefused)
{
    const Device device = *Device::open("/dev/dri/card0");
    layout = *linear_layout({DRM_FORMAT_NV12, 65536, 65536}, 1U << 17U, Memories::single);
    const auto framebuffer = device.framebuffer(buffer());
    ASSERT_FALSE(framebuffer);
    EXPECT_EQ(framebuffer.error().category, Category::unsupported);
}

/// A dumb buffer that the program makes itself on a file that it shares with the library.
class DrmHandleTest : public DrmTest {
protected:
    struct Dumb {
        std::uint32_t handle;
        UniqueFd fd;
    };

    Dumb make(const Device& device)
    {
        drm_mode_create_dumb request{.height = 32, .width = 64, .bpp = 32};
        EXPECT_EQ(machine.ioctl(device.fd(), DRM_IOCTL_MODE_CREATE_DUMB, &request), 0);
        return {request.handle, exported(device, request.handle)};
    }

    UniqueFd exported(const Device& device, std::uint32_t handle)
    {
        drm_prime_handle request{.handle = handle};
        return UniqueFd(machine.ioctl(device.fd(), DRM_IOCTL_PRIME_HANDLE_TO_FD, &request) == 0 ? request.fd : -1);
    }

    void close(const Device& device, std::uint32_t handle)
    {
        drm_gem_close request{.handle = handle};
        EXPECT_EQ(machine.ioctl(device.fd(), DRM_IOCTL_GEM_CLOSE, &request), 0);
    }

    Buffer wrap(UniqueFd fd) const
    {
        std::vector<UniqueFd> memories;
        memories.push_back(std::move(fd));
        return Buffer::wrap(layout, std::move(memories)).value();
    }
};

TEST_F(DrmHandleTest, TheProgramsHandleOutlivesTheFramebuffer)
{
    const Device device = *Device::open("/dev/dri/card0");
    Dumb own = make(device);
    {
        const Buffer image = wrap(std::move(own.fd));
        ASSERT_TRUE(device.framebuffer(image));
    }
    EXPECT_TRUE(exported(device, own.handle)) << "the library closed it";
    close(device, own.handle);
}

TEST_F(DrmHandleTest, TheFramebufferOutlivesTheProgramsHandle)
{
    const Device device = *Device::open("/dev/dri/card0");
    Dumb own = make(device);
    std::optional<Buffer> image = wrap(std::move(own.fd));
    ASSERT_TRUE(device.framebuffer(*image));
    close(device, own.handle);
    // Another object, which the library never sees, gets the number.
    Dumb other = make(device);
    EXPECT_EQ(other.handle, own.handle);
    image.reset();
    EXPECT_TRUE(exported(device, other.handle)) << "the library closed it";
    close(device, other.handle);
}

TEST_F(DrmHandleTest, APlanClosesNothingOfTheProgram)
{
    const Device device = *Device::open("/dev/dri/card0");
    const Dumb own = make(device);
    const auto trial = device.scanout().importer().begin_trial(layout);
    ASSERT_TRUE(trial);
    const int memory = own.fd.get();
    EXPECT_TRUE((*trial)->attempt({&memory, 1}).serves());
    EXPECT_TRUE(exported(device, own.handle));
    close(device, own.handle);
}

TEST_F(DrmHandleTest, WhereTheNodeCannotBeOpenedAgainTheCallersFileServes)
{
    const Device device = *Device::open("/dev/dri/card0");
    machine.forbid("/dev/dri/card0");
    const std::size_t open = machine.open_descriptors();
    const Buffer image = buffer();
    EXPECT_TRUE(device.framebuffer(image));
    EXPECT_EQ(machine.open_descriptors(), open + 1) << "the dma-buf's";
}

TEST_F(DrmHandleTest, NoDescriptorForTheOwnFileIsToldAndTriedAgain)
{
    const Device device = *Device::open("/dev/dri/card0");
    const Buffer image = buffer();
    machine.fail(machine.calls().size(), EMFILE);
    const auto failed = device.framebuffer(image);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().category, Category::too_many_files);
    EXPECT_TRUE(device.framebuffer(image));
}

TEST_F(DrmTest, NodesAreListedEvenWhenForbidden)
{
    machine.add_card("card1", {.driver = "other"});
    machine.forbid("/dev/dri/card1");
    const auto all = nodes();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_TRUE(all[0].dumb_buffers && all[0].imports && all[0].exports && all[0].modifiers);
    EXPECT_EQ(all[0].bus, "faux");
    EXPECT_EQ(all[1].obstacle->category, Category::permission_denied);
    EXPECT_EQ(all[1].name, "other");
}

} // namespace
} // namespace commonbuf::drm
