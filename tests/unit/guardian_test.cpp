// SPDX-License-Identifier: MIT
//
// Guardians: first the real one, seen from outside, then what trials ask of it on a fake
// machine. What real drivers make of it is in tests/integration.
#include "backends/v4l2/node.hpp"
#include "fake/machine.hpp"
#include "os/guardian.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <iterator>
#include <thread>
#include <vector>

namespace commonbuf {
namespace {

using namespace std::chrono_literals;

std::size_t descriptor_count()
{
    using std::filesystem::directory_iterator;
    return static_cast<std::size_t>(std::distance(directory_iterator("/proc/self/fd"), directory_iterator()));
}

/// The end of a pipe whose flags guardians change: they belong to the open file, which all
/// processes here share.
class GuardianTest : public testing::Test {
protected:
    GuardianTest()
    {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        guarded_ = UniqueFd(ends[0]);
        other_ = UniqueFd(ends[1]);
    }

    os::Guardian start() { return os::Guardian::start(guarded_.get(), calls_); }

    bool acted() const { return (::fcntl(guarded_.get(), F_GETFL) & O_NONBLOCK) != 0; }

    bool acts_soon() const
    {
        const auto deadline = std::chrono::steady_clock::now() + 2s;
        while (!acted() && std::chrono::steady_clock::now() < deadline)
            std::this_thread::sleep_for(1ms);
        return acted();
    }

    /// A program of its own that is killed, at the latest at its end.
    static void run_and_kill(const std::function<void()>& program)
    {
        const pid_t pid = ::fork();
        if (pid == 0) {
            program();
            ::raise(SIGKILL);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(pid, &status, 0), pid);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }

    UniqueFd guarded_;
    UniqueFd other_;
    int off_ = 0;
    int on_ = 1;
    winsize size_{};
    // The last one counts, and one that fails is no end of it.
    std::array<os::Ioctl, 3> calls_{{{FIONBIO, &off_}, {TIOCGWINSZ, &size_}, {FIONBIO, &on_}}};
};

TEST_F(GuardianTest, ActsWhenTheProgramIsKilled)
{
    run_and_kill([this] {
        const os::Guardian guardian = start();
        ::raise(SIGKILL);
    });
    EXPECT_TRUE(acts_soon());
}

TEST_F(GuardianTest, DoesNothingWhenDismissed)
{
    run_and_kill([this] { static_cast<void>(start()); });
    std::this_thread::sleep_for(50ms);
    EXPECT_FALSE(acted());
}

std::atomic<int> children_signalled = 0;

TEST_F(GuardianTest, TheProgramDoesNotNotice)
{
    struct sigaction count {};
    struct sigaction before {};
    count.sa_handler = [](int) { ++children_signalled; };
    ::sigaction(SIGCHLD, &count, &before);
    const std::size_t descriptors = descriptor_count();
    {
        const os::Guardian guardian = start();
        ASSERT_TRUE(guardian);
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
        EXPECT_EQ(errno, ECHILD);
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG | __WALL), 0) << "there is none";
    }
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG | __WALL), -1);
    EXPECT_EQ(errno, ECHILD);
    EXPECT_EQ(descriptor_count(), descriptors);
    EXPECT_EQ(children_signalled, 0);
    ::sigaction(SIGCHLD, &before, nullptr);
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    EXPECT_EQ(::sigismember(&blocked, SIGTERM), 0);
}

TEST_F(GuardianTest, HoldsNoOtherFileOpen)
{
    const os::Guardian guardian = start();
    ASSERT_TRUE(guardian);
    other_.reset();
    pollfd reader{guarded_.get(), 0, 0};
    EXPECT_EQ(::poll(&reader, 1, 2000), 1) << "the pipe has a writer left";
}

TEST_F(GuardianTest, WhoEndsTheProcessGroupDoesNotEndIt)
{
    run_and_kill([this] {
        ::setpgid(0, 0);
        ::signal(SIGTERM, SIG_IGN);
        pid_t child = -1;
        static_cast<void>(os::kernel().guard(guarded_.get(), calls_, child));
        // It leaves the group by itself, in its first moments.
        while (::getsid(child) != child)
            std::this_thread::sleep_for(1ms);
        ::kill(0, SIGTERM);
        ::kill(0, SIGKILL);
    });
    EXPECT_TRUE(acts_soon());
}

TEST_F(GuardianTest, AForkOfTheProgramIsNotTheProgram)
{
    std::array<int, 2> alive{};
    ASSERT_EQ(::pipe2(alive.data(), O_CLOEXEC), 0);
    const UniqueFd reader(alive[0]);
    UniqueFd writer(alive[1]);
    run_and_kill([&] {
        writer.reset();
        const os::Guardian guardian = start();
        if (::fork() == 0) {
            // Holds all that the program held, until the test closes its pipe.
            char byte = 0;
            static_cast<void>(!::read(reader.get(), &byte, 1));
            ::_exit(0);
        }
        ::raise(SIGKILL);
    });
    EXPECT_TRUE(acts_soon());
}

TEST_F(GuardianTest, IsSentAwayEvenWhenItIsStopped)
{
    const std::array<os::Ioctl, 0> none{};
    pid_t child = -1;
    const UniqueFd line(os::kernel().guard(guarded_.get(), none, child));
    ASSERT_TRUE(line);
    ::kill(child, SIGSTOP);
    os::kernel().dismiss(line.get(), child);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG | __WALL), -1);
}

