// SPDX-License-Identifier: MIT
//
// Atomic commits to real displays, and what the display writes back of them.
#include "devices.hpp"
#include "screen.hpp"
#include "sw_sync.hpp"

#include <drm_fourcc.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace {

namespace cb = commonbuf;
namespace drm = cb::drm;
using namespace std::chrono_literals;

constexpr std::uint32_t red = 0xff0000;
constexpr std::uint32_t green = 0x00ff00;
constexpr std::uint32_t blue = 0x0000ff;

class Commits : public devices::Test {
protected:
    /// Whether a writeback is complete; a test skips where the kernel is known to lose them.
    bool written(const drm::Committed& done, const Screen& screen)
    {
        const cb::Status complete = done.written.wait(cb::deadline_in(3s));
        if (complete) {
            let_it_clean_up(screen);
            return true;
        }
        lost_ = lost_writeback(screen, complete);
        EXPECT_TRUE(lost_) << complete.error().message();
        if (lost_)
            kernel_keeps_memory();
        return false;
    }
    bool lost_ = false;
};

#define NEED_WRITTEN(done, screen)                                                                                     \
    if (!written(done, screen)) {                                                                                      \
        if (lost_)                                                                                                     \
            GTEST_SKIP() << "the kernel lost a writeback";                                                             \
        return;                                                                                                        \
    }

TEST_F(Commits, WhatTheKernelSaysOfADisplayIsDescribed)
{
    NEED_SCREEN(screen);
    const int fd = screen.display().device().fd();
    const auto all = drm::display_resources(screen.display().device());
    ASSERT_TRUE(all) << all.error().message();
    for (const drm::DisplayPlane& plane : all->planes) {
        drmModeObjectProperties* theirs = drmModeObjectGetProperties(fd, plane.id, DRM_MODE_OBJECT_PLANE);
        ASSERT_NE(theirs, nullptr);
        EXPECT_EQ(plane.properties.size(), theirs->count_props);
        drmModeFreeObjectProperties(theirs);
        EXPECT_FALSE(plane.formats.empty());
        ASSERT_NE(plane.find("CRTC_X"), nullptr);
        EXPECT_EQ(plane.find("CRTC_X")->kind, drm::PropertyKind::signed_range);
        EXPECT_TRUE(plane.find("type")->immutable);
    }
    EXPECT_TRUE(screen.display().connected().value());
    EXPECT_EQ(screen.display().mode().width, Screen::width);
    EXPECT_EQ(screen.display().primary().type, drm::PlaneType::primary);
}

TEST_F(Commits, ADisplayThatIsOffTakesWhatItsTestTakes)
{
    NEED_SCREEN(screen);
    const auto image = Screen::image(screen.display().device(), red);
    ASSERT_TRUE(image) << image.error().message();
    const auto commits = [&](const drm::Commit& commit, const char* what) {
        const auto tested = drm::test_commits({&commit, 1});
        ASSERT_TRUE(tested && tested->accepted) << what;
        const auto done = screen.queue.commit(commit, cb::deadline_in(1s));
        ASSERT_TRUE(done) << what << ": " << done.error().message();
        EXPECT_TRUE(done->shown.wait(cb::deadline_in(1s))) << what;
    };
    commits(screen.commit().disable(), "never lit");
    commits(screen.picture(*image).enable(), "lit");
    commits(screen.commit().disable(), "turned off");
    commits(screen.commit().disable(), "turned off twice");
    for (const drm::PropertyInfo& property : screen.display().primary().properties) {
        if (!property.immutable && property.kind == drm::PropertyKind::bitmask)
            commits(screen.commit().set(screen.display().primary(), property.name, property.value),
                    property.name.c_str());
    }
    commits(screen.picture(*image).enable(), "lit again");
}

