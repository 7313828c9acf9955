// SPDX-License-Identifier: MIT
#include "base/text.hpp"

#include <commonbuf/error.hpp>

#include <cerrno>
#include <cstring>
#include <utility>

namespace commonbuf {
namespace {

Category category_of(int error) noexcept
{
    switch (error) {
    case ENOENT:
    case ENXIO: return Category::not_present;
    case EACCES:
    case EPERM: return Category::permission_denied;
    case EBUSY: return Category::busy;
    case ENOTTY:
    case ENOSYS:
    case EOPNOTSUPP: return Category::unsupported;
    case ENOMEM:
    case ENOSPC: return Category::out_of_memory;
    case EMFILE:
    case ENFILE: return Category::too_many_files;
    case EINVAL:
    case EBADF: return Category::invalid_argument;
    case ETIME:
    case ETIMEDOUT: return Category::timed_out;
    case ECANCELED: return Category::cancelled;
    case ENODEV: return Category::device_gone;
    case EIO: return Category::device_failed;
    default: return Category::kernel_failure;
    }
}

} // namespace

std::string_view to_string(Category category) noexcept
{
    switch (category) {
    case Category::invalid_argument: return "invalid-argument";
    case Category::invalid_state: return "invalid-state";
    case Category::end_of_stream: return "end-of-stream";
    case Category::not_present: return "not-present";
    case Category::permission_denied: return "permission-denied";
    case Category::not_master: return "not-master";
    case Category::busy: return "busy";
    case Category::unsupported: return "unsupported";
    case Category::incompatible: return "incompatible";
    case Category::out_of_memory: return "out-of-memory";
    case Category::no_free_slot: return "no-free-slot";
    case Category::too_many_files: return "too-many-files";
    case Category::no_bandwidth: return "no-bandwidth";
    case Category::timed_out: return "timed-out";
    case Category::cancelled: return "cancelled";
    case Category::device_gone: return "device-gone";
    case Category::lease_revoked: return "lease-revoked";
    case Category::damaged_frame: return "damaged-frame";
    case Category::work_failed: return "work-failed";
    case Category::device_failed: return "device-failed";
    case Category::kernel_failure: return "kernel-failure";
    }
    return "unknown";
}

std::string errno_name(int error)
{
    const char* name = ::strerrorname_np(error);
    return name != nullptr ? name : text::format("E#{}", error);
}

std::string Error::message() const
{
    std::string text = operation;
    const auto add = [&text](std::string_view separator, std::string_view part) {
        if (!part.empty())
            text.append(text.empty() ? "" : separator).append(part);
    };
    add(": ", call);
    if (!target.empty())
        add(call.empty() ? ": " : " on ", target);
    if (sys_errno != 0) {
        const char* words = ::strerrordesc_np(sys_errno);
        add(": ", text::format("{} ({})", errno_name(sys_errno), words != nullptr ? words : "unknown"));
    }
    add(": ", detail);
    add("; ", advice);
    return text.empty() ? std::string(to_string(category)) : text;
}

bool Error::concerns_device() const noexcept
{
    switch (category) {
    case Category::busy:
    case Category::not_present:
    case Category::permission_denied:
    case Category::not_master:
    case Category::device_gone:
    case Category::lease_revoked:
    case Category::device_failed: return true;
    default: return false;
    }
}

bool Error::is_transient() const noexcept { return commonbuf::is_transient(category); }

bool is_transient(Category category) noexcept
{
    switch (category) {
    case Category::permission_denied:
    case Category::not_master:
    case Category::busy:
    case Category::out_of_memory:
    case Category::no_free_slot:
    case Category::too_many_files:
    case Category::no_bandwidth:
    case Category::timed_out:
    case Category::cancelled:
    case Category::device_gone:
    case Category::lease_revoked:
    case Category::damaged_frame:
    case Category::work_failed:
    case Category::device_failed: return true;
    default: return false;
    }
}

Error Error::with_sizes(std::uint64_t needed_bytes, std::uint64_t offered_bytes) &&
{
    needed = needed_bytes;
    offered = offered_bytes;
    return std::move(*this);
}

Error Error::with_errno(int error) &&
{
    sys_errno = error;
    return std::move(*this);
}

Error Error::with_advice(std::string text) &&
{
    advice = std::move(text);
    return std::move(*this);
}

Error Error::of(Category category, Tried tried, std::string detail, std::string advice)
{
    Error result;
    result.category = category;
    result.call = std::move(tried.call.name);
    result.target = std::move(tried.call.target);
    result.operation = std::move(tried.operation);
    result.detail = std::move(detail);
    result.advice = std::move(advice);
    return result;
}

Error Error::from_errno(int error, Call call, std::string detail, std::string advice)
{
    Error result;
    result.category = category_of(error);
    result.sys_errno = error;
    result.call = std::move(call.name);
    result.target = std::move(call.target);
    result.detail = std::move(detail);
    result.advice = std::move(advice);
    if (result.advice.empty() && result.category == Category::too_many_files)
        result.advice = "raise the limit on open files (ulimit -n) or close some";
    return result;
}

Error Error::invalid_argument(Tried tried, std::string detail, std::string advice)
{
    return of(Category::invalid_argument, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::invalid_state(Tried tried, std::string detail, std::string advice)
{
    return of(Category::invalid_state, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::end_of_stream(Tried tried, std::string detail, std::string advice)
{
    return of(Category::end_of_stream, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::not_present(Tried tried, std::string detail, std::string advice)
{
    return of(Category::not_present, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::permission_denied(Tried tried, std::string detail, std::string advice)
{
    return of(Category::permission_denied, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::not_master(Tried tried, std::string detail, std::string advice)
{
    return of(Category::not_master, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::busy(Tried tried, std::string detail, std::string advice)
{
    return of(Category::busy, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::unsupported(Tried tried, std::string detail, std::string advice)
{
    return of(Category::unsupported, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::incompatible(Tried tried, std::string detail, std::string advice)
{
    return of(Category::incompatible, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::out_of_memory(Tried tried, std::string detail, std::string advice)
{
    return of(Category::out_of_memory, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::no_free_slot(Tried tried, std::string detail, std::string advice)
{
    return of(Category::no_free_slot, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::too_many_files(Tried tried, std::string detail, std::string advice)
{
    return of(Category::too_many_files, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::no_bandwidth(Tried tried, std::string detail, std::string advice)
{
    return of(Category::no_bandwidth, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::timed_out(Tried tried, std::string detail, std::string advice)
{
    return of(Category::timed_out, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::cancelled(Tried tried, std::string detail, std::string advice)
{
    return of(Category::cancelled, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::device_gone(Tried tried, std::string detail, std::string advice)
{
    return of(Category::device_gone, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::lease_revoked(Tried tried, std::string detail, std::string advice)
{
    return of(Category::lease_revoked, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::damaged_frame(Tried tried, std::string detail, std::string advice)
{
    return of(Category::damaged_frame, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::work_failed(Tried tried, std::string detail, std::string advice)
{
    return of(Category::work_failed, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::device_failed(Tried tried, std::string detail, std::string advice)
{
    return of(Category::device_failed, std::move(tried), std::move(detail), std::move(advice));
}

Error Error::kernel_failure(Tried tried, std::string detail, std::string advice)
{
    return of(Category::kernel_failure, std::move(tried), std::move(detail), std::move(advice));
}

} // namespace commonbuf
