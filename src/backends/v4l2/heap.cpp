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

#include "backends/v4l2/failure.hpp"
#include "backends/v4l2/slots.hpp"
#include "base/text.hpp"

#include <commonbuf/heap.hpp>

#include <cerrno>
#include <limits>

namespace commonbuf::v4l2 {
namespace {

class QueueHeap final : public Heap {
public:
    QueueHeap(std::shared_ptr<Node> node, Role role) : node_(std::move(node)), role_(role)
    {
        info_.name = heap_name(*node_, role);
        info_.kind = HeapKind::v4l2;
        info_.path = node_->info().path;
        // Of whatever the driver needs: often of the one region that suits it.
        info_.scarce = true;
    }

    const HeapInfo& info() const noexcept override { return info_; }

    Result<UniqueFd> allocate(std::uint64_t bytes) override
    {
        const Call operation = node_->where("VIDIOC_CREATE_BUFS");
        if (bytes == 0 || bytes > std::numeric_limits<std::uint32_t>::max())
            return Error::invalid_argument(operation, text::format("a buffer cannot have {} bytes", bytes));
        const std::lock_guard lock(node_->slots());
        if (has_slots(*node_, role_))
            return Error::busy(operation, "the queue has slots, and its memory is only for them while it has",
                               "allocate the buffers first, then open the queue");
        if (const Status made = make_slot(bytes); !made)
            return made.error();
        auto memory = export_memory(*node_, role_, 0, 0);
        // Whether that worked or not, the queue must be free again.
        v4l2_requestbuffers none{};
        none.type = node_->type(role_);
        none.memory = V4L2_MEMORY_MMAP;
        const int error = node_->ioctl(VIDIOC_REQBUFS, &none);
        if (!memory)
            return memory.error();
        if (error != 0)
            return call_failed(*node_, error, "VIDIOC_REQBUFS");
        const auto size = os::size_of(memory->get());
        if (!size)
            return size.error();
        if (*size < bytes)
            return Error::kernel_failure(operation,
                                         text::format("asked for {} bytes, the driver gave {}", bytes, *size));
        return memory;
    }

private:
    /// A slot whose first memory has so many bytes.
    Status make_slot(std::uint64_t bytes)
    {
        const auto format = current_format(*node_, role_);
        if (!format)
            return format.error();
        v4l2_create_buffers request{};
        request.count = 1;
        request.memory = V4L2_MEMORY_MMAP;
        request.format = *format;
        enlarge(request.format, narrow(bytes));
        if (const int error = node_->ioctl(VIDIOC_CREATE_BUFS, &request); error != 0) {
            Error failure = call_failed(*node_, error, "VIDIOC_CREATE_BUFS");
            if (error == ENOMEM)
                failure.detail = text::format("the driver does not have {} bytes", bytes);
            return failure;
        }
        return {};
    }

    std::shared_ptr<Node> node_;
    Role role_;
    HeapInfo info_;
};

} // namespace

std::string heap_name(const Node& node, Role role)
{
    const std::string& path = node.info().path;
    return text::format("v4l2-{}-{}", path.substr(path.find_last_of('/') + 1), to_string(role));
}

std::shared_ptr<Heap> make_heap(const std::shared_ptr<Node>& node, Role role)
{
    constexpr std::uint32_t needed = V4L2_BUF_CAP_SUPPORTS_MMAP | V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS;
    if (!node->has(role) || (buffer_capabilities(*node, role) & needed) != needed)
        return nullptr;
    return std::make_shared<QueueHeap>(node, role);
}

} // namespace commonbuf::v4l2
