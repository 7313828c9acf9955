// SPDX-License-Identifier: MIT
//
// Trial imports into a V4L2 queue. PREPARE_BUF attaches and maps without streaming
// (videobuf2-core.c).
#include "backends/v4l2/trial.hpp"

#include "backends/v4l2/heap.hpp"
#include "backends/v4l2/slots.hpp"
#include "base/text.hpp"
#include "os/v4l2_format.hpp"

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <optional>

namespace commonbuf::v4l2 {
namespace {

/// Trials on one queue. One that imports nothing streams only from its own memory, so a trial asks
/// whether the memory is that.
class QueueTrial final : public Trial {
public:
    QueueTrial(const std::shared_ptr<Node>& node, Role role, const Layout& layout, bool imports)
        : node_(node),
          role_(role),
          layout_(layout),
          imports_(imports),
          saved_(node->fd(), node->type(role), !node->info().memory_to_memory)
    {}
    // The format can be put back only when no slot is left.
    ~QueueTrial() override
    {
        if (owns_slots_)
            static_cast<void>(slots(0));
    }

    Status begin()
    {
        if (has_slots(*node_, role_))
            return node_->failed(EBUSY, "VIDIOC_QUERYBUF");
        if (Status saved = saved_.save(node_->info().path); !saved)
            return saved;
        if (Status set = set_layout(); !set || !imports_)
            return set;
        if (layout_.memory_count > 1)
            scout_ = find_scout();
        if (scout_)
            saved_.outlive(*scout_);
        owns_slots_ = true;
        return slots(1).and_then([this] { return slots(0); });
    }

    bool imports() const noexcept override { return imports_; }

    Verdict attempt(std::span<const int> memories) override
    {
        std::array<std::uint64_t, max_planes> sizes{};
        for (std::size_t i = 0; i < memories.size(); ++i) {
            const auto size = os::size_of(memories[i]);
            if (!size)
                return Verdict::refused(size.error());
            if (const Status own = imports_ ? Status() : check_own(memories[i]); !own)
                return Verdict::refused(own.error());
            // A dma-buf that is too short never reaches the driver.
            if (*size < answer_.sizes[i])
                return Verdict::refused(
                    Error::incompatible(Call("lseek"), text::format("memory {} has {} bytes, but the driver needs {}",
                                                                    i, *size, answer_.sizes[i]))
                        .with_sizes(answer_.sizes[i], *size));
            sizes[i] = *size;
        }
        if (!imports_)
            return Verdict::proved("VIDIOC_EXPBUF", "the driver's own memory: open_own_queue()");
        const auto failed = scout(memories, sizes);
        Verdict verdict =
            to_verdict(failed ? *failed : prepare(layout_, memories, std::span(sizes).first(memories.size())));
        verdict.needed = std::accumulate(answer_.sizes.begin(), answer_.sizes.end(), std::uint64_t{0});
        verdict.offered = std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
        return verdict;
    }

private:
    /// Which call decided, and its errno; 0 when it passed.
    struct Answered {
        const char* call;
        int error;
        std::uint32_t data_offset = 0; ///< where in a memory the driver puts the image
    };

    static Verdict to_verdict(const Answered& answered)
    {
        if (answered.error != 0)
            return Verdict::refused(
                Error::from_errno(answered.error, answered.call, "the driver cannot use this memory"));
        if (answered.data_offset != 0)
            return Verdict::refused(Error::incompatible(
                Call(answered.call), text::format("the driver puts the image at offset {} of its memory (data_offset)",
                                                  answered.data_offset)));
        return Verdict::proved(answered.call, "the driver attached and mapped it");
    }

    /// Whether a dma-buf is memory of this driver.
    Status check_own(int dma_buf) const
    {
        const auto id = os::id_of(dma_buf);
        if (!id)
            return id.error();
        if (!node_->has_exported(*id))
            return Error::incompatible(
                Call("VIDIOC_CREATE_BUFS"),
                "the driver imports no memory (no V4L2_BUF_CAP_SUPPORTS_DMABUF); it has its own, " +
                    heap_name(*node_, role_));
        return {};
    }

    Status set_layout()
    {
        v4l2_format next = to_v4l2(*node_, role_, layout_);
        colours_ = colours_to_set(*node_, role_);
        if (colours_)
            set_colorimetry_of(next, role_, *colours_);
        saved_.outlive(next);
        const auto answer = set_format(*node_, role_, layout_, colours_);
        if (!answer)
            return answer.error();
        answer_ = *answer;
        saved_.note_change();
        // Other uses may need larger memories; the kernel counts what an output queue's buffers
        // hold against the size that the driver asked for (__verify_length in videobuf2-v4l2.c).
        for (std::uint32_t i = 0; i < layout_.memory_count; ++i)
            layout_.memory_sizes[i] = answer_.sizes[i];
        return {};
    }

