// SPDX-License-Identifier: MIT
#include "devices.hpp"
#include "screen.hpp"

#include <drm_fourcc.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/klog.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <future>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

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

TEST_F(Displays, ACardGoesByTheNamesThatItIsListedWith)
{
    NEED_DISPLAY(display);
    const auto all = cb::drm::nodes();
    for (const cb::drm::NodeInfo& node : all) {
        const auto cards = std::count_if(all.begin(), all.end(), [&](const cb::drm::NodeInfo& each) {
            return !each.render && each.driver == node.driver;
        });
        if (node.render || node.obstacle || cards != 1)
            continue;
        const auto opened = cb::drm::Device::open("@" + node.driver);
        ASSERT_TRUE(opened) << opened.error().message();
        EXPECT_EQ(opened->info().path, node.path);
    }
}

TEST_F(Displays, AnImageWithoutAModifierIsTaken)
{
    NEED_DISPLAY(display);
    for (const std::uint32_t format : {DRM_FORMAT_XRGB8888, DRM_FORMAT_NV12}) {
        const auto plan = cb::Allocator().plan({format, 640, 480}, {display.scanout()});
        if (!plan)
            continue; // virtio-gpu has no NV12
        const auto buffer = plan->allocate();
        ASSERT_TRUE(buffer) << buffer.error().message();
        cb::Layout layout = buffer->layout();
        layout.modifier = cb::implicit_modifier;
        std::vector<cb::UniqueFd> memories;
        for (std::uint32_t i = 0; i < layout.memory_count; ++i)
            memories.push_back(cb::duplicate(buffer->dma_buf_fd(i)).value());
        const auto same = cb::Buffer::wrap(layout, std::move(memories));
        ASSERT_TRUE(same) << same.error().message();
        const auto framebuffer = display.framebuffer(*same);
        EXPECT_TRUE(framebuffer) << framebuffer.error().message();
    }
}

TEST_F(Displays, APlanIsForThePlaneThatItNames)
{
    NEED_DISPLAY(display);
    const auto all = cb::drm::display_resources(display);
    ASSERT_TRUE(all) << all.error().message();
    std::set<cb::Format> formats;
    for (const cb::drm::DisplayPlane& plane : all->planes) {
        for (const cb::drm::FormatModifier& each : plane.formats) {
            if (cb::format_info(each.format) != nullptr)
                formats.insert(each.format);
        }
    }
    const auto shows = [](const cb::drm::DisplayPlane& plane, cb::Format format) {
        return std::any_of(plane.formats.begin(), plane.formats.end(),
                           [format](const auto& each) { return each.format == format; });
    };
    for (const cb::Format format : formats) {
        bool primaries = true;
        for (const cb::drm::DisplayPlane& plane : all->planes) {
            primaries = primaries && (plane.type != cb::drm::PlaneType::primary || shows(plane, format));
            const bool cursor = plane.type == cb::drm::PlaneType::cursor;
            const cb::drm::ImageSize size = cursor ? plane.cursor_sizes.at(0) : cb::drm::ImageSize{64, 64};
            const auto one = display.scanout(plane).importer().support({format, size.width, size.height});
            EXPECT_EQ(one.has_value(), shows(plane, format)) << plane.id << " " << to_string(format);
        }
        const auto support = display.scanout().importer().support({format, 64, 64});
        EXPECT_EQ(support.has_value(), primaries) << to_string(format);
    }
}

/// The card of a virtual machine, if this is one.
std::optional<cb::drm::Device> virtual_card()
{
    for (const auto& node : cb::drm::nodes()) {
        if (!node.obstacle && node.driver == "virtio_gpu" && node.modesetting)
            return *cb::drm::Device::open(node.path);
    }
    return std::nullopt;
}

TEST_F(Displays, EveryPlaneThatTheKernelHasIsListed)
{
    NEED_DISPLAY(first);
    std::vector<cb::drm::Device> displays{first};
    if (const auto card = virtual_card())
        displays.push_back(*card);
    for (const cb::drm::Device& display : displays) {
        SCOPED_TRACE(display.info().path);
        const auto all = cb::drm::display_resources(display);
        ASSERT_TRUE(all) << all.error().message();
        // A client without atomic modesetting sees the cursors of virtual cards too.
        const auto other = cb::drm::Device::open(display.info().path);
        ASSERT_TRUE(other);
        ASSERT_EQ(drmSetClientCap(other->fd(), DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1), 0);
        drmModePlaneRes* theirs = drmModeGetPlaneResources(other->fd());
        ASSERT_NE(theirs, nullptr);
        EXPECT_EQ(all->planes.size(), theirs->count_planes);
        drmModeFreePlaneResources(theirs);
        for (const cb::drm::DisplayPlane& plane : all->planes) {
            if (plane.type == cb::drm::PlaneType::cursor && display.info().driver == "virtio_gpu") {
                EXPECT_NE(plane.find("HOTSPOT_X"), nullptr);
            }
        }
    }
}

/// How often the host of a virtual card has refused a command so far, by the kernel's log.
std::size_t refusals_of_the_host()
{
    constexpr int read_all = 3; // SYSLOG_ACTION_READ_ALL
    std::string log(1U << 20U, '\0');
    const int length = ::klogctl(read_all, log.data(), static_cast<int>(log.size()));
    log.resize(static_cast<std::size_t>(std::max(length, 0)));
    std::size_t count = 0;
    for (auto at = log.find("response 0x12"); at != std::string::npos; at = log.find("response 0x12", at + 1))
        ++count;
    return count;
}

TEST_F(Displays, TheHostOfAVirtualCardShowsDumbBuffersOfEverySize)
{
    const auto found = virtual_card();
    if (!found)
        GTEST_SKIP() << "this machine has no virtual card";
    const cb::drm::Device& card = *found;
    if (drmSetMaster(card.fd()) != 0)
        GTEST_SKIP() << "another program is master, or this user may not become it";
    const std::size_t before = refusals_of_the_host();
    for (const auto& [width, height] : {std::pair(640U, 480U), std::pair(800U, 600U), std::pair(1280U, 800U)}) {
        const auto on = cb::drm::Display::choose(card, {.width = width, .height = height});
        if (!on)
            continue;
        auto queue = cb::drm::CommitQueue::create(*on);
        const auto picture = Screen::image(card, 0xff0000, width, height);
        ASSERT_TRUE(queue && picture) << picture.error().message();
        auto commit = cb::drm::Commit(*on).enable().show(on->primary(), *picture);
        const auto done = queue->commit(std::move(commit), cb::deadline_in(5s));
        ASSERT_TRUE(done) << done.error().message();
        EXPECT_TRUE(done->shown.wait(cb::deadline_in(5s)));
        std::this_thread::sleep_for(500ms); // the host answers in its own time
        ASSERT_TRUE(queue->commit(cb::drm::Commit(*on).disable(), cb::deadline_in(5s)));
    }
    drmDropMaster(card.fd());
    EXPECT_EQ(refusals_of_the_host(), before);
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