TEST_F(Commits, AFrameIsShownAndWrittenBack)
{
    NEED_SCREEN(screen);
    if (screen.display().writeback() == nullptr)
        GTEST_SKIP() << "the card has no writeback";
    const drm::Device& device = screen.display().device();
    const auto copy = Screen::image(device, 0);
    ASSERT_TRUE(copy) << copy.error().message();
    bool first = true;
    for (const std::uint32_t colour : {red, green, blue}) {
        const auto image = Screen::image(device, colour);
        ASSERT_TRUE(image) << image.error().message();
        auto commit = screen.picture(*image).write_back(*copy);
        const auto done =
            screen.queue.commit(std::exchange(first, false) ? commit.enable() : commit, cb::deadline_in(2s));
        ASSERT_TRUE(done) << done.error().message();
        EXPECT_TRUE(done->shown.wait(cb::deadline_in(1s)));
        NEED_WRITTEN(*done, screen);
        EXPECT_EQ(pixel(*copy, 3, 4).value(), colour);
        EXPECT_EQ(pixel(*copy, 639, 479).value(), colour);
    }
}

TEST_F(Commits, TheKernelWaitsForAnInFence)
{
    NEED_SCREEN(screen);
    NEED_SW_SYNC(timeline);
    const auto image = Screen::image(screen.display().device(), red);
    ASSERT_TRUE(image) << image.error().message();
    auto commit = screen.picture(*image, timeline.fence(1)).enable().wait_by(drm::FenceWait::kernel);
    const auto done = screen.queue.commit(commit, cb::deadline_in(1s));
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_TRUE(done->kernel_waits);
    EXPECT_EQ(done->shown.wait(cb::deadline_in(100ms)).error().category, cb::Category::timed_out)
        << "it is not drawn yet";
    timeline.advance(1);
    EXPECT_TRUE(done->shown.wait(cb::deadline_in(1s)));
}

TEST_F(Commits, AnInFenceThatFailsIsReported)
{
    NEED_SCREEN(screen);
    const auto image = Screen::image(screen.display().device(), red);
    ASSERT_TRUE(image) << image.error().message();
    ASSERT_TRUE(screen.queue.commit(screen.picture(*image).enable(), cb::deadline_in(1s)));
    {
        NEED_SW_SYNC(timeline);
        ASSERT_TRUE(screen.queue.submit(screen.picture(*image, timeline.fence(1))));
        timeline.fail();
        static_cast<void>(screen.queue.shown().wait(cb::deadline_in(1s)));
        ASSERT_TRUE(screen.queue.advance());
        const auto withheld = screen.queue.pop_withheld();
        ASSERT_EQ(withheld.size(), 1U) << "the library waits, and does not show it";
        EXPECT_EQ(withheld[0].error.sys_errno, ENOENT) << withheld[0].error.message();
    }
    NEED_SW_SYNC(timeline);
    auto commit = screen.picture(*image, timeline.fence(1)).wait_by(drm::FenceWait::kernel);
    const auto done = screen.queue.commit(commit, cb::deadline_in(1s));
    ASSERT_TRUE(done) << done.error().message();
    timeline.fail();
    const cb::Status shown = done->shown.wait(cb::deadline_in(1s));
    ASSERT_FALSE(shown) << "the kernel shows it all the same, and says nothing";
    EXPECT_EQ(shown.error().sys_errno, ENOENT) << shown.error().message();
    EXPECT_TRUE(screen.queue.commit(screen.picture(*image), cb::deadline_in(1s))) << "and it goes on";
}

TEST_F(Commits, TheTestNamesTheFirstThatTheKernelTakes)
{
    NEED_SCREEN(screen);
    const auto image = Screen::image(screen.display().device(), red);
    ASSERT_TRUE(image) << image.error().message();
    const drm::DisplayPlane& primary = screen.display().primary();
    // Nobody scales by 16 in each direction.
    const std::vector candidates{
        screen.commit().enable().show(primary, *image, {}, drm::SourceRect::pixels(0, 0, 40, 30),
                                      drm::CrtcRect{0, 0, Screen::width, Screen::height}),
        screen.commit().enable().set(primary, "no such property", 1),
        screen.picture(*image).enable(),
        screen.commit().enable(),
    };
    const auto tested = drm::test_commits(candidates);
    ASSERT_TRUE(tested) << tested.error().message();
    ASSERT_EQ(tested->accepted, 2U);
    ASSERT_EQ(tested->refused.size(), 2U);
    EXPECT_NE(tested->refused[0].sys_errno, 0) << tested->refused[0].message();
    EXPECT_NE(tested->refused[0].message().find("40x30"), std::string::npos) << tested->refused[0].message();
    EXPECT_TRUE(screen.queue.commit(candidates[*tested->accepted], cb::deadline_in(1s)));
}

