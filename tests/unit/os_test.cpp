// SPDX-License-Identifier: MIT
#include "fake/machine.hpp"
#include "os/aside.hpp"
#include "os/file.hpp"
#include "os/os.hpp"
#include "os/wakeup.hpp"

#include <gtest/gtest.h>
#include <linux/dma-buf.h>
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <set>
#include <sys/eventfd.h>
#include <sys/wait.h>
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

/// A folder that is gone with the test.
class Folder {
public:
    Folder() { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }
    std::string at(const char* name) const { return path_ + "/" + name; }

private:
    std::string path_ = testing::TempDir() + "commonbuf-XXXXXX";
};

TEST(WrittenFiles, AreRegularOnes)
{
    const Folder folder;
    const std::string pipe = folder.at("pipe");
    const std::string link = folder.at("link");
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    ASSERT_EQ(::symlink(pipe.c_str(), link.c_str()), 0);
    for (const std::string& path : {pipe, link}) {
        // A pipe without a reader would hold open(2) for good.
        const auto made = os::create_file(path);
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error().category, Category::invalid_argument);
        EXPECT_NE(made.error().message().find("not a regular file"), std::string::npos) << made.error().message();
        EXPECT_EQ(os::kernel().replace_file(path.c_str(), "text"), -1);
        EXPECT_EQ(errno, EINVAL);
        EXPECT_EQ(os::check_file(path).error().category, Category::invalid_argument);
    }
    EXPECT_TRUE(std::filesystem::is_fifo(pipe));

    const std::string file = folder.at("file");
    EXPECT_TRUE(os::check_file(file));
    EXPECT_EQ(os::kernel().replace_file(file.c_str(), "long text"), 0);
    EXPECT_TRUE(os::check_file(file));
    const auto made = os::create_file(file);
    ASSERT_TRUE(made);
    EXPECT_TRUE(os::write_all(made->get(), "short", file));
    EXPECT_EQ(os::read_text(file), "short") << "what was there is gone";
}

TEST(WrittenFiles, AreThisUsersOwn)
{
    const Folder folder;
    const std::string file = folder.at("file");
    const std::string link = folder.at("link");
    ASSERT_EQ(os::kernel().replace_file(file.c_str(), "precious"), 0);
    struct stat made {};
    ASSERT_EQ(::stat(file.c_str(), &made), 0);
    EXPECT_EQ(made.st_mode & 07777U, 0600U);
    ASSERT_EQ(::symlink("file", link.c_str()), 0);
    const auto refused = [&](const std::string& path, Category category) {
        EXPECT_EQ(os::create_file(path).error().category, category);
        EXPECT_EQ(os::replace_file(path, "text").error().category, category);
        EXPECT_EQ(os::check_file(path).error().category, category);
        EXPECT_EQ(os::read_text(file), "precious");
    };
    refused(link, Category::invalid_argument);
    EXPECT_TRUE(std::filesystem::is_symlink(link));
    ASSERT_EQ(::symlink("nowhere", folder.at("dangling").c_str()), 0);
    EXPECT_FALSE(os::create_file(folder.at("dangling")));
    EXPECT_FALSE(std::filesystem::exists(folder.at("nowhere"))) << "a link makes no file";
    for (const char* device : {"/dev/null", "/dev/full"}) {
        EXPECT_EQ(os::create_file(device).error().category, Category::invalid_argument);
        EXPECT_EQ(os::replace_file(device, "text").error().category, Category::invalid_argument);
        EXPECT_TRUE(std::filesystem::is_character_file(device));
    }
    if (::geteuid() != 0)
        return;
    // A second name of somebody else's file, which root would write through.
    ASSERT_EQ(::chown(file.c_str(), 65534, 65534), 0);
    std::filesystem::create_hard_link(file, folder.at("second"));
    refused(folder.at("second"), Category::permission_denied);
}

TEST(DmaBuf, IsNoOtherFile)
{
    const UniqueFd file(os::kernel().memfd_create("x", 0));
    const UniqueFd event(os::kernel().eventfd(0));
    EXPECT_FALSE(os::is_dma_buf(file.get()).value());
    EXPECT_FALSE(os::is_dma_buf(event.get()).value());
    EXPECT_FALSE(os::is_dma_buf(-1).value());
}

TEST(RunAside, RunsInAnotherThreadThatIsUsedAgain)
{
    const auto run = [] {
        std::promise<std::thread::id> in;
        EXPECT_TRUE(os::run_aside([&in] { in.set_value(std::this_thread::get_id()); }));
        return in.get_future().get();
    };
    std::set<std::thread::id> threads;
    constexpr std::size_t times = 20;
    for (std::size_t i = 0; i < times; ++i) {
        threads.insert(run());
        std::this_thread::sleep_for(5ms); // it has to come back first
    }
    EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
    EXPECT_LT(threads.size(), times);
}

TEST(RunAside, OneThatHangsHoldsUpNoOther)
{
    std::promise<void> go_on;
    std::promise<void> ended;
    ASSERT_TRUE(os::run_aside([&] {
        go_on.get_future().wait();
        ended.set_value();
    }));
    std::promise<void> done;
    ASSERT_TRUE(os::run_aside([&] { done.set_value(); }));
    EXPECT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
    go_on.set_value();
    ended.get_future().wait();
}

TEST(RunAside, WorksInAChildOfFork)
{
    std::promise<void> before;
    ASSERT_TRUE(os::run_aside([&] { before.set_value(); }));
    before.get_future().wait();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::alarm(10);
        std::promise<void> done;
        const bool begun = static_cast<bool>(os::run_aside([&] { done.set_value(); }));
        ::_exit(begun && done.get_future().wait_for(5s) == std::future_status::ready ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
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
