// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/format.hpp"
#include "backends/v4l2/node.hpp"
#include "backends/v4l2/slots.hpp"
#include "buffer/image_place.hpp"

#include <commonbuf/buffer.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/place.hpp>
#include <commonbuf/v4l2/frame.hpp>
#include <commonbuf/v4l2/payload.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace commonbuf::v4l2 {

/// Whether a queue can be opened at all: the role, the layout, the count.
Status check_opening(const Node& node, Role role, const Layout& layout, std::uint32_t slots);

/// The kernel's side of a Queue: which buffer is in which slot. It knows no fences and no
/// threads; its functions are those of Queue.
class SlotTable {
public:
    /// Makes the slots of a queue whose format is set.
    static Result<std::unique_ptr<SlotTable>> create(std::shared_ptr<Node> node, Role role, const Layout& layout,
                                                     const Answer& answer, std::uint32_t slots, bool own);
    SlotTable(const SlotTable&) = delete;
    SlotTable& operator=(const SlotTable&) = delete;
    ~SlotTable();

    const Node& node() const noexcept { return *node_; }
    const std::shared_ptr<Node>& node_handle() const noexcept { return node_; }
    Role role() const noexcept { return role_; }
    std::uint32_t field() const noexcept { return field_; }
    std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(slots_.size()); }
    std::size_t with_device() const noexcept;
    std::vector<Buffer> buffers() const;
    bool supports_requests() const noexcept { return supports_requests_; }
    bool requires_requests() const noexcept { return requires_requests_; }
    bool supports_hold_capture() const noexcept { return supports_hold_capture_; }
    bool streaming() const noexcept { return streaming_; }
    bool ended() const noexcept { return ended_; }
    void deliver_damaged(bool deliver) noexcept { delivers_damaged_ = deliver; }
    void deliver_offsets(bool deliver) noexcept { delivers_offsets_ = deliver; }
    void set_cpu_access(bool access) noexcept { cpu_access_ = access; }

    Status queue(const Buffer& buffer, const Payload& payload, Place where);
    /// Returns the buffers whose memory the driver refused since the last call, with its answers.
    std::vector<std::pair<Buffer, Error>> pop_refused() noexcept { return std::exchange(refused_, {}); }
    Result<std::optional<Frame>> try_dequeue();
    Status start();
    Status stop();
    Status resume(bool idle);
    Result<std::uint32_t> grow(std::uint32_t more);
    Status reclaim(const Buffer& buffer);

private:
    struct Slot {
        std::optional<Buffer> buffer; ///< whose mapping the kernel keeps here
        ImagePlace place{};
        bool queued = false;
        std::uint64_t last_use = 0;
    };

    SlotTable(std::shared_ptr<Node> node, Role role, const Layout& layout, std::uint32_t field, bool own);
    bool is_own() const noexcept { return memory_ == V4L2_MEMORY_MMAP; }
    Status request(std::uint32_t count);
    Result<Buffer> export_slot(std::uint32_t index) const;
    Result<ImagePlace> check_buffer(const Buffer& buffer) const;
    Result<Slot*> free_slot(const Buffer& buffer);
    Slot* slot_for(const Buffer& buffer);
    std::uint32_t index_of(const Slot& slot) const noexcept
    {
        return static_cast<std::uint32_t>(&slot - slots_.data());
    }
    Description describe(const Buffer& buffer, const ImagePlace& place, const Slot& slot) const;
    std::uint32_t next_field() const noexcept;
    Status stream(bool on);
    bool is_for_memory(const Slot& slot, const Payload& payload) const;
    Error refused(const Buffer& buffer, const Slot& slot, const Payload& payload, int error);
    Status restart();
    Result<std::optional<Frame>> make_frame(const Buffer& buffer, Description& description) const;
    void came_back(const Buffer& buffer, const Fence& done) const;
    void tell_back(const Buffer& buffer, bool failed) const;

    std::shared_ptr<Node> node_;
    Role role_;
    Layout layout_;
    std::uint32_t field_; ///< what each buffer holds
    v4l2_memory memory_;
    std::vector<Slot> slots_;
    std::uint64_t uses_ = 0;
    bool bottom_is_next_ = false; ///< of an output queue whose buffers hold one field each
    std::vector<std::pair<Buffer, Error>> refused_;
    bool streaming_ = false;
    bool ended_ = false; ///< the last frame has come
    bool cpu_access_ = true;
    bool delivers_damaged_ = false;
    bool delivers_offsets_ = false;
    bool supports_requests_ = false;
    bool supports_hold_capture_ = false;
    bool requires_requests_ = false;
};

} // namespace commonbuf::v4l2
