// SPDX-License-Identifier: MIT
#include "sw_sync.hpp"

#include <fcntl.h>
#include <linux/types.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace {

// The kernel has no header for these (drivers/dma-buf/sw_sync.c).
struct CreateFence {
    __u32 value;
    char name[32];
    __s32 fence;
};
constexpr unsigned long create_fence = _IOWR('W', 0, CreateFence);
constexpr unsigned long increase = _IOW('W', 1, __u32);

} // namespace

std::optional<SwTimeline> SwTimeline::create(std::string& why_not)
{
    constexpr const char* path = "/sys/kernel/debug/sync/sw_sync";
    commonbuf::UniqueFd fd(::open(path, O_RDWR | O_CLOEXEC));
    if (!fd) {
        why_not = std::string(path) + ": " + std::strerror(errno);
        return std::nullopt;
    }
    return SwTimeline(std::move(fd));
}

commonbuf::Fence SwTimeline::fence(std::uint32_t value) const
{
    CreateFence request{value, "test", -1};
    if (::ioctl(fd_.get(), create_fence, &request) != 0)
        throw std::runtime_error(std::string("sw_sync makes no fence: ") + std::strerror(errno));
    return commonbuf::Fence::from_fd(commonbuf::UniqueFd(request.fence)).value();
}

void SwTimeline::advance(std::uint32_t steps) const
{
    if (::ioctl(fd_.get(), increase, &steps) != 0)
        throw std::runtime_error(std::string("sw_sync does not advance: ") + std::strerror(errno));
}