TEST_F(Commits, EventsComeThroughTheCallersLoop)
{
    NEED_SCREEN(screen);
    const drm::Device& device = screen.display().device();
    const auto image = Screen::image(device, red);
    ASSERT_TRUE(image) << image.error().message();
    ASSERT_TRUE(screen.queue.commit(screen.picture(*image).enable(), cb::deadline_in(1s)));
    ASSERT_TRUE(screen.queue.commit(screen.picture(*image).event(4711), cb::deadline_in(1s)));
    pollfd entry{device.fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&entry, 1, 1000), 1);
    const auto events = drm::read_flip_events(device);
    ASSERT_TRUE(events) << events.error().message();
    ASSERT_EQ(events->size(), 1U);
    EXPECT_EQ(events->front().user_data, 4711U);
    EXPECT_EQ(events->front().crtc, screen.display().crtc().id);
    const auto age = std::chrono::steady_clock::now().time_since_epoch() - events->front().shown_at;
    EXPECT_LT(std::chrono::abs(age), 1s);
    EXPECT_TRUE(drm::read_flip_events(device)->empty());
}

TEST_F(Commits, AnEventLoopKeepsTheirOrder)
{
    NEED_SCREEN(screen);
    NEED_SW_SYNC(timeline);
    const drm::Device& device = screen.display().device();
    const std::array images{Screen::image(device, red).value(), Screen::image(device, green).value()};
    ASSERT_TRUE(screen.queue.commit(screen.picture(images[0]).enable(), cb::deadline_in(1s)));
    std::vector<std::uint64_t> given;
    constexpr std::uint32_t frames = 12;
    for (std::uint32_t i = 0; i < frames; ++i)
        given.push_back(screen.queue.submit(screen.picture(images[(i + 1) % 2], timeline.fence(i + 1))).value());
    std::vector<std::uint64_t> shown;
    const auto deadline = cb::deadline_in(5s);
    while (shown.size() < frames && std::chrono::steady_clock::now() < deadline) {
        timeline.advance(1);
        pollfd entry{screen.queue.poll_fd(), POLLIN, 0};
        ::poll(&entry, 1, 1000);
        ASSERT_TRUE(screen.queue.advance());
        for (const auto& done : screen.queue.pop_committed())
            shown.push_back(done.number);
    }
    EXPECT_EQ(shown, given);
    EXPECT_TRUE(screen.queue.shown().wait(cb::deadline_in(1s)));
}

TEST_F(Commits, ALeaseIsEnough)
{
    NEED_SCREEN(screen);
    // Whoever leases is the master; the rest knows the lease alone, as a client of a compositor.
    const drm::Display& whole = screen.display();
    std::vector<std::uint32_t> objects{whole.connector().id, whole.crtc().id, whole.primary().id};
    std::uint32_t lessee = 0;
    cb::UniqueFd fd(
        drmModeCreateLease(whole.device().fd(), objects.data(), static_cast<int>(objects.size()), O_CLOEXEC, &lessee));
    ASSERT_TRUE(fd) << std::strerror(errno);
    {
        const auto leased = drm::Device::wrap(std::move(fd), whole.device().info().path);
        ASSERT_TRUE(leased) << leased.error().message();
        EXPECT_NE(leased->fd(), whole.device().fd());
        const auto all = drm::display_resources(*leased);
        ASSERT_TRUE(all) << all.error().message();
        EXPECT_EQ(all->connectors.size(), 1U);
        EXPECT_EQ(all->planes.size(), 1U) << "what is not leased is not there";
        const auto display = drm::Display::choose(*leased, {.width = Screen::width, .height = Screen::height});
        ASSERT_TRUE(display) << display.error().message();
        EXPECT_EQ(display->writeback(), nullptr);
        auto queue = drm::CommitQueue::create(*display);
        ASSERT_TRUE(queue);
        const auto image = Screen::image(*leased, red);
        ASSERT_TRUE(image) << image.error().message();
        const drm::Commit commit = drm::Commit(*display).enable().show(display->primary(), *image);
        const auto done = queue->commit(commit, cb::deadline_in(1s));
        ASSERT_TRUE(done) << done.error().message();
        EXPECT_TRUE(done->shown.wait(cb::deadline_in(1s)));
        ASSERT_EQ(drmModeRevokeLease(whole.device().fd(), lessee), 0);
        const auto revoked = queue->commit(commit, cb::deadline_in(1s));
        ASSERT_FALSE(revoked);
        EXPECT_EQ(revoked.error().category, cb::Category::lease_revoked) << revoked.error().message();
        EXPECT_EQ(display->connected().error().category, cb::Category::lease_revoked);
    }
}

