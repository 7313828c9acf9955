// SPDX-License-Identifier: MIT
#include "os/socket.hpp"

#include "os/os.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace commonbuf::os {
namespace {

constexpr const char* target = "a peer's socket";

Error closed_by_peer(const char* call)
{
    return Error::end_of_stream(Call{call, target}, "the peer closed its end, or it ended",
                                "take back what it had, and wait for it to connect again");
}

Error failed(const char* call)
{
    const int error = errno;
    if (error == EPIPE || error == ECONNRESET || error == ENOTCONN)
        return closed_by_peer(call).with_errno(error);
    return Error::from_errno(error, {call, target});
}

/// Waits for a socket. A peer that hung up ends the wait too: the call that follows says so.
Status wait_for(int fd, short events, Deadline deadline, const char* call)
{
    pollfd entry{fd, events, 0};
    const auto ready = wait_any({&entry, 1}, deadline, target);
    if (!ready && (entry.revents & (POLLHUP | POLLERR)) == 0)
        return ready.error();
    if (ready && !*ready)
        return Error::timed_out(Call{call, target}, events == POLLIN
                                                        ? "no message came before the deadline"
                                                        : "the peer reads no messages, and the socket is full");
    return {};
}

Result<int> option(int fd, int name)
{
    int value = 0;
    socklen_t size = sizeof value;
    if (kernel().getsockopt(fd, name, &value, &size) != 0)
        return Error::from_errno(errno, {"getsockopt", target});
    return value;
}

} // namespace

Status check_socket(int fd)
{
    const auto domain = option(fd, SO_DOMAIN);
    const auto type = option(fd, SO_TYPE);
    if (domain && type && *domain == AF_UNIX && *type == SOCK_SEQPACKET)
        return {};
    return Error::invalid_argument("share buffers",
                                   domain && type ? "the descriptor is a socket of another kind"
                                                  : "the descriptor is not a socket",
                                   "use a Unix socket of SOCK_SEQPACKET");
}

Result<std::pair<UniqueFd, UniqueFd>> socket_pair()
{
    std::array<int, 2> fds{-1, -1};
    if (kernel().socketpair(SOCK_SEQPACKET, fds) != 0)
        return Error::from_errno(errno, "socketpair");
    return std::pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<Credentials> peer_of(int fd)
{
    ucred peer{};
    socklen_t size = sizeof peer;
    if (kernel().getsockopt(fd, SO_PEERCRED, &peer, &size) != 0)
        return Error::from_errno(errno, {"getsockopt(SO_PEERCRED)", target});
    return Credentials{peer.pid, peer.uid, peer.gid};
}

Status send_message(int fd, std::span<const std::byte> bytes, std::span<const int> fds, Deadline deadline)
{
    iovec content{const_cast<std::byte*>(bytes.data()), bytes.size()};
    // Aligned as cmsghdr wants it.
    std::vector<cmsghdr> control((CMSG_SPACE(fds.size() * sizeof(int)) + sizeof(cmsghdr) - 1) / sizeof(cmsghdr));
    msghdr message{};
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    for (;;) {
        if (kernel().sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return {};
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return failed("sendmsg");
        if (Status ready = wait_for(fd, POLLOUT, deadline, "sendmsg"); !ready)
            return ready;
    }
}

Result<Received> receive_message(int fd, std::size_t max_bytes, std::size_t max_fds, Deadline deadline)
{
    Received received;
    received.bytes.resize(max_bytes);
    received.fds.reserve(max_fds); // nothing may fail between the call and their owners
    std::vector<cmsghdr> control((CMSG_SPACE(max_fds * sizeof(int)) + sizeof(cmsghdr) - 1) / sizeof(cmsghdr));
    for (;;) {
        iovec content{received.bytes.data(), received.bytes.size()};
        msghdr message{};
        message.msg_iov = &content;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(max_fds * sizeof(int));
        const ssize_t size = kernel().recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno != EAGAIN)
            return failed("recvmsg");
        if (size < 0) {
            if (const Status ready = wait_for(fd, POLLIN, deadline, "recvmsg"); !ready)
                return ready.error();
            continue;
        }
        for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
            if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS)
                continue;
            for (std::size_t i = 0; i < (each->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
                int came = -1;
                std::memcpy(&came, CMSG_DATA(each) + i * sizeof(int), sizeof came);
                received.fds.emplace_back(came);
            }
        }
        // Messages of 0 bytes do not exist here: it is the end.
        if (size == 0 && received.fds.empty())
            return closed_by_peer("recvmsg");
        received.bytes.resize(static_cast<std::size_t>(size));
        received.is_cut = (message.msg_flags & MSG_TRUNC) != 0;
        received.lost_fds = (message.msg_flags & MSG_CTRUNC) != 0;
        return received;
    }
}

} // namespace commonbuf::os
