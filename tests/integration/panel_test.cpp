// SPDX-License-Identifier: MIT
//
// A display that takes contiguous memory only (drm_gem_dma helpers) and says so when memory is
// imported. The board panel-soc has one.
#include "devices.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <xf86drm.h>

#include <algorithm>
#include <cerrno>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

// Framebuffers of other sizes it does not take.
constexpr std::uint32_t width = 320;
constexpr std::uint32_t height = 240;

std::optional<cb::drm::Device> panel(std::string& why_not)
{
    auto device = cb::drm::Device::open("@mi0283qt");
    if (device)
        return std::move(*device);
    why_not = device.error().message();
    return std::nullopt;
}

#define NEED_PANEL(variable)                                                                                           \
    std::string variable##_why_not;                                                                                    \
    const auto variable##_found = panel(variable##_why_not);                                                           \
    if (!variable##_found)                                                                                             \
        GTEST_SKIP() << variable##_why_not;                                                                            \
    [[maybe_unused]] const auto& variable = *variable##_found

class Panels : public devices::Test {};

/// What the kernel itself answers, without the library.
int import_error(const cb::drm::Device& card, int dma_buf)
{
    std::uint32_t handle = 0;
    if (drmPrimeFDToHandle(card.fd(), dma_buf, &handle) != 0)
        return errno;
    drmCloseBufferHandle(card.fd(), handle);
    return 0;
}

constexpr std::uint64_t frame = std::uint64_t{width} * height * 4;

TEST_F(Panels, ScatteredMemoryIsRefusedAtImport)
{
    NEED_PANEL(card);
    NEED_HEAP_CALLED(scattered, "system");
    NEED_HEAP_CALLED(contiguous, "default_cma_region");
    const auto one_piece = contiguous->allocate(frame);
    ASSERT_TRUE(one_piece) << one_piece.error().message();
    EXPECT_EQ(import_error(card, one_piece->get()), 0);

    // Of the system heap some are contiguous by luck.
    std::vector<cb::UniqueFd> held;
    unsigned refused = 0;
    for (int i = 0; i < 16; ++i) {
        auto memory = scattered->allocate(frame);
        ASSERT_TRUE(memory) << memory.error().message();
        const int error = import_error(card, memory->get());
        EXPECT_TRUE(error == 0 || error == EINVAL) << error;
        refused += error != 0 ? 1U : 0U;
        held.push_back(std::move(*memory));
    }
    EXPECT_GT(refused, 0U);
}

TEST_F(Panels, APlanForItIsContiguousAndProved)
{
    NEED_PANEL(card);
    NEED_HEAP_CALLED(contiguous, "default_cma_region");
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, width, height}, {card.scanout()});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_TRUE(plan->report().constraints.contiguous) << plan->explain();
    EXPECT_EQ(plan->chosen().heap.name, contiguous->info().name) << plan->explain();
    EXPECT_EQ(plan->chosen().verdict.outcome, cb::Outcome::proved) << "its consent is a proof: " << plan->explain();
    for (const std::string name : {"system", "udmabuf"}) {
        const cb::HeapVerdict* verdict = devices::verdict(plan->report(), name);
        if (verdict != nullptr) {
            EXPECT_EQ(verdict->verdict.outcome, cb::Outcome::refused) << name << ": " << plan->explain();
        }
    }
    // The other displays of this machine have no such rule.
    const auto other = cb::drm::Device::open("@vkms");
    if (!other)
        return;
    const auto free = cb::Allocator().plan({DRM_FORMAT_XRGB8888, width, height}, {other->scanout()});
    ASSERT_TRUE(free) << free.error().message();
    EXPECT_FALSE(free->report().constraints.contiguous) << free->explain();
    EXPECT_FALSE(free->chosen().heap.scarce) << free->explain();
}

/// A camera that would take any memory, and a display that does not: the display decides.
TEST_F(Panels, AFrameOfACameraIsShown)
{
    NEED_PANEL(card);
    NEED_CAMERA(camera, devices::scattered_camera());
    if (drmSetMaster(card.fd()) != 0)
        GTEST_SKIP() << "another program shows pictures on " << card.info().path;
    const devices::Fast any_size(camera);
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, width, height, 3}, {camera.capture(), card.scanout()});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().heap.name, "default_cma_region") << plan->explain();
    auto queue = camera.open_queue(cb::v4l2::Role::capture, plan->layout(), 3);
    ASSERT_TRUE(queue) << queue.error().message();
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(queue->queue(*plan->allocate()));
    ASSERT_TRUE(queue->start());

    const auto display = cb::drm::Display::choose(card, {.width = width, .height = height});
    ASSERT_TRUE(display) << display.error().message();
    auto commits = cb::drm::CommitQueue::create(*display);
    ASSERT_TRUE(commits) << commits.error().message();
    const auto captured = queue->dequeue(cb::deadline_in(5s));
    ASSERT_TRUE(captured) << captured.error().message();
    // The panel's lines are moved one by one, for each bit of the frame.
    const auto patience = 200s;
    auto commit = cb::drm::Commit(*display).show(display->primary(), captured->buffer);
    const auto done = commits->commit(commit.enable(), cb::deadline_in(patience));
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_TRUE(done->shown.wait(cb::deadline_in(patience)));
    const auto off = commits->commit(cb::drm::Commit(*display).disable(), cb::deadline_in(patience));
    ASSERT_TRUE(off) << off.error().message();
    EXPECT_TRUE(off->shown.wait(cb::deadline_in(patience)));
    drmDropMaster(card.fd());
}

/// Memory that another plan made, or another program, is looked at too.
TEST_F(Panels, AFramebufferOfScatteredMemoryIsRefused)
{
    NEED_PANEL(card);
    NEED_HEAP_CALLED(scattered, "system");
    const auto plan =
        cb::Allocator({scattered}).plan({DRM_FORMAT_XRGB8888, width, height}, {cb::cpu(cb::Access::write)});
    ASSERT_TRUE(plan) << plan.error().message();
    std::vector<cb::Buffer> held;
    std::optional<cb::Error> refusal;
    for (int i = 0; i < 16 && !refusal; ++i) {
        auto buffer = plan->allocate();
        ASSERT_TRUE(buffer) << buffer.error().message();
        if (const auto framebuffer = card.framebuffer(*buffer); !framebuffer)
            refusal = framebuffer.error();
        held.push_back(std::move(*buffer));
    }
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->sys_errno, EINVAL) << refusal->message();
}

} // namespace