TEST_F(Commits, WithoutMasterNothingIsCommitted)
{
    NEED_SCREEN(screen);
    const auto other = drm::Device::open(screen.display().device().info().path);
    ASSERT_TRUE(other);
    const auto display = drm::Display::choose(*other, {.width = Screen::width, .height = Screen::height});
    ASSERT_TRUE(display) << "choosing needs no master: " << display.error().message();
    auto queue = drm::CommitQueue::create(*display);
    ASSERT_TRUE(queue);
    const drm::Commit commit = drm::Commit(*display).enable();
    EXPECT_EQ(drm::test_commits({&commit, 1}).error().category, cb::Category::not_master);
    const auto done = queue->commit(commit, cb::deadline_in(1s));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().category, cb::Category::not_master) << done.error().message();
    EXPECT_EQ(queue->waiting(), 0U);
}

TEST_F(Commits, AnOverlayLiesOnTop)
{
    std::string why_not;
    const auto card = Pluggable::create(why_not);
    if (!card)
        GTEST_SKIP() << why_not;
    const auto device = card->open();
    ASSERT_TRUE(device) << device.error().message();
    auto screen = Screen::open(*device, why_not);
    ASSERT_TRUE(screen) << why_not;
    const auto planes = screen->display().planes();
    ASSERT_EQ(planes.size(), 3U);
    EXPECT_EQ(planes[1].type, drm::PlaneType::overlay);
    EXPECT_EQ(planes[2].type, drm::PlaneType::cursor);
    const auto below = Screen::image(*device, red);
    const auto above = Screen::image(*device, green, 64, 64);
    const auto copy = Screen::image(*device, 0);
    ASSERT_TRUE(below && above && copy);
    const auto both = screen->queue.commit(
        screen->picture(*below)
            .enable()
            .show(planes[1], *above, {}, drm::SourceRect::pixels(0, 0, 32, 16), drm::CrtcRect{100, 50, 32, 16})
            .write_back(*copy),
        cb::deadline_in(2s));
    ASSERT_TRUE(both) << both.error().message();
    NEED_WRITTEN(*both, *screen);
    EXPECT_EQ(pixel(*copy, 99, 50).value(), red);
    EXPECT_EQ(pixel(*copy, 100, 50).value(), green);
    EXPECT_EQ(pixel(*copy, 131, 65).value(), green);
    EXPECT_EQ(pixel(*copy, 132, 65).value(), red);
    const auto hidden = screen->queue.commit(screen->commit().hide(planes[1]).write_back(*copy), cb::deadline_in(2s));
    ASSERT_TRUE(hidden) << hidden.error().message();
    EXPECT_EQ(hidden->replaced, std::vector{*above});
    NEED_WRITTEN(*hidden, *screen);
    EXPECT_EQ(pixel(*copy, 100, 50).value(), red);
}

