// SPDX-License-Identifier: MIT
#include "fake/machine.hpp"
#include "os/os.hpp"
#include "os/wakeup.hpp"

#include <gtest/gtest.h>
#include <linux/dma-buf.h>
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

namespace commonbuf {
namespace {

using namespace std::chrono_literals;

TEST(UniqueFd, ZeroIsADescriptor)
{
    UniqueFd fd(0);
    EXPECT_TRUE(fd);
    EXPECT_EQ(fd.release(), 0);
    EXPECT_FALSE(fd);
}

TEST(UniqueFd, MovesAndClosesOnce)
{
    fake::Machine machine;
    UniqueFd a(machine.add_dma_buf(4096));
    UniqueFd b(std::move(a));
    a = std::move(b);
    UniqueFd& self = a;
    a = std::move(self);
    EXPECT_TRUE(a);
    a.reset();
    EXPECT_EQ(machine.leaks(), "");
}

TEST(UniqueFd, ClosingKeepsErrno)
{
    fake::Machine machine;
    errno = EFAULT;
    {
        const UniqueFd bad(12345); // the fake answers EBADF
        errno = EFAULT;
    }
    EXPECT_EQ(errno, EFAULT);
}

TEST(UniqueFd, DuplicatesAreSeparate)
{
    fake::Machine machine;
    {
        const UniqueFd fd(machine.add_dma_buf(4096));
        const auto copy = fd.dup();
        ASSERT_TRUE(copy);
        EXPECT_NE(copy->get(), fd.get());
        EXPECT_EQ(os::id_of(copy->get())->inode, os::id_of(fd.get())->inode);
    }
    EXPECT_EQ(machine.leaks(), "");
}

TEST(UniqueFd, DuplicatingNothingIsAnError)
{
    const auto copy = UniqueFd().dup();
    ASSERT_FALSE(copy);
    EXPECT_EQ(copy.error().category, Category::invalid_argument);
}

TEST(Ioctl, IsRetriedAfterASignal)
{
    fake::Machine machine;
    const UniqueFd fd(machine.add_dma_buf(4096));
    dma_buf_sync sync{DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ};
    machine.fail(0, EINTR);
    EXPECT_EQ(os::ioctl(fd.get(), DMA_BUF_IOCTL_SYNC, &sync), 0);
    sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ;
    machine.fail(2, EAGAIN);
    EXPECT_EQ(os::ioctl_again(fd.get(), DMA_BUF_IOCTL_SYNC, &sync), 0);
    EXPECT_EQ(machine.count("DMA_BUF_IOCTL_SYNC"), 4U);
}

TEST(Ioctl, AgainIsAnAnswerOfItsOwn)
{
    fake::Machine machine;
    const UniqueFd fd(machine.add_dma_buf(4096));
    dma_buf_sync sync{DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ};
    machine.fail(0, EAGAIN);
    EXPECT_EQ(os::ioctl(fd.get(), DMA_BUF_IOCTL_SYNC, &sync), EAGAIN);
}

// The following run on the real kernel: an eventfd polls readable once it counts.
TEST(Wait, ReturnsAtTheDeadlineAndNotBefore)
{
    const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
    const auto start = std::chrono::steady_clock::now();
    const auto ready = os::wait(event.get(), POLLIN, start + 50ms, "event");
    ASSERT_TRUE(ready);
    EXPECT_FALSE(*ready);
    EXPECT_GE(std::chrono::steady_clock::now() - start, 50ms);
}

TEST(Wait, ADeadlineInThePastIsATest)
{
    const UniqueFd event(::eventfd(1, EFD_CLOEXEC));
    const auto ready = os::wait(event.get(), POLLIN, Deadline::min(), "event");
    ASSERT_TRUE(ready);
    EXPECT_TRUE(*ready);
}

TEST(Wait, SeesAnEventFromAnotherThread)
{
    const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
    std::thread other([&event] {
        std::this_thread::sleep_for(20ms);
        ::eventfd_write(event.get(), 1);
    });
    const auto ready = os::wait(event.get(), POLLIN, deadline_in(5s), "event");
    other.join();
    ASSERT_TRUE(ready);
    EXPECT_TRUE(*ready);
}

TEST(Timer, WakesAfterAWhileUnlessItIsStopped)
{
    const auto timer = os::Timer::create().value();
    const auto rings = [&](Deadline deadline) { return os::wait(timer.fd(), POLLIN, deadline, "timer").value(); };
    EXPECT_FALSE(rings(deadline_in(5ms))) << "before it is started";
    const auto start = std::chrono::steady_clock::now();
    timer.start(20ms);
    EXPECT_TRUE(rings(deadline_in(5s)));
    EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
    timer.stop();
    EXPECT_FALSE(rings(deadline_in(5ms)));
}

TEST(Wakeup, IsReadableUntilItIsCleared)
{
    auto wakeup = os::Wakeup::create().value();
    const auto readable = [](int fd) { return os::wait(fd, POLLIN, deadline_in(1s), "wake-up").value(); };
    EXPECT_TRUE(readable(wakeup.now()));
    const int later = wakeup.after(1ms);
    EXPECT_TRUE(readable(later));
    wakeup.clear();
    EXPECT_FALSE(os::wait(later, POLLIN, deadline_in(5ms), "wake-up").value());
    EXPECT_FALSE(os::wait(wakeup.event().fd(), POLLIN, deadline_in(5ms), "wake-up").value());
}

TEST(Wakeup, WhoAsksOftenIsWokenAllTheSame)
{
    auto wakeup = os::Wakeup::create().value();
    const auto deadline = deadline_in(5s);
    bool woken = false;
    while (!woken && std::chrono::steady_clock::now() < deadline)
        woken = os::wait(wakeup.after(50ms), POLLIN, Deadline{}, "wake-up").value();
    EXPECT_TRUE(woken);
}

TEST(Wakeup, WithoutATimerItIsTooEarlyAndNotNever)
{
    fake::Machine machine;
    {
        auto wakeup = os::Wakeup::create().value();
        machine.fail_all("timerfd_create", EMFILE);
        EXPECT_TRUE(os::wait(wakeup.after(50ms), POLLIN, deadline_in(1s), "wake-up").value());
    }
    EXPECT_EQ(machine.leaks(), "");
}

TEST(Wait, AClosedDescriptorIsAnErrorAtOnce)
{
    const auto ready = os::wait(12345, POLLIN, deadline_in(5s), "nothing");
    ASSERT_FALSE(ready);
    EXPECT_EQ(ready.error().category, Category::invalid_argument);
}

TEST(Mapping, RefusesSizesThatAreNone)
{
    EXPECT_FALSE(os::Mapping::create(0, 0, false));
    EXPECT_FALSE(os::Mapping::create(0, UINT64_MAX, false));
}

TEST(OpenFailure, SaysWhoWouldBeLetIn)
{
    fake::Machine machine;
    machine.add_heap("system");
    machine.forbid("/dev/dma_heap/system");
    const auto fd = os::open("/dev/dma_heap/system");
    ASSERT_FALSE(fd);
    EXPECT_EQ(fd.error().category, Category::permission_denied);
    EXPECT_EQ(fd.error().sys_errno, EACCES);
    EXPECT_NE(fd.error().message().find("its mode 0600 lets only user root in"), std::string::npos)
        << fd.error().message();
}

} // namespace
} // namespace commonbuf
