// SPDX-License-Identifier: MIT
//
// A V4L2 queue as a heap: the driver's own memory (V4L2_MEMORY_MMAP) as dma-bufs.
//
//     CREATE_BUFS ─► slot 0 ─► EXPBUF ─► dma-buf ──────────────► the caller's
//                      └────── REQBUFS 0: the slot goes, the memory stays with the dma-buf
//
// Exported memory outlives its slot (V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS), so the queue is free
// again at once, for the format of the next plan or for streaming. CREATE_BUFS takes any size
// from that of the current format on, and leaves the format alone (videobuf2-core.c).
#include "backends/v4l2/heap.hpp"

#include "backends/v4l2/slots.hpp"
#include "base/text.hpp"
#include "base/unshared_heap.hpp"
#include "os/reach.hpp"

#include <commonbuf/heap.hpp>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <optional>

namespace commonbuf::v4l2 {
namespace {

class QueueHeap final : public UnsharedHeap {
public:
    QueueHeap(std::shared_ptr<Node> node, Role role, std::optional<std::uint32_t> reach)
        : node_(std::move(node)),
          role_(role)
    {
        info_.name = heap_name(*node_, role);
        identity_ = node_->identity(role);
        info_.kind = HeapKind::v4l2;
        info_.path = node_->info().path;
        // Of whatever the driver needs: often of the one region that suits it.
        info_.scarce = true;
        // And within the device's reach, if that is limited.
        info_.memory.address_bits = reach;
    }

    const HeapInfo& info() const noexcept override { return info_; }
    const std::string& identity() const noexcept override { return identity_; }

    Result<UniqueFd> allocate(std::uint64_t bytes) override
    {
        const Call operation = node_->where("VIDIOC_CREATE_BUFS");
        if (bytes == 0 || bytes > std::numeric_limits<std::uint32_t>::max())
            return Error::invalid_argument(operation, text::format("a buffer cannot have {} bytes", bytes));
        const std::lock_guard lock(node_->slots());
        if (has_slots(*node_, role_))
            return Error::busy(operation, "the queue has slots, and its memory is only for them while it has",
                               "allocate the buffers first, then open the queue");
        if (const auto made = create_slots(*node_, role_, V4L2_MEMORY_MMAP, 1, narrow(bytes)); !made) {
            Error failure = made.error();
            if (failure.sys_errno == ENOMEM)
                failure.detail = text::format("the driver does not have {} bytes", bytes);
            return failure;
        }
        auto memory = export_memory(*node_, role_, 0, 0);
        // Even if that failed, the queue must be free again.
        const auto freed = request_slots(*node_, role_, V4L2_MEMORY_MMAP, 0);
        if (!memory)
            return memory.error();
        if (!freed)
            return freed.error();
        const auto size = os::size_of(memory->get());
        if (!size)
            return size.error();
        if (*size < bytes)
            return Error::kernel_failure(operation,
                                         text::format("asked for {} bytes, the driver gave {}", bytes, *size));
        return memory;
    }

private:
    std::shared_ptr<Node> node_;
    Role role_;
    HeapInfo info_;
    std::string identity_;
};

} // namespace

std::string heap_name(const Node& node, Role role)
{
    return text::format("v4l2-{}-{}", node.kernel_name(), to_string(role));
}

std::shared_ptr<Heap> make_heap(const std::shared_ptr<Node>& node, Role role)
{
    constexpr std::uint32_t needed = V4L2_BUF_CAP_SUPPORTS_MMAP | V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS;
    if (!node->has(role) || (buffer_capabilities(*node, role) & needed) != needed)
        return nullptr;
    return std::make_shared<QueueHeap>(node, role, os::reach_of(node->sysfs() + "/device"));
}

} // namespace commonbuf::v4l2
