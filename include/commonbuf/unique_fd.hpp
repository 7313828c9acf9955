// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>

#include <utility>

namespace commonbuf {

/// Owns a file descriptor and closes it.
///
/// In every function of this library a UniqueFd by value takes ownership, and a plain `int`
/// borrows the descriptor for the call. 0 is a valid descriptor; -1 means none. Like any value, it
/// is not thread-safe.
class COMMONBUF_API UniqueFd {
public:
    UniqueFd() noexcept = default;

    /// Takes ownership of `fd`; -1 for none.
    explicit UniqueFd(int fd) noexcept : fd_(fd) {}

    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept
    {
        if (this != &other)
            reset(std::exchange(other.fd_, -1));
        return *this;
    }
    UniqueFd(const UniqueFd&) = delete;
    UniqueFd& operator=(const UniqueFd&) = delete;
    ~UniqueFd() { reset(); }

    /// Returns the descriptor, which this object still owns; -1 for none.
    int get() const noexcept { return fd_; }

    explicit operator bool() const noexcept { return fd_ >= 0; }

    /// Gives the descriptor up: the caller closes it.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

    /// Closes the descriptor, if any, and takes ownership of `fd`.
    void reset(int fd = -1) noexcept;

    /// Duplicates the descriptor, close-on-exec (fcntl(2), F_DUPFD_CLOEXEC).
    ///
    /// Errors: invalid_argument (there is no descriptor), too_many_files.
    Result<UniqueFd> dup() const;

private:
    int fd_ = -1;
};

/// Duplicates a borrowed descriptor. Errors: those of UniqueFd::dup().
COMMONBUF_API Result<UniqueFd> duplicate(int fd);

} // namespace commonbuf
