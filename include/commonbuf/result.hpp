// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace commonbuf {

struct Report;

/// What kind of failure it was, for programs to branch on. The set is closed: a
/// new kind of failure is a new major version.
enum class Category : std::uint8_t {
    invalid_argument,  ///< the caller's numbers or names make no sense
    not_present,       ///< no such device, heap or file
    permission_denied, ///< it is there, and this user may not use it
    busy,              ///< another program uses it in a way that cannot be shared
    unsupported,       ///< the device, the heap or the kernel cannot do this
    exhausted,         ///< no memory, no descriptors, no room in a region
    incompatible,      ///< every part works, but no memory or layout serves all of them
    timed_out,         ///< the deadline passed
    cancelled,         ///< the caller ended the wait
    device_lost,       ///< the device vanished or failed during its work
    kernel_failure,    ///< the kernel answered something that has no better name
};

/// The category's name as it stands in JSON, for example "permission-denied".
COMMONBUF_API std::string_view to_string(Category category) noexcept;

/// The C name of an errno value, for example "EFAULT"; "E#1234" for unknown ones.
COMMONBUF_API std::string errno_name(int error);

/// Why something failed: what was tried, what the system said, what to do.
///
/// An error is a value: copyable, free of resources, readable from any thread.
struct COMMONBUF_API Error {
    Category category = Category::kernel_failure;

    /// The system's answer; 0 where no system call failed.
    int sys_errno = 0;

    /// What was tried, for example "VIDIOC_PREPARE_BUF on /dev/video0".
    std::string operation;

    /// What was wrong, with the sizes that matter.
    std::string detail;

    /// What the reader can do about it; may be empty.
    std::string advice;

    /// Set where a plan could not be made: every heap and every use with its verdict.
    std::shared_ptr<const Report> report;

    /// All of it in one line: operation, errno, detail and advice.
    std::string message() const;
};

/// A value, or the reason why there is none. It must be looked at.
template <typename T>
using Result = tl::expected<T, Error>;

/// Success, or the reason why not.
using Status = Result<void>;

/// An error on the failing side of any Result.
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

/// The same, made on the spot; no system call was involved.
inline tl::unexpected<Error> fail(Category category, std::string operation, std::string detail, std::string advice = {})
{
    return fail(Error{category, 0, std::move(operation), std::move(detail), std::move(advice), nullptr});
}

} // namespace commonbuf
