// SPDX-License-Identifier: MIT
//
// Trial imports into a V4L2 queue. PREPARE_BUF attaches and maps without streaming
// (videobuf2-core.c).
#include "backends/v4l2/trial.hpp"

#include "backends/v4l2/failure.hpp"
#include "backends/v4l2/heap.hpp"
#include "backends/v4l2/slots.hpp"
#include "base/text.hpp"
#include "os/v4l2_format.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

namespace commonbuf::v4l2 {
namespace {

/// A dma-buf that is too short for what the driver asks for.
Verdict too_short(std::size_t memory, std::uint64_t needed, std::uint64_t offered)
{
    return Verdict::refused(
        Error::incompatible(Call("lseek"),
                            text::format("memory {} has {} bytes, but the driver needs {}", memory, offered, needed))
            .with_sizes(needed, offered));
}

class QueueTrial final : public Trial {
public:
    QueueTrial(const std::shared_ptr<Node>& node, Role role, const Layout& layout)
        : node_(node),
          role_(role),
          layout_(layout),
          saved_(node->fd(), node->type(role), !node->info().memory_to_memory)
    {}
    // The format can be put back only when no slot is left.
    ~QueueTrial() override
    {
        if (owns_slots_)
            static_cast<void>(slots(0));
    }
    QueueTrial(const QueueTrial&) = delete;
    QueueTrial& operator=(const QueueTrial&) = delete;

    Status begin()
    {
        if (has_slots(*node_, role_))
            return call_failed(*node_, EBUSY, "VIDIOC_QUERYBUF");
        if (Status saved = saved_.save(node_->info().path); !saved)
            return saved;
        if (Status set = set_layout(); !set)
            return set;
        if (layout_.memory_count > 1)
            scout_ = find_scout();
        if (scout_)
            saved_.outlive(*scout_);
        owns_slots_ = true;
        return slots(1).and_then([this] { return slots(0); });
    }

    Verdict attempt(std::span<const int> memories) override
    {
        std::array<std::uint64_t, max_planes> sizes{};
        std::uint64_t needed = 0;
        std::uint64_t offered = 0;
        for (std::size_t i = 0; i < memories.size(); ++i) {
            // A dma-buf that is too short never reaches the driver.
            const auto size = os::size_of(memories[i]);
            if (!size)
                return Verdict::refused(size.error());
            sizes[i] = *size;
            needed += answer_.sizes[i];
            offered += *size;
            if (*size < answer_.sizes[i])
                return too_short(i, answer_.sizes[i], *size);
        }
        const auto failed = scout(memories, sizes);
        Verdict verdict =
            to_verdict(failed ? *failed : prepare(layout_, memories, std::span(sizes).first(memories.size())));
        verdict.needed = needed;
        verdict.offered = offered;
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

    Status set_layout()
    {
        saved_.outlive(to_v4l2(*node_, role_, layout_));
        const auto answer = set_format(*node_, role_, layout_);
        if (!answer)
            return answer.error();
        answer_ = *answer;
        // Other uses may need larger memories; the kernel counts what an output queue's buffers
        // hold against the size that the driver asked for (__verify_length in videobuf2-v4l2.c).
        for (std::uint32_t i = 0; i < layout_.memory_count; ++i)
            layout_.memory_sizes[i] = answer_.sizes[i];
        return {};
    }

    /// Attaches, maps and lets go again, with the format that is set.
    Answered prepare(const Layout& layout, std::span<const int> memories, std::span<const std::uint64_t> sizes) const
    {
        std::uint32_t count = 1;
        if (const int error = request_slots(*node_, role_, count); error != 0)
            return {"VIDIOC_REQBUFS", error};
        Planes planes{};
        v4l2_buffer buffer = describe(*node_, role_, 0, layout, memories, sizes, planes);
        Answered answered{"VIDIOC_PREPARE_BUF", node_->ioctl(VIDIOC_PREPARE_BUF, &buffer)};
        if (answered.error == ENOTTY) {
            // Drivers without it map at QBUF, which waits for STREAMON.
            buffer = describe(*node_, role_, 0, layout, memories, sizes, planes);
            answered = {"VIDIOC_QBUF", node_->ioctl(VIDIOC_QBUF, &buffer)};
        }
        // A header in front of the pixels that only the driver knows of.
        for (const v4l2_plane& plane : planes)
            answered.data_offset = std::max<std::uint32_t>(answered.data_offset, plane.data_offset);
        count = 0;
        request_slots(*node_, role_, count);
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
        format = to_v4l2(*node_, role_, layout_);
        node_->ioctl(VIDIOC_S_FMT, &format);
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
        const int error = request_slots(*node_, role_, count);
        if (error == 0)
            return {};
        Error result = call_failed(*node_, error, "VIDIOC_REQBUFS");
        if (error == EINVAL) {
            result.category = Category::unsupported;
            result.detail = "the driver does not import dma-bufs (V4L2_MEMORY_DMABUF)";
        }
        return result;
    }

    std::shared_ptr<Node> node_;
    Role role_;
    Layout layout_;
    Answer answer_;
    std::optional<v4l2_format> scout_;
    os::SavedFormat saved_;
    bool owns_slots_ = false;
};

/// A queue that imports nothing (no V4L2_MEMORY_DMABUF): it streams only from its own memory.
class OwnMemoryTrial final : public Trial {
public:
    OwnMemoryTrial(const std::shared_ptr<Node>& node, Role role)
        : node_(node),
          role_(role),
          saved_(node->fd(), node->type(role), !node->info().memory_to_memory)
    {}

