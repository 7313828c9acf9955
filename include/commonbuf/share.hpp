// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/foreign.hpp>
#include <commonbuf/picture.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

/// Buffers between processes, over a Unix socket.
///
/// A buffer lives as long as some process holds it: nothing has to be told of its end. What it holds may
/// change under a reader at any time, since the other side has the same memory.
namespace commonbuf::share {

/// Who is at the other end.
struct Peer {
    pid_t pid = 0; ///< as this process sees it; 0 if it is in another PID namespace
    uid_t uid = 0;
    gid_t gid = 0;

    friend bool operator==(const Peer&, const Peer&) = default;
};

/// A buffer on its way.
struct Item {
    Buffer buffer;
    /// The sender's name for this loan, which a Release repeats; see Loans.
    std::uint64_t token = 0;
    /// What must be over before the receiver reads the buffer. A fence that has failed arrives as one.
    Fence ready{};
    /// The sender says beforehand that it expects no Release: the buffer is a gift.
    bool for_good = false;
    Picture picture{};
    std::vector<std::byte> data{}; ///< the program's own, up to 64 KiB
};

/// Says that the receiver of a buffer has done with it when the fence has signalled.
struct Release {
    std::uint64_t token = 0;
    Fence until{};
};

/// What one message holds.
struct Message {
    std::vector<Item> buffers;
    std::vector<Release> releases;
};

/// The most that one message holds, whatever a receiver allows. SCM_RIGHTS sets the number of descriptors
/// (SCM_MAX_FD of linux/net/scm.h), the usual size of a socket's buffer (net.core.wmem_default) that of bytes.
inline constexpr std::size_t max_descriptors = 253;
inline constexpr std::size_t max_message_bytes = std::size_t{192} << 10;
inline constexpr std::size_t max_data_bytes = std::size_t{64} << 10;

/// What a receiver accepts in one message. More is refused before any of it is looked at.
struct Limits {
    ForeignLimits buffer{}; ///< of each buffer
    std::uint32_t max_buffers = 16;
    std::uint32_t max_releases = 64;
    std::size_t max_data = max_data_bytes; ///< of each buffer
};

/// One end of a connection: a Unix socket of SOCK_SEQPACKET.
///
/// Such a socket keeps messages apart, and descriptors with their message. So nothing is ever half read, a
/// message that is refused takes nothing of the next one with it, and no length has to be believed. A stream
/// would need all of that by hand.
///
/// The messages have a version, and know which parts a reader may skip: newer and older libraries
/// understand each other (src/share/message.hpp).
///
/// Move-only; the socket is closed with it. Thread-compatible: one call at a time on one object, except that
/// one thread may send while another receives.
class COMMONBUF_API Channel {
public:
    /// Makes a channel of a socket that is connected: from socketpair(2), connect(2) or accept(2). It takes
    /// ownership of the socket, even if it fails.
    ///
    /// Errors: invalid_argument (not a Unix socket of SOCK_SEQPACKET).
    static Result<Channel> wrap(UniqueFd socket);

    /// Makes both ends of a connection, for a process and its child. Both are close-on-exec.
    ///
    /// Errors: too_many_files, out_of_memory.
    static Result<std::pair<Channel, Channel>> pair();

    /// Returns the socket, borrowed, to poll for reading: readable means that receive() does not wait.
    int poll_fd() const noexcept { return socket_.get(); }

    /// Gives the socket up: the caller closes it.
    [[nodiscard]] UniqueFd release_socket() noexcept { return std::move(socket_); }

    /// Returns who made the other end, by the kernel's word (SO_PEERCRED).
    ///
    /// Errors: invalid_state (the channel was moved from), kernel_failure.
    Result<Peer> peer() const;

    /// Sends buffers and releases in one message, all or none. Memories that are one dma-buf travel as one
    /// descriptor. A buffer's implicit fences travel in its dma-buf.
    ///
    /// It waits until the deadline for room in the socket. A peer that does not read fills it: give a
    /// deadline that is over (Deadline{}) to learn that at once.
    ///
    /// Errors: invalid_argument (nothing to send; too many descriptors or bytes; more than 64 KiB of data),
    /// unsupported (the program's own memory; a fence without a descriptor, see Buffer::export_fence()),
    /// timed_out, end_of_stream (the peer is gone), invalid_state (moved from), too_many_files, out_of_memory.
    Status send(std::span<const Item> buffers, std::span<const Release> releases, Deadline deadline);
    Status send(const Item& item, Deadline deadline) { return send({&item, 1}, {}, deadline); }
    Status send(const Release& release, Deadline deadline) { return send({}, {&release, 1}, deadline); }

    /// Receives one message. Everything in it went through admit() and admit_fence() with these limits; what
    /// they state may be relied on. All of a message is accepted, or none.
    ///
    /// After invalid_argument and unsupported the message is gone with its descriptors, and the next one can be
    /// received: whether the peer deserves that, the caller decides. Nothing here waits for a fence.
    ///
    /// Errors: timed_out; end_of_stream (the peer closed its end or died); invalid_argument (the message
    /// is untrue or exceeds a limit: how); unsupported (it needs a newer library, or a format that is not
    /// accepted); too_many_files (descriptors were lost: close some); invalid_state (moved from); out_of_memory.
    Result<Message> receive(const Limits& limits, Deadline deadline);

private:
    explicit Channel(UniqueFd socket) noexcept : socket_(std::move(socket)) {}

    UniqueFd socket_;
};

/// What came back from a peer.
struct Returned {
    Buffer buffer;
    Fence until{}; ///< the peer's work on it, if it said so
    /// The peer did not give it back: it may still write into it, now and later. Its content is worth nothing
    /// as long as the peer lives, so a careful program makes a new buffer instead of this one.
    bool untrusted = false;
};

/// Which buffers a peer has, and until when. A release that never comes is a fact of life: so each loan has a
/// deadline, after which the buffer is taken as back, untrusted.
///
/// A plain value without a socket: send what lend() names, and hand what receive() brings to give_back(). One
/// object for each peer. Not thread-safe.
class COMMONBUF_API Loans {
public:
    /// Notes a loan, and returns the token to send with the buffer. Tokens are never used twice.
    std::uint64_t lend(const Buffer& buffer, Deadline back_by);

    /// Ends the loan that a peer names.
    ///
    /// Errors: invalid_argument (no such loan: a replay, a guess, or one that was overdue).
    Result<Returned> give_back(const Release& release);

    /// Ends the loans whose deadline has passed at `now`, and returns their buffers, untrusted.
    std::vector<Returned> overdue(Deadline now);

    /// Ends all loans: the peer is gone. The kernel has dropped its descriptors, but work that it submitted
    /// may go on: the dma-bufs hold its fences, as far as it had drivers that leave them there.
    std::vector<Returned> peer_gone();

    std::size_t size() const noexcept { return lent_.size(); }

    /// Returns when the next loan is overdue, for a wait; Deadline::max() if there is none.
    Deadline next_deadline() const noexcept;

private:
    struct Loan {
        Buffer buffer;
        Deadline back_by;
    };
    std::map<std::uint64_t, Loan> lent_;
    std::uint64_t last_ = 0;
};

} // namespace commonbuf::share
