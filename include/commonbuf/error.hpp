// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace commonbuf {

struct Report;

/// The kind of a failure: what a program branches on. Everything else about a failure is data
/// in Error, or text for people.
///
/// How to choose between neighbours, as a reader and as somebody who reports an error:
/// - `invalid_argument` if the call is wrong whatever the state of the system; `invalid_state`
///   if the same call is right at another time (start first, end only once);
///   `unsupported` if the call makes sense and this device, heap or kernel cannot do it.
/// - `unsupported` names one party that cannot; `incompatible` is for parties that each work and
///   have nothing in common.
/// - `busy` if another program has to release it; `no_free_slot` if the caller has to, by dequeuing
///   or releasing a buffer first.
/// - `permission_denied` if this user may not; `not_master` if this user could, and has to become
///   DRM master first.
/// - `out_of_memory` if another heap may serve; `too_many_files` if none will until descriptors
///   are closed; `no_bandwidth` if a smaller picture or another port may help.
/// - `device_gone` and `lease_revoked` if the object has to be opened anew; `device_failed` if
///   stopping and starting may help; `damaged_frame` if only this frame is lost and the next may be
///   good; `work_failed` if a fence failed, whatever the reason.
/// - `kernel_failure` only for answers that have no better name here.
///
/// The set is closed: a new category is a new major version.
enum class Category : std::uint8_t {
    invalid_argument,  ///< the caller's numbers or names make no sense
    invalid_state,     ///< the object is not in a state for this call
    end_of_stream,     ///< the last frame has come; stop and start to go on
    not_present,       ///< no such device, heap or file
    permission_denied, ///< it is there, and this user may not use it
    not_master,        ///< the DRM file is not master; become master (DRM_IOCTL_SET_MASTER) and try again
    busy,              ///< somebody else uses it in a way that cannot be shared
    unsupported,       ///< the device, the heap or the kernel cannot do this
    incompatible,      ///< every part works, but no memory or layout serves all of them
    out_of_memory,     ///< the heap, the region or the system has no memory left
    no_free_slot,      ///< every slot or buffer is in use; take one back first
    too_many_files,    ///< the limit on open descriptors is reached (EMFILE, ENFILE)
    no_bandwidth,      ///< the bus cannot carry the stream (ENOSPC at VIDIOC_STREAMON)
    timed_out,         ///< the deadline passed
    cancelled,         ///< the caller ended the wait
    device_gone,       ///< the device was unplugged or unbound; open it anew when it is back
    lease_revoked,     ///< the DRM lease behind the file was taken back
    damaged_frame,     ///< the device failed on this frame only; the buffer is back
    work_failed,       ///< work behind a fence ended with an error: its result is worthless
    device_failed,     ///< the device or its signal failed (EIO); stop and start it
    kernel_failure,    ///< the kernel answered something that has no better name
};

/// Returns the name of a category as it stands in JSON, for example "permission-denied".
COMMONBUF_API std::string_view to_string(Category category) noexcept;

/// Tell whether the same call may succeed later without any change in the request; see Error::is_transient().
COMMONBUF_API bool is_transient(Category category) noexcept;

/// Returns the C name of an errno value, for example "EFAULT"; "E#1234" for unknown ones.
COMMONBUF_API std::string errno_name(int error);

/// A call and what it was made on, for example {"VIDIOC_PREPARE_BUF", "/dev/video0"}.
struct Call {
    Call() = default;
    // Implicit, so that a call without a target can be written as its name.
    Call(std::string name_) : name(std::move(name_)) {}
    Call(const char* name_) : name(name_) {}
    Call(std::string_view name_, std::string_view target_) : name(name_), target(target_) {}

    std::string name;
    std::string target; ///< a node, a heap, a property; may be empty
};

/// What was tried: a call, or an operation of this library in words ("plan XR24 1280x720").
struct Tried {
    // Implicit, so that an error can be written down in one line.
    Tried(Call call_) : call(std::move(call_)) {}
    Tried(std::string words) : operation(std::move(words)) {}
    Tried(const char* words) : operation(words) {}

    Call call;
    std::string operation;
};

/// Why something failed: what was tried, what the system answered, what to do.
///
/// A value: copyable, free of resources, readable from any thread.
struct COMMONBUF_API Error {
    Category category = Category::kernel_failure;

