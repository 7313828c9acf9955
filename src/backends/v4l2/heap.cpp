// SPDX-License-Identifier: MIT
//
// A V4L2 queue as a heap: the driver's own memory (V4L2_MEMORY_MMAP) as dma-bufs.
//
//     CREATE_BUFS ─► slot 0 ─► EXPBUF ─► dma-buf ──────────────► the caller's
//                      └────── REQBUFS 0: the slot goes, the memory stays with the dma-buf
//
// What is exported outlives its slot (V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS): so the queue is free
// again at once, for the format of the next plan or for streaming. CREATE_BUFS takes any size
// from that of the current format on, and leaves the format alone (videobuf2-core.c).
#include "backends/v4l2/node.hpp"
#include "base/text.hpp"

#include <commonbuf/heap.hpp>

#include <algorithm>
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
            return Error::invalid_argument(operation, text::format("{} bytes make no buffer", bytes));
        const std::lock_guard lock(node_->slots());
        if (has_slots(*node_, role_)) {
            Error busy = format_failure(*node_, EBUSY, "VIDIOC_CREATE_BUFS");
            busy.detail = "the queue has slots, and while it has, its memory is for them alone";
            busy.advice = "allocate the buffers first, and open the queue then";
            return busy;
        }
        if (const Status made = make_slot(bytes); !made)
            return made.error();
        auto memory = export_memory(*node_, role_, 0, 0);
        // Whatever became of it: the queue must be free again.
        v4l2_requestbuffers none{};
        none.type = node_->type(role_);
        none.memory = V4L2_MEMORY_MMAP;
        const int error = node_->ioctl(VIDIOC_REQBUFS, &none);
        if (!memory)
            return memory.error();
        if (error != 0)
            return format_failure(*node_, error, "VIDIOC_REQBUFS");
        const auto size = os::size_of(memory->get());
        if (!size)
            return size.error();
        if (*size < bytes)
            return Error::kernel_failure(operation, text::format("the driver gave {} bytes for {}", *size, bytes));
        return memory;
    }

private:
    /// A slot whose first memory has so many bytes.
    Status make_slot(std::uint64_t bytes)
    {
        v4l2_create_buffers request{};
        request.count = 1;
        request.memory = V4L2_MEMORY_MMAP;
        request.format.type = node_->type(role_);
        if (const int error = node_->ioctl(VIDIOC_G_FMT, &request.format); error != 0)
            return format_failure(*node_, error, "VIDIOC_G_FMT");
        const auto wanted = static_cast<__u32>(bytes);
        if (node_->info().metadata)
            request.format.fmt.meta.buffersize = std::max(request.format.fmt.meta.buffersize, wanted);
        else if (node_->info().multiplanar)
            request.format.fmt.pix_mp.plane_fmt[0].sizeimage =
                std::max(request.format.fmt.pix_mp.plane_fmt[0].sizeimage, wanted);
        else
            request.format.fmt.pix.sizeimage = std::max(request.format.fmt.pix.sizeimage, wanted);
        if (const int error = node_->ioctl(VIDIOC_CREATE_BUFS, &request); error != 0) {
            Error failure = format_failure(*node_, error, "VIDIOC_CREATE_BUFS");
            if (error == ENOMEM)
                failure.detail = text::format("the driver has no {} bytes", bytes);
            return failure;
        }
        return {};
    }

    std::shared_ptr<Node> node_;
    Role role_;
    HeapInfo info_;
};

} // namespace

std::shared_ptr<Heap> make_heap(const std::shared_ptr<Node>& node, Role role)
{
    constexpr std::uint32_t needed = V4L2_BUF_CAP_SUPPORTS_MMAP | V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS;
    if (!node->has(role) || (buffer_capabilities(*node, role) & needed) != needed)
        return nullptr;
    return std::make_shared<QueueHeap>(node, role);
}

} // namespace commonbuf::v4l2