TEST_F(Commits, AnUnpluggedMonitorIsToldAndACardThatGoesHoldsNobody)
{
    std::string why_not;
    const auto card = Pluggable::create(why_not);
    if (!card)
        GTEST_SKIP() << why_not;
    const auto device = card->open();
    ASSERT_TRUE(device) << device.error().message();
    auto screen = Screen::open(*device, why_not);
    ASSERT_TRUE(screen) << why_not;
    const auto image = Screen::image(*device, red);
    ASSERT_TRUE(image) << image.error().message();
    ASSERT_TRUE(screen->queue.commit(screen->picture(*image).enable(), cb::deadline_in(1s)));
    EXPECT_TRUE(screen->queue.shown().wait(cb::deadline_in(1s)));
    EXPECT_TRUE(screen->display().connected().value());
    card->unplug_monitor();
    EXPECT_FALSE(screen->display().connected().value());
    ASSERT_TRUE(screen->queue.submit(screen->picture(*image)));
    card->unplug();
    // vkms does not say ENODEV, as drivers of cards that can be unplugged do: it turned its displays off, and
    // takes a picture for one that is off.
    const auto gone = screen->queue.commit(screen->picture(*image), cb::deadline_in(1s));
    if (gone) {
        EXPECT_TRUE(gone->shown.signalled().value());
    } else {
        EXPECT_NE(gone.error().category, cb::Category::timed_out) << gone.error().message();
    }
    EXPECT_EQ(screen->queue.waiting(), 0U);
}

// vgem_drm.h, which Debian does not have.
struct VgemFenceAttach {
    std::uint32_t handle;
    std::uint32_t flags;
    std::uint32_t out_fence;
    std::uint32_t pad;
};
struct VgemFenceSignal {
    std::uint32_t fence;
    std::uint32_t flags;
};
constexpr unsigned long vgem_attach = DRM_IOWR(DRM_COMMAND_BASE + 1, VgemFenceAttach);
constexpr unsigned long vgem_signal = DRM_IOW(DRM_COMMAND_BASE + 2, VgemFenceSignal);
constexpr std::uint32_t vgem_write = 1;

TEST_F(Commits, OneCardDrawsAndAnotherShows)
{
    NEED_SCREEN(screen);
    const auto render = drm::Device::open("@vgem");
    if (!render)
        GTEST_SKIP() << render.error().message();
    if (screen.display().writeback() == nullptr)
        GTEST_SKIP() << "the card has no writeback";
    const drm::Device& device = screen.display().device();
    const auto image = Screen::image(device, red);
    const auto copy = Screen::image(device, 0);
    ASSERT_TRUE(image && copy);
    // The other card works on it, and says so in the dma-buf alone.
    std::uint32_t handle = 0;
    ASSERT_EQ(drmPrimeFDToHandle(render->fd(), image->dma_buf_fd(), &handle), 0) << std::strerror(errno);
    VgemFenceAttach attach{handle, vgem_write, 0, 0};
    ASSERT_EQ(drmIoctl(render->fd(), vgem_attach, &attach), 0) << std::strerror(errno);
    for (const drm::FenceWait who : {drm::FenceWait::library, drm::FenceWait::kernel}) {
        const auto late = screen.queue.commit(screen.picture(*image).enable().wait_by(drm::FenceWait::library),
                                              cb::deadline_in(50ms));
        ASSERT_FALSE(late) << "it is not drawn yet";
        EXPECT_EQ(late.error().category, cb::Category::timed_out);
        auto commit = screen.picture(*image).enable().write_back(*copy).wait_by(who);
        ASSERT_TRUE(screen.queue.submit(commit));
        EXPECT_EQ(screen.queue.waiting(), who == drm::FenceWait::library ? 1U : 0U);
        VgemFenceSignal signal{attach.out_fence, 0};
        ASSERT_EQ(drmIoctl(render->fd(), vgem_signal, &signal), 0) << std::strerror(errno);
        ASSERT_TRUE(screen.queue.advance());
        const auto done = screen.queue.pop_committed();
        ASSERT_EQ(done.size(), 1U);
        NEED_WRITTEN(done[0], screen);
        EXPECT_EQ(pixel(*copy, 5, 5).value(), red);
        EXPECT_TRUE(done[0].shown.wait(cb::deadline_in(1s)));
        attach = {handle, vgem_write, 0, 0};
        ASSERT_EQ(drmIoctl(render->fd(), vgem_attach, &attach), 0) << std::strerror(errno);
    }
    VgemFenceSignal signal{attach.out_fence, 0};
    ASSERT_EQ(drmIoctl(render->fd(), vgem_signal, &signal), 0) << std::strerror(errno);
    drmCloseBufferHandle(render->fd(), handle);
}

} // namespace