TEST_F(GuardianTest, BeingStoppedAndGoingOnIsNotTheEnd)
{
    pid_t child = -1;
    const UniqueFd line(os::kernel().guard(guarded_.get(), calls_, child));
    ASSERT_TRUE(line);
    std::this_thread::sleep_for(50ms); // until it waits
    siginfo_t info{};
    ASSERT_EQ(::kill(child, SIGSTOP), 0);
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WSTOPPED | __WALL), 0);
    ASSERT_EQ(::kill(child, SIGCONT), 0);
    std::this_thread::sleep_for(50ms);
    EXPECT_FALSE(acted());
    os::kernel().dismiss(line.get(), child);
    EXPECT_FALSE(acted());
}

TEST_F(GuardianTest, ThreadsComeAndGo)
{
    std::vector<std::thread> threads;
    std::array<os::Guardian, 4> kept;
    for (os::Guardian& each : kept) {
        threads.emplace_back([this, &each] {
            for (int i = 0; i < 20; ++i) {
                const std::vector<int> memory(1000);
                EXPECT_TRUE(start());
            }
            each = start();
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    // Longer than it waits before it looks for the program.
    std::this_thread::sleep_for(300ms);
    EXPECT_FALSE(acted());
    kept = {};
    EXPECT_FALSE(acted());
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG | __WALL), -1);
}

class GuardedTrialTest : public testing::Test {
protected:
    fake::Machine machine;
    const Layout image = *linear_layout({DRM_FORMAT_XRGB8888, 1280, 720}, 5120, Memories::single);

    fake::CameraModel& add_camera(bool memory_to_memory = false)
    {
        return machine.add_camera("video0", {.memory_to_memory = memory_to_memory,
                                             .formats = {V4L2_PIX_FMT_XBGR32, V4L2_PIX_FMT_NV12},
                                             .fourcc = V4L2_PIX_FMT_NV12,
                                             .stride = 640});
    }

    static Use camera() { return v4l2::Device::open("/dev/video0")->capture(); }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

TEST_F(GuardedTrialTest, IsPutBackWhenTheProgramIsKilled)
{
    fake::CameraModel& model = add_camera();
    const Use use = camera();
    const auto trial = use.importer().begin_trial(image);
    ASSERT_TRUE(trial) << trial.error().message();
    ASSERT_EQ(model.width, 1280U);
    model.slots = 1; // in the middle of an attempt
    machine.act_as_guardians();
    EXPECT_EQ(model.width, 640U);
    EXPECT_EQ(model.height, 480U);
    EXPECT_EQ(model.fourcc, V4L2_PIX_FMT_NV12);
    EXPECT_EQ(model.slots, 0U);
    EXPECT_GE(machine.count("VIDIOC_G_SELECTION"), 1U);
}

TEST_F(GuardedTrialTest, IsGuardedBeforeAnythingIsSet)
{
    add_camera();
    ASSERT_TRUE(camera().importer().begin_trial(image));
    const auto& calls = machine.calls();
    const auto guarded = std::find(calls.begin(), calls.end(), "clone");
    ASSERT_NE(guarded, calls.end());
    EXPECT_LT(guarded, std::find(calls.begin(), calls.end(), "VIDIOC_S_FMT"));
}

TEST_F(GuardedTrialTest, WhatChangesNothingIsNotGuarded)
{
    fake::CameraModel& model = add_camera();
    const Use use = camera();
    v4l2_format format{};
    format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    const auto node = v4l2::Device::open("/dev/video0");
    ASSERT_EQ(os::ioctl(node->fd(), VIDIOC_G_FMT, &format), 0);
    format.fmt.pix.width = 1280;
    format.fmt.pix.height = 720;
    format.fmt.pix.pixelformat = V4L2_PIX_FMT_XBGR32;
    ASSERT_EQ(os::ioctl(node->fd(), VIDIOC_S_FMT, &format), 0);
    ASSERT_TRUE(use.importer().begin_trial(image));
    EXPECT_EQ(machine.count("clone"), 0U);

    // The same format, but what was cropped is not any more.
    model.crop = 100;
    {
        const auto trial = use.importer().begin_trial(image);
        ASSERT_TRUE(trial);
        EXPECT_EQ(model.crop, 0U);
        EXPECT_EQ(machine.guardians(), 1U);
        machine.act_as_guardians();
        EXPECT_EQ(model.crop, 100U);
    }
    EXPECT_EQ(model.crop, 100U);
}

TEST_F(GuardedTrialTest, AFormatThatGoesWithItsFileIsNotGuarded)
{
    add_camera(true);
    ASSERT_TRUE(camera().importer().begin_trial(image));
    EXPECT_EQ(machine.count("clone"), 0U);
}

TEST_F(GuardedTrialTest, WithoutAGuardianTheTrialGoesOn)
{
    const fake::CameraModel& model = add_camera();
    machine.fail_all("clone", EPERM);
    const Use use = camera();
    const auto trial = use.importer().begin_trial(image);
    ASSERT_TRUE(trial) << trial.error().message();
    EXPECT_EQ(model.width, 1280U);
    EXPECT_EQ(machine.guardians(), 0U);
}

} // namespace
} // namespace commonbuf
