// SPDX-License-Identifier: MIT
#include "fake/fences.hpp"

#include <linux/dma-buf.h>
#include <linux/sync_file.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace fake {
namespace {

int failed(int error)
{
    errno = error;
    return -1;
}

/// What is left when the kernel merges: signalled ones go, failed or not, and equal ones
/// count once. Where nothing is left, something that has signalled.
std::shared_ptr<SyncFile> merged(const Fences& all)
{
    Fences left;
    for (const auto& fence : all) {
        if (pending(fence) && std::find(left.begin(), left.end(), fence) == left.end())
            left.push_back(fence);
    }
    if (left.empty())
        left.push_back(signalled_fence());
    return std::make_shared<SyncFile>(std::move(left));
}

void write_info(const FenceModel& fence, sync_fence_info& info)
{
    info = {};
    fence.timeline.copy(info.obj_name, sizeof info.obj_name - 1);
    fence.driver.copy(info.driver_name, sizeof info.driver_name - 1);
    info.status = fence.status;
    info.timestamp_ns = fence.timestamp;
}

/// Counts a look at a fence, and lets it signal after the last one.
void seen(FenceModel& fence)
{
    if (fence.looks > 0 && --fence.looks == 0)
        fence.status = 1;
}

} // namespace

Fences SyncFile::fences() const
{
    Fences all = fences_;
    std::copy_if(before_.begin(), before_.end(), std::back_inserter(all), pending);
    return all;
}

short SyncFile::ready(short events)
{
    const Fences all = fences();
    const bool over = std::none_of(all.begin(), all.end(), pending);
    for (const auto& fence : all)
        seen(*fence);
    return over ? events : short{0};
}

short EventFd::ready(short events)
{
    const bool any = std::any_of(signalled.begin(), signalled.end(), [](const auto& has) { return has(); });
    return any ? events : short{0};
}

int Machine::add_eventfd() { return new_descriptor(std::make_shared<EventFd>()); }

int SyncFile::ioctl(Machine& machine, unsigned long request, void* argument)
{
    if (request == SYNC_IOC_FILE_INFO) {
        auto& info = *static_cast<sync_file_info*>(argument);
        const Fences all = fences();
        const auto count = static_cast<std::uint32_t>(all.size());
        if (info.num_fences != 0 && info.num_fences < count)
            return failed(EINVAL);
        auto* parts = reinterpret_cast<sync_fence_info*>(static_cast<std::uintptr_t>(info.sync_fence_info));
        for (std::uint32_t i = 0; info.num_fences != 0 && i < count; ++i) {
            write_info(*all[i], parts[i]);
            seen(*all[i]);
        }
        info.num_fences = count;
        return 0;
    }
    if (request == SYNC_IOC_MERGE) {
        auto& merge = *static_cast<sync_merge_data*>(argument);
        const auto other = std::dynamic_pointer_cast<SyncFile>(machine.file(merge.fd2));
        if (other == nullptr)
            return failed(ENOENT);
        Fences all = fences();
        const Fences more = other->fences();
        all.insert(all.end(), more.begin(), more.end());
        merge.fence = machine.new_descriptor(merged(all));
        return 0;
    }
    return failed(ENOTTY);
}

std::shared_ptr<FenceModel> Machine::add_fence(const std::string& timeline)
{
    return std::make_shared<FenceModel>(FenceModel{"fake", timeline, 0, 0});
}

int Machine::sync_file(const std::shared_ptr<FenceModel>& fence)
{
    return new_descriptor(std::make_shared<SyncFile>(Fences{fence}));
}

int DmaBuf::export_fence(Machine& machine, void* argument) const
{
    auto& request = *static_cast<dma_buf_export_sync_file*>(argument);
    if ((request.flags & DMA_BUF_SYNC_RW) == 0)
        return failed(EINVAL);
    Fences all;
    if (busy)
        all.push_back(Machine::add_fence("busy"));
    for (const auto& [fence, writes] : fences) {
        if (writes || (request.flags & DMA_BUF_SYNC_WRITE) != 0)
            all.push_back(fence);
    }
    request.fd = machine.new_descriptor(merged(all));
    return 0;
}

int DmaBuf::import_fence(Machine& machine, void* argument)
{
    const auto& request = *static_cast<dma_buf_import_sync_file*>(argument);
    const auto file = std::dynamic_pointer_cast<SyncFile>(machine.file(request.fd));
    if ((request.flags & DMA_BUF_SYNC_RW) == 0 || file == nullptr)
        return failed(EINVAL);
    for (const auto& fence : file->fences())
        fences.emplace_back(fence, (request.flags & DMA_BUF_SYNC_WRITE) != 0);
    return 0;
}

short DmaBuf::ready(short events)
{
    if (busy)
        return 0;
    for (const auto& [fence, writes] : fences) {
        if (pending(fence) && (writes || (events & POLLOUT) != 0))
            return 0;
    }
    return events;
}

} // namespace fake