    /// Attaches, maps and detaches, with the format that is set.
    Answered prepare(const Layout& layout, std::span<const int> memories, std::span<const std::uint64_t> sizes) const
    {
        if (const Status made = slots(1); !made)
            return {"VIDIOC_REQBUFS", made.error().sys_errno};
        Description description(*node_, role_, V4L2_MEMORY_DMABUF);
        description.set(layout, memories, sizes, answer_.is_one_field() ? V4L2_FIELD_TOP : V4L2_FIELD_NONE);
        Answered answered{"VIDIOC_PREPARE_BUF", description.send(*node_, VIDIOC_PREPARE_BUF)};
        // Drivers without it map at QBUF, which waits for STREAMON.
        if (answered.error == ENOTTY)
            answered = {"VIDIOC_QBUF", description.send(*node_, VIDIOC_QBUF)};
        // A header in front of the pixels that only the driver knows of.
        answered.data_offset = std::ranges::max(description.planes, {}, &v4l2_plane::data_offset).data_offset;
        static_cast<void>(slots(0));
        return answered;
    }

    /// The kernel loses a reference to each memory behind the one that it refuses
    /// (__prepare_dmabuf in videobuf2-core.c takes all of them before it attaches the
    /// first, and gives back only those that it attached). So each memory is offered by itself
    /// first, in a small format of a single memory. Returns the first failure.
    std::optional<Answered> scout(std::span<const int> memories, std::span<const std::uint64_t> sizes)
    {
        if (!scout_)
            return std::nullopt;
        std::optional<Answered> failed;
        v4l2_format format = *scout_;
        if (node_->ioctl(VIDIOC_S_FMT, &format) == 0) {
            const std::uint32_t least = from_v4l2(format).sizes[0];
            Layout single;
            single.memory_count = 1;
            single.memory_sizes[0] = least;
            for (std::size_t i = 0; i < memories.size() && !failed; ++i) {
                if (sizes[i] < least)
                    continue;
                const Answered answered = prepare(single, memories.subspan(i, 1), sizes.subspan(i, 1));
                if (answered.error != 0)
                    failed = answered;
            }
        }
        // What was set before was accepted before.
        format = to_v4l2(*node_, role_, layout_, answer_.asked_field);
        if (colours_)
            set_colorimetry_of(format, role_, *colours_);
        node_->ioctl(VIDIOC_S_FMT, &format);
        saved_.note_change();
        return failed;
    }

    /// The node's smallest format with a single memory, if it has one.
    std::optional<v4l2_format> find_scout() const
    {
        std::optional<v4l2_format> best;
        for (const std::uint32_t fourcc : node_->formats(role_)) {
            v4l2_format format = bare_format(*node_, role_, fourcc);
            if (node_->ioctl(VIDIOC_TRY_FMT, &format) != 0)
                continue;
            const Answer answer = from_v4l2(format);
            if (answer.memory_count == 1 && answer.sizes[0] != 0 &&
                (!best || answer.sizes[0] < from_v4l2(*best).sizes[0]))
                best = format;
        }
        return best;
    }

    Status slots(std::uint32_t count) const
    {
        const std::lock_guard lock(node_->slots());
        const auto made = request_slots(*node_, role_, V4L2_MEMORY_DMABUF, count);
        if (made)
            return {};
        Error error = made.error();
        if (error.sys_errno == EINVAL) {
            error.category = Category::unsupported;
            error.detail = "the driver does not import dma-bufs (V4L2_MEMORY_DMABUF)";
        }
        return error;
    }

    std::shared_ptr<Node> node_;
    Role role_;
    Layout layout_;
    bool imports_;
    Answer answer_;
    std::optional<Colorimetry> colours_; ///< what the pictures are said to be meanwhile
    std::optional<v4l2_format> scout_;
    os::SavedFormat saved_;
    bool owns_slots_ = false;
};

} // namespace

Result<std::unique_ptr<Trial>> begin_trial(const std::shared_ptr<Node>& node, Role role, const Layout& layout)
{
    // The driver may say that a queue exports its own memory and imports none.
    constexpr std::uint32_t both = V4L2_BUF_CAP_SUPPORTS_MMAP | V4L2_BUF_CAP_SUPPORTS_DMABUF;
    const bool imports = (buffer_capabilities(*node, role) & both) != V4L2_BUF_CAP_SUPPORTS_MMAP;
    auto trial = std::make_unique<QueueTrial>(node, role, layout, imports);
    if (const Status begun = trial->begin(); !begun)
        return begun.error();
    return trial;
}

} // namespace commonbuf::v4l2
