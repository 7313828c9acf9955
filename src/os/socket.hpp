// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

/// Unix sockets that keep messages apart (SOCK_SEQPACKET), and descriptors in messages (SCM_RIGHTS).
namespace commonbuf::os {

/// Succeeds if the descriptor is a Unix socket of SOCK_SEQPACKET. Errors: invalid_argument.
Status check_socket(int fd);

/// Makes both ends of a connection. Errors: too_many_files, out_of_memory.
Result<std::pair<UniqueFd, UniqueFd>> socket_pair();

/// Who made the other end (struct ucred).
struct Credentials {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
};
Result<Credentials> peer_of(int fd);

/// Sends one message with borrowed descriptors, all or nothing. Waits for room until the deadline; no SIGPIPE.
/// Errors: timed_out, end_of_stream (the other end is closed), and those of sendmsg(2).
Status send_message(int fd, std::span<const std::byte> bytes, std::span<const int> fds, Deadline deadline);

/// A message as it came.
struct Received {
    std::vector<std::byte> bytes;
    std::vector<UniqueFd> fds;
    bool is_cut = false;   ///< it had more bytes than there was room for
    bool lost_fds = false; ///< it had more descriptors than there was room for, or than the process may have
};

/// Receives one message, of at most so many bytes and descriptors; what is beyond is lost, and the kernel closes
/// it. All descriptors are close-on-exec. Errors: timed_out, end_of_stream, and those of recvmsg(2).
Result<Received> receive_message(int fd, std::size_t max_bytes, std::size_t max_fds, Deadline deadline);

} // namespace commonbuf::os