    Status begin(const Layout& layout)
    {
        if (has_slots(*node_, role_))
            return call_failed(*node_, EBUSY, "VIDIOC_QUERYBUF");
        if (Status saved = saved_.save(node_->info().path); !saved)
            return saved;
        saved_.outlive(to_v4l2(*node_, role_, layout));
        const auto answer = set_format(*node_, role_, layout);
        if (!answer)
            return answer.error();
        answer_ = *answer;
        return {};
    }

    Verdict attempt(std::span<const int> memories) override
    {
        for (std::size_t i = 0; i < memories.size(); ++i) {
            const auto id = os::id_of(memories[i]);
            if (!id)
                return Verdict::refused(id.error());
            const auto size = os::size_of(memories[i]);
            if (!size)
                return Verdict::refused(size.error());
            if (!node_->has_exported(*id))
                return Verdict::refused(Error::incompatible(
                    Call("VIDIOC_CREATE_BUFS"),
                    "the driver imports no memory (no V4L2_BUF_CAP_SUPPORTS_DMABUF); it has its own, " +
                        heap_name(*node_, role_)));
            if (*size < answer_.sizes[i])
                return too_short(i, answer_.sizes[i], *size);
        }
        return Verdict::proved("VIDIOC_EXPBUF", "the driver's own memory: open_own_queue()");
    }

    bool imports() const noexcept override { return false; }

private:
    std::shared_ptr<Node> node_;
    Role role_;
    Answer answer_;
    os::SavedFormat saved_;
};

/// Whether the driver says that a queue exports its own memory and imports none.
bool has_only_own_memory(const Node& node, Role role)
{
    constexpr std::uint32_t both = V4L2_BUF_CAP_SUPPORTS_MMAP | V4L2_BUF_CAP_SUPPORTS_DMABUF;
    return (buffer_capabilities(node, role) & both) == V4L2_BUF_CAP_SUPPORTS_MMAP;
}

template <typename Kind, typename... Arguments>
Result<std::unique_ptr<Trial>> begun(std::unique_ptr<Kind> trial, Arguments&... arguments)
{
    if (const Status begun = trial->begin(arguments...); !begun)
        return begun.error();
    return trial;
}

} // namespace

Result<std::unique_ptr<Trial>> begin_trial(const std::shared_ptr<Node>& node, Role role, const Layout& layout)
{
    if (has_only_own_memory(*node, role))
        return begun(std::make_unique<OwnMemoryTrial>(node, role), layout);
    return begun(std::make_unique<QueueTrial>(node, role, layout));
}

} // namespace commonbuf::v4l2
