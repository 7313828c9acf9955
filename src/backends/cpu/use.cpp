// SPDX-License-Identifier: MIT
#include "os/os.hpp"

#include <commonbuf/use.hpp>

#include <linux/dma-buf.h>
#include <linux/ioctl.h>

#include <cerrno>
#include <memory>

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
        // mmap(2) has no device that could be gone: the exporter does not map such memory.
        if (!mapping && mapping.error().sys_errno == ENODEV) {
            Error never = mapping.error();
            never.category = Category::unsupported;
            return never;
        }
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
            // How many memories an opaque format has is the driver's business.
            if (is_opaque(format) || (info != nullptr && info->plane_count > 1))
                all->entries.push_back({format, linear, Memories::per_plane, asks_});
        }
        all->sort();
        return all;
    }

    Result<std::unique_ptr<Trial>> begin_trial(const Layout&) override { return std::make_unique<CpuTrial>(access_); }

private:
    Access access_;
    std::string name_;
    std::string identity_;
    SharedConstraints asks_;
};

} // namespace

Use cpu(Access access, CpuFrequency frequency) { return Use(std::make_shared<CpuImporter>(access, frequency)); }

} // namespace commonbuf
