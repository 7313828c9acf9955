// SPDX-License-Identifier: MIT
//
// /dev/dma_heap/NAME (linux/dma-heap.h, drivers/dma-buf/dma-heap.c). The kernel does not say what
// a heap's memory is like: only trials tell.
#include "base/unshared_heap.hpp"
#include "heaps/heaps.hpp"
#include "os/os.hpp"
#include "os/reach.hpp"

#include <fcntl.h>
#include <linux/dma-heap.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <string_view>

namespace commonbuf::heaps {
namespace {

const std::string folder = "/dev/dma_heap/";

class DmaHeap final : public UnsharedHeap {
public:
    explicit DmaHeap(HeapInfo info) : info_(std::move(info)) {}

    const HeapInfo& info() const noexcept override { return info_; }

    Result<UniqueFd> allocate(std::uint64_t bytes) override
    {
        const auto node = opened();
        if (!node)
            return node.error();
        dma_heap_allocation_data request{};
        request.len = bytes;
        request.fd_flags = O_RDWR | O_CLOEXEC;
        if (const int error = os::ioctl(*node, DMA_HEAP_IOCTL_ALLOC, &request); error != 0) {
            Error result = Error::from_errno(error, {"DMA_HEAP_IOCTL_ALLOC", info_.path},
                                             "the heap did not allocate " + std::to_string(bytes) + " bytes");
            if (result.category == Category::out_of_memory)
                result.advice = "free buffers of this heap, or enlarge its region";
            return result;
        }
        return UniqueFd(static_cast<int>(request.fd));
    }

private:
    /// Opens the node when it is first needed, so that listing heaps needs no privilege.
    Result<int> opened()
    {
        const std::lock_guard lock(mutex_);
        if (!node_) {
            auto fd = os::open(info_.path);
            if (!fd)
                return fd.error();
            node_ = std::move(*fd);
        }
        return node_.get();
    }

    HeapInfo info_;
    std::mutex mutex_;
    UniqueFd node_;
};

/// The reserved-memory node that the device tree makes the default CMA region, if any.
std::optional<std::string> default_region_in_device_tree()
{
    const std::string nodes = "/sys/firmware/devicetree/base/reserved-memory/";
    for (std::string& name : os::list(nodes)) {
        if (os::exists(std::string(nodes).append(name).append("/linux,cma-default")))
            return std::move(name);
    }
    return std::nullopt;
}

/// Linux 6.17 gave the default CMA region the stable name `default_cma_region`. Its older name
/// may be listed beside it, for the same memory. What that name is depends on what defines the
/// region: a device-tree node, or the kernel itself.
void mark_duplicates(std::vector<HeapInfo>& heaps)
{
    constexpr std::string_view stable = "default_cma_region";
    const auto named = [&heaps](std::string_view name) { return std::ranges::find(heaps, name, &HeapInfo::name); };
    if (named(stable) == heaps.end())
        return;
    std::vector<std::string> legacy{"reserved", "linux,cma", "default-pool"};
    if (auto node = default_region_in_device_tree())
        legacy = {std::move(*node)};
    for (const std::string& name : legacy) {
        if (const auto heap = named(name); heap != heaps.end()) {
            heap->same_as = stable;
            return;
        }
    }
}

} // namespace

std::vector<std::shared_ptr<Heap>> find_dma_heaps(std::optional<Error>* failure)
{
    std::vector<std::string> names;
    if (os::kernel().list(folder.c_str(), names) != 0 && errno != ENOENT && failure != nullptr)
        *failure = Error::from_errno(errno, {"opendir", folder});
    std::ranges::sort(names);
    std::vector<HeapInfo> infos;
    for (const std::string& name : names) {
        HeapInfo info;
        info.name = name;
        info.kind = HeapKind::dma_heap;
        info.path = folder + name;
        // The only name that the kernel documents the memory of (dma-heap.rst, system_heap.c). Its pages
        // lie anywhere.
        if (name == "system")
            info.memory = {
                .contiguous = false, .cached = true, .protected_memory = false, .address_bits = os::bits_of_memory()};
        else
            info.scarce = true;
        info.obstacle = obstacle_of(info.path);
        infos.push_back(std::move(info));
    }
    mark_duplicates(infos);

    std::vector<std::shared_ptr<Heap>> heaps;
    heaps.reserve(infos.size());
    for (HeapInfo& info : infos)
        heaps.push_back(std::make_shared<DmaHeap>(std::move(info)));
    return heaps;
}

} // namespace commonbuf::heaps
