// SPDX-License-Identifier: MIT
#include "buffer/buffer_state.hpp"
#include "verify/compare.hpp"
#include "os/os.hpp"

#include <commonbuf/use.hpp>

#include <linux/dma-buf.h>

#include <memory>
#include <vector>

namespace commonbuf {
namespace {

/// Maps and brackets the memory as a real access does.
class CpuTrial final : public Trial {
public:
    explicit CpuTrial(Access access) : access_(access) {}

    Verdict attempt(std::span<const int> memories) override
    {
        for (const int memory : memories) {
            if (const Status touched = touch(memory); !touched)
                return Verdict::refused(touched.error());
        }
        return Verdict::proved("DMA_BUF_IOCTL_SYNC", "mapped and bracketed");
    }

private:
    Status touch(int memory) const
    {
        const auto size = os::size_of(memory);
        if (!size)
            return size.error();
        const auto mapping = os::Mapping::create(memory, *size, access_ != Access::read);
        if (!mapping)
            return mapping.error();
        std::uint64_t flags = access_ != Access::write ? DMA_BUF_SYNC_READ : 0U;
        flags |= access_ != Access::read ? DMA_BUF_SYNC_WRITE : 0U;
        for (const unsigned half : {unsigned{DMA_BUF_SYNC_START}, unsigned{DMA_BUF_SYNC_END}}) {
            dma_buf_sync request{flags | half};
            if (const int error = os::ioctl_again(memory, DMA_BUF_IOCTL_SYNC, &request); error != 0)
                return Error::from_errno(error, "DMA_BUF_IOCTL_SYNC");
        }
        return {};
    }

    Access access_;
};

class CpuImporter final : public Importer {
public:
    CpuImporter(Access access, CpuFrequency frequency) : access_(access)
    {
        switch (access) {
        case Access::read: name_ = "cpu:read"; break;
        case Access::write: name_ = "cpu:write"; break;
        case Access::read_write: name_ = "cpu:rw"; break;
        }
        identity_ = name_;
        if (frequency == CpuFrequency::frequent) {
            name_ += ":often";
            Constraints asks;
            asks.cached = Choice::with;
            asks.add_origin({Constraint::cached, 1, name_, "asked for by the caller"});
            asks_ = std::move(asks);
        }
    }

    const std::string& name() const noexcept override { return name_; }
    const std::string& identity() const noexcept override { return identity_; }

    std::optional<Access> cpu_access() const noexcept override { return access_; }

    /// Accepts rows of any stride, at any offset.
    Result<std::shared_ptr<const Support>> support(const Request& request) override
    {
        auto all = std::make_shared<Support>();
        for (const Format format : request.formats()) {
            all->entries.push_back({format, linear, Memories::single, asks_});
            const FormatInfo* info = format_info(format);
            if (info != nullptr && info->plane_count > 1)
                all->entries.push_back({format, linear, Memories::per_plane, asks_});
        }
        all->sort();
        return all;
    }

    Result<std::unique_ptr<Trial>> begin_trial(const Layout&) override { return std::make_unique<CpuTrial>(access_); }

    /// Writes through one mapping and reads through another one.
    Result<Content> verify(std::span<const Buffer> buffers, std::uint32_t frames, Deadline deadline) override
    {
        if (buffers.empty() || frames == 0)
            return Error::invalid_argument("verify " + name_, "there is no buffer or no frame to look at");
        Content content;
        content.stage = "what was written through another mapping";
        std::vector<Buffer> others;
        for (const Buffer& buffer : buffers) {
            auto other = map_again(buffer);
            if (!other)
                return other.error();
            others.push_back(std::move(*other));
        }
        for (std::uint32_t i = 0; i < frames; ++i) {
            const std::size_t index = i % buffers.size();
            if (const Status looked = write_and_read(buffers[index], others[index], i, deadline, content); !looked)
                return looked.error();
        }
        if (content.result == Sameness::not_checked)
            content.result = Sameness::same;
        return content;
    }

private:
    /// The same memory as a buffer of its own, which has a mapping of its own.
    static Result<Buffer> map_again(const Buffer& buffer)
    {
        std::vector<UniqueFd> memories;
        for (std::uint32_t i = 0; i < buffer.layout().memory_count; ++i) {
            auto memory = buffer.export_fd(i);
            if (!memory)
                return memory.error();
            memories.push_back(std::move(*memory));
        }
        return Buffer::wrap(buffer.layout(), std::move(memories));
    }

    static Status write_and_read(const Buffer& buffer, const Buffer& other, std::uint32_t frame, Deadline deadline,
                                 Content& content)
    {
        content::Picture expected;
        {
            auto access = buffer.write(deadline);
            if (!access)
                return access.error();
            const content::View view{buffer.layout(), buffer.state().bytes()};
            content::draw(view, frame);
            expected = content::Picture(view);
            if (Status ended = access->end(); !ended)
                return ended;
        }
        auto access = other.read(deadline);
        if (!access)
            return access.error();
        const content::View view{other.layout(), other.state().bytes()};
        const auto comparison = content::compare(expected, view);
        if (comparison.first && !content.first) {
            const auto guess = content::guess(expected, view, std::nullopt);
            content.cause = guess.cause;
            content.reason = guess.reason;
        }
        content::add(content, frame, comparison);
        return access->end();
    }

    Access access_;
    std::string name_;
    std::string identity_;
    SharedConstraints asks_;
};

} // namespace

Use cpu(Access access, CpuFrequency frequency) { return Use(std::make_shared<CpuImporter>(access, frequency)); }

} // namespace commonbuf