    /// The answer of the system; 0 if no system call failed.
    int sys_errno = 0;

    /// The system or library call that failed, for example "VIDIOC_PREPARE_BUF"; empty if the
    /// library itself refused.
    std::string call;

    /// What the call was made on: a node, a heap, a property. May be empty.
    std::string target;

    /// What was tried, in words, for example "plan XR24 1280x720"; empty where `call` and `target`
    /// say all of it.
    std::string operation;

    /// Bytes that were asked for and that there were, if the failure is about sizes.
    std::optional<std::uint64_t> needed;
    std::optional<std::uint64_t> offered;

    /// What was wrong, with the numbers that matter.
    std::string detail;

    /// What the reader can do about it; may be empty.
    std::string advice;

    /// Set if a plan could not be made: every heap and every use with its verdict.
    std::shared_ptr<const Report> report;

    /// Returns everything on one line: what was tried, errno, detail and advice.
    std::string message() const;

    /// Returns whether the device itself is the obstacle, so that no other memory or layout helps:
    /// busy, not_present, permission_denied, not_master, device_gone, lease_revoked, device_failed.
    bool concerns_device() const noexcept;

    /// Returns whether the same request may succeed later: another program releases the device, memory
    /// or descriptors become free, a signal returns. Such an error must not change what is known about
    /// a device.
    bool is_transient() const noexcept;

    /// Returns whether the error is an answer to the request itself, so that the same request would be
    /// refused again: the categories incompatible, unsupported and invalid_argument, except for
    /// EBADF; and of kernel_failure the errnos by which drivers refuse memory (EFAULT, ERANGE,
    /// EOVERFLOW, E2BIG, EFBIG, EPROTONOSUPPORT, EREMOTEIO). Any other failure may be gone at the next try, and
    /// must not be remembered.
    bool is_final() const noexcept;

    /// Add data to an error.
    Error with_sizes(std::uint64_t needed_bytes, std::uint64_t offered_bytes) &&;
    Error with_errno(int error) &&;
    Error with_advice(std::string text) &&;

    // Named factories, one for each category.
    static Error invalid_argument(Tried tried, std::string detail, std::string advice = {});
    static Error invalid_state(Tried tried, std::string detail, std::string advice = {});
    static Error end_of_stream(Tried tried, std::string detail, std::string advice = {});
    static Error not_present(Tried tried, std::string detail, std::string advice = {});
    static Error permission_denied(Tried tried, std::string detail, std::string advice = {});
    static Error not_master(Tried tried, std::string detail, std::string advice = {});
    static Error busy(Tried tried, std::string detail, std::string advice = {});
    static Error unsupported(Tried tried, std::string detail, std::string advice = {});
    static Error incompatible(Tried tried, std::string detail, std::string advice = {});
    static Error out_of_memory(Tried tried, std::string detail, std::string advice = {});
    static Error no_free_slot(Tried tried, std::string detail, std::string advice = {});
    static Error too_many_files(Tried tried, std::string detail, std::string advice = {});
    static Error no_bandwidth(Tried tried, std::string detail, std::string advice = {});
    static Error timed_out(Tried tried, std::string detail, std::string advice = {});
    static Error cancelled(Tried tried, std::string detail, std::string advice = {});
    static Error device_gone(Tried tried, std::string detail, std::string advice = {});
    static Error lease_revoked(Tried tried, std::string detail, std::string advice = {});
    static Error damaged_frame(Tried tried, std::string detail, std::string advice = {});
    static Error work_failed(Tried tried, std::string detail, std::string advice = {});
    static Error device_failed(Tried tried, std::string detail, std::string advice = {});
    static Error kernel_failure(Tried tried, std::string detail, std::string advice = {});

    /// Makes an error whose category is known only at run time.
    static Error of(Category category, Tried tried, std::string detail, std::string advice = {});

    /// Makes the error of a call that failed. The category follows from the errno: ENODEV gives
    /// device_gone, EIO device_failed, ENOMEM out_of_memory, EMFILE too_many_files.
    static Error from_errno(int error, Call call, std::string detail = {}, std::string advice = {});

    friend bool operator==(const Error&, const Error&) = default;
};

} // namespace commonbuf
