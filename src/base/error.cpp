// SPDX-License-Identifier: MIT
#include "base/text.hpp"

#include <commonbuf/error.hpp>

#include <algorithm>
#include <array>
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

constexpr unsigned device = 1;    // Error::concerns_device()
constexpr unsigned transient = 2; // is_transient()

struct Traits {
    Category category = Category::kernel_failure;
    std::string_view name = "unknown";
    unsigned flags = 0;
};
constexpr auto all_traits = std::to_array<Traits>({
    {Category::invalid_argument, "invalid-argument"},
    {Category::invalid_state, "invalid-state"},
    {Category::end_of_stream, "end-of-stream"},
    {Category::not_present, "not-present", device},
    {Category::permission_denied, "permission-denied", device | transient},
    {Category::not_master, "not-master", device | transient},
    {Category::busy, "busy", device | transient},
    {Category::unsupported, "unsupported"},
    {Category::incompatible, "incompatible"},
    {Category::out_of_memory, "out-of-memory", transient},
    {Category::no_free_slot, "no-free-slot", transient},
    {Category::too_many_files, "too-many-files", transient},
    {Category::no_bandwidth, "no-bandwidth", transient},
    {Category::timed_out, "timed-out", transient},
    {Category::cancelled, "cancelled", transient},
    {Category::device_gone, "device-gone", device | transient},
    {Category::lease_revoked, "lease-revoked", device | transient},
    {Category::damaged_frame, "damaged-frame", transient},
    {Category::work_failed, "work-failed", transient},
    {Category::device_failed, "device-failed", device | transient},
    {Category::kernel_failure, "kernel-failure"},
});
static_assert(all_traits.size() == static_cast<std::size_t>(Category::kernel_failure) + 1);

Traits traits_of(Category category) noexcept
{
    const auto* const found = std::ranges::find(all_traits, category, &Traits::category);
    return found != all_traits.end() ? *found : Traits{};
}

} // namespace

std::string_view to_string(Category category) noexcept { return traits_of(category).name; }

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

bool Error::concerns_device() const noexcept { return (traits_of(category).flags & device) != 0; }
bool Error::is_transient() const noexcept { return commonbuf::is_transient(category); }

bool Error::is_final() const noexcept
{
    switch (category) {
    case Category::incompatible:
    case Category::unsupported: return true;
    case Category::invalid_argument: return sys_errno != EBADF;
    case Category::kernel_failure: break;
    default: return false;
    }
    constexpr auto refusals = std::to_array({EFAULT, ERANGE, EOVERFLOW, E2BIG, EFBIG, EPROTONOSUPPORT, EREMOTEIO});
    return std::ranges::find(refusals, sys_errno) != refusals.end();
}

bool is_transient(Category category) noexcept { return (traits_of(category).flags & transient) != 0; }

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
    const Category category = category_of(error);
    if (advice.empty() && category == Category::too_many_files)
        advice = "raise the limit on open files (ulimit -n) or close some";
    return of(category, std::move(call), std::move(detail), std::move(advice)).with_errno(error);
}

#define COMMONBUF_MAKER(category)                                                                                      \
    Error Error::category(Tried tried, std::string detail, std::string advice)                                         \
    {                                                                                                                  \
        return of(Category::category, std::move(tried), std::move(detail), std::move(advice));                         \
    }
COMMONBUF_MAKER(invalid_argument)
COMMONBUF_MAKER(invalid_state)
COMMONBUF_MAKER(end_of_stream)
COMMONBUF_MAKER(not_present)
COMMONBUF_MAKER(permission_denied)
COMMONBUF_MAKER(not_master)
COMMONBUF_MAKER(busy)
COMMONBUF_MAKER(unsupported)
COMMONBUF_MAKER(incompatible)
COMMONBUF_MAKER(out_of_memory)
COMMONBUF_MAKER(no_free_slot)
COMMONBUF_MAKER(too_many_files)
COMMONBUF_MAKER(no_bandwidth)
COMMONBUF_MAKER(timed_out)
COMMONBUF_MAKER(cancelled)
COMMONBUF_MAKER(device_gone)
COMMONBUF_MAKER(lease_revoked)
COMMONBUF_MAKER(damaged_frame)
COMMONBUF_MAKER(work_failed)
COMMONBUF_MAKER(device_failed)
COMMONBUF_MAKER(kernel_failure)
#undef COMMONBUF_MAKER

} // namespace commonbuf
