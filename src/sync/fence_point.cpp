// SPDX-License-Identifier: MIT
#include "sync/fence_point.hpp"

#include "base/text.hpp"
#include "os/os.hpp"

#include <linux/sync_file.h>

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace commonbuf {
namespace {

// More than a frame of a real pipeline waits for at once.
constexpr std::uint32_t usual_parts = 16;

std::string text_of(const char* text, std::size_t size) { return {text, ::strnlen(text, size)}; }

FencePart part_of(const sync_fence_info& info)
{
    FencePart part;
    part.driver = text_of(info.driver_name, sizeof info.driver_name);
    part.timeline = text_of(info.obj_name, sizeof info.obj_name);
    part.state = info.status == 0 ? FenceState::pending : info.status > 0 ? FenceState::signalled : FenceState::failed;
    part.sys_errno = info.status < 0 ? -info.status : 0;
    if (part.state != FenceState::pending)
        part.signalled_at = std::chrono::nanoseconds(info.timestamp_ns);
    return part;
}

/// Reads the state of each fence inside. The kernel's answer for the whole sync_file (num_fences 0)
/// may hide a failed part: a fence array learns of errors only if somebody waits for it.
Result<std::vector<sync_fence_info>> read_info(int fd)
{
    std::vector<sync_fence_info> parts(usual_parts);
    for (;;) {
        sync_file_info info{};
        info.num_fences = static_cast<std::uint32_t>(parts.size());
        info.sync_fence_info = reinterpret_cast<std::uintptr_t>(parts.data());
        const int error = os::ioctl(fd, SYNC_IOC_FILE_INFO, &info);
        if (error == 0) {
            parts.resize(std::min<std::size_t>(info.num_fences, parts.size()));
            return parts;
        }
        if (error != EINVAL)
            return Error::from_errno(error, "SYNC_IOC_FILE_INFO");
        sync_file_info count{};
        if (const int again = os::ioctl(fd, SYNC_IOC_FILE_INFO, &count); again != 0)
            return Error::from_errno(again, "SYNC_IOC_FILE_INFO");
        if (count.num_fences <= parts.size())
            return Error::from_errno(error, "SYNC_IOC_FILE_INFO");
        parts.resize(count.num_fences);
    }
}

Error failure_of(const sync_fence_info& info)
{
    const FencePart part = part_of(info);
    return Error::work_failed(
               "wait for a fence",
               text::format("the work of {} (timeline {}) ended with an error", part.driver, part.timeline),
               "do not use its result")
        .with_errno(part.sys_errno);
}

} // namespace

std::shared_ptr<FencePoint> FencePoint::of_sync_file(UniqueFd fd) noexcept
{
    return std::make_shared<FencePoint>(std::move(fd), static_cast<short>(POLLIN), true, true);
}

std::shared_ptr<FencePoint> FencePoint::of_crtc(UniqueFd fd) noexcept
{
    return std::make_shared<FencePoint>(std::move(fd), static_cast<short>(POLLIN), true, false);
}

std::shared_ptr<FencePoint> FencePoint::of_dma_buf(UniqueFd fd, short events) noexcept
{
    return std::make_shared<FencePoint>(std::move(fd), events, false, false);
}

std::shared_ptr<FencePoint> FencePoint::failed(Error error)
{
    auto point = std::make_shared<FencePoint>(UniqueFd{}, static_cast<short>(0), false, false);
    point->settle(FenceState::failed, std::move(error));
    return point;
}

void FencePoint::settle(FenceState state, Error failure)
{
    const std::lock_guard lock(mutex_);
    if (known() != FenceState::pending)
        return;
    failure_ = std::move(failure);
    // To those who wait it is always the work that failed, whatever the reason.
    if (state == FenceState::failed)
        failure_.category = Category::work_failed;
    known_.store(state, std::memory_order_release);
}

Result<FenceState> FencePoint::ask()
{
    if (known() != FenceState::pending)
        return known();
    const auto over = os::wait(fd(), events_, Deadline{}, "a fence");
    if (!over)
        return over.error();
    return *over ? look() : FenceState::pending;
}

Result<FenceState> FencePoint::look()
{
    if (known() != FenceState::pending)
        return known();
    if (!may_fail_) {
        settle(FenceState::signalled);
        return known();
    }
    const auto parts = read_info(fd());
    if (!parts)
        return parts.error();
    const auto is_pending = [](const sync_fence_info& part) { return part.status == 0; };
    const auto has_failed = [](const sync_fence_info& part) { return part.status < 0; };
    // It is over only when nobody works on the buffers any more, even if a part failed.
    if (std::ranges::any_of(*parts, is_pending))
        return FenceState::pending;
    if (const auto bad = std::ranges::find_if(*parts, has_failed); bad != parts->end())
        settle(FenceState::failed, failure_of(*bad));
    else
        settle(FenceState::signalled);
    return known();
}

Result<std::vector<FencePart>> FencePoint::parts()
{
    if (!sync_file_) {
        const auto state = ask();
        if (!state)
            return state.error();
        FencePart part;
        part.driver = fd_ ? "dma-buf" : "commonbuf";
        part.state = *state;
        part.sys_errno = *state == FenceState::failed ? failure_.sys_errno : 0;
        return std::vector{part};
    }
    const auto infos = read_info(fd());
    if (!infos)
        return infos.error();
    std::vector<FencePart> parts;
    std::transform(infos->begin(), infos->end(), std::back_inserter(parts), part_of);
    return parts;
}

} // namespace commonbuf
