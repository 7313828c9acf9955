// SPDX-License-Identifier: MIT
//
// When a program is killed, no destructor runs, and the kernel closes its files. That frees the
// slots of a V4L2 queue but leaves its format as it is. So a second process holds the open file,
// and a line to the program (a pair of sockets):
//
//     program                              guardian
//       clone  ────────────────────────────► reads the line
//       ... changes the device, restores it
//       one byte  ─────────────────────────► exits
//       reaps it
//
//     or: killed ── end of file ───────────► makes the ioctls, exits
//
// The program must not notice. The child has no exit signal, so there is no SIGCHLD, and wait(2)
// does not see it (without __WALL or __WCLONE). It has a session of its own, so signals to the
// program's process group do not reach it.
//
// The child is a copy of one thread of several: a thread that does not exist in it may hold any
// lock of the C library or its loader. So it calls only syscall(2), and not even a template of the
// standard library. Its memory is a copy, not shared (no CLONE_VM), because the kernel kills every
// process that shares memory with a program that ran out of it. So it costs what fork(2) costs:
// 0.2 ms on a PC, and 3 ms more for each 100 MB that the program has in small pages.
#include "os/guardian.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <utility>

namespace commonbuf::os {
namespace {

/// Closes every descriptor except two.
bool close_all_but(int a, int b) noexcept
{
    const auto low = static_cast<unsigned>(a < b ? a : b);
    const auto high = static_cast<unsigned>(a < b ? b : a);
    return (low == 0 || ::syscall(SYS_close_range, 0U, low - 1, 0U) == 0) &&
           (high - low < 2 || ::syscall(SYS_close_range, low + 1, high - 1, 0U) == 0) &&
           ::syscall(SYS_close_range, high + 1, ~0U, 0U) == 0;
}

/// Waits for the end of the program. Returns false if the program sent the byte instead.
bool program_ends(int line, pid_t program) noexcept
{
    for (;;) {
        char byte = 0;
        const long got = ::syscall(SYS_read, line, &byte, sizeof byte);
        if (got >= 0)
            return got == 0;
        // Nothing came for a while. Children that the program forked meanwhile hold the line open
        // too, but do not count. A parent in another PID namespace is 0.
        const long parent = ::syscall(SYS_getppid);
        // EINTR: this process was stopped and continued, or frozen.
        if ((errno != EAGAIN && errno != EINTR) || (parent != program && parent != 0))
            return true;
    }
}

/// Everything that the child does, with all signals blocked.
[[noreturn]] void watch(pid_t program, int line, int fd, const Ioctl* calls, std::size_t count) noexcept
{
    // Signals by the program's name or to its process group are meant for the program.
    ::syscall(SYS_prctl, PR_SET_NAME, "commonbuf-guard", 0, 0, 0);
    ::syscall(SYS_setsid);
    // The program would notice other files that stay open.
    if (close_all_but(line, fd) && program_ends(line, program)) {
        for (std::size_t i = 0; i < count; ++i)
            ::syscall(SYS_ioctl, fd, calls[i].request, calls[i].argument);
    }
    for (;;)
        ::syscall(SYS_exit_group, 0);
}

/// Blocks every signal in this thread, including those of the C library, which sigfillset(3) leaves
/// out.
class SignalsBlocked {
public:
    SignalsBlocked() noexcept
    {
        Set all{};
        all.fill(~0UL);
        ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, all.data(), before_.data(), sizeof all);
    }
    ~SignalsBlocked() { ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, before_.data(), nullptr, sizeof before_); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
    /// As large as the kernel's own, which is smaller than sigset_t.
    using Set = std::array<unsigned long, NSIG / 8 / sizeof(unsigned long)>;
    Set before_{};
};

/// Waits up to a second for the end of the child. Returns whether it is gone.
bool reap(int line, pid_t child) noexcept
{
    constexpr int looks = 50;
    constexpr int pause_ms = 20;
    for (int i = 0; i < looks; ++i) {
        pollfd entry{line, 0, 0};
        // Hung up: the child is about to end. Otherwise a process that was forked meanwhile may
        // still hold the other end of the line.
        const bool hung_up = ::poll(&entry, 1, pause_ms) > 0;
        pid_t reaped = 0;
        do {
            reaped = ::waitpid(child, nullptr, hung_up ? __WALL : __WALL | WNOHANG);
        } while (reaped < 0 && errno == EINTR);
        if (reaped != 0)
            return true;
    }
    return false;
}

} // namespace

int Kernel::guard(int fd, std::span<const Ioctl> calls, pid_t& child)
{
    std::array<int, 2> line{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line.data()) != 0)
        return -1;
    constexpr timeval look_up{0, 200'000};
    ::setsockopt(line[1], SOL_SOCKET, SO_RCVTIMEO, &look_up, sizeof look_up);
    const pid_t program = ::getpid();
    const int line_of_child = line[1];
    const Ioctl* const first = calls.data();
    const std::size_t count = calls.size();
    errno = 0; // also makes the loader bind what the child needs
    int error = 0;
    {
        const SignalsBlocked blocked;
        const long made = ::syscall(SYS_clone, 0UL, nullptr, nullptr, nullptr, 0UL);
        if (made == 0)
            watch(program, line_of_child, fd, first, count);
        error = made < 0 ? errno : 0;
        child = static_cast<pid_t>(made);
    }
    ::close(line[1]);
    if (error == 0)
        return line[0];
    ::close(line[0]);
    errno = error;
    return -1;
}

void Kernel::dismiss(int line, pid_t child)
{
    constexpr char byte = 1;
    ::send(line, &byte, sizeof byte, MSG_NOSIGNAL);
    if (reap(line, child))
        return;
    // It is stopped, for example by a debugger.
    ::kill(child, SIGKILL);
    reap(line, child);
}

Guardian Guardian::start(int fd, std::span<const Ioctl> calls) noexcept
{
    pid_t child = -1;
    const int line = kernel().guard(fd, calls, child);
    return line >= 0 ? Guardian(UniqueFd(line), child) : Guardian();
}

Guardian::~Guardian()
{
    if (line_)
        kernel().dismiss(line_.get(), child_);
}

} // namespace commonbuf::os
