// SPDX-License-Identifier: MIT
#include "device.hpp"

#include "scale.hpp"

#include <algorithm>
#include <cerrno>

namespace replay {
namespace {

/// How a kind of driver answers to memory.
struct Manners {
    cb::Outcome consent;
    const char* consents_at;
    const char* refuses_at;
    int scattered; ///< errno for memory that is not contiguous
    int unmapped;  ///< errno for memory that it cannot address
};

/// vb2 refuses what it cannot map with EINVAL, and what it could map in pieces only with
/// EFAULT (vb2_dc_map_dmabuf in videobuf2-dma-contig.c); drivers on the DMA helpers look at
/// the pieces when they import (drm_gem_dma_prime_import_sg_table).
Manners manners_of(const std::string& use)
{
    if (use.starts_with("v4l2:"))
        return {cb::Outcome::proved, "VIDIOC_PREPARE_BUF", "VIDIOC_PREPARE_BUF", EFAULT, EINVAL};
    if (use.starts_with("drm:") && use.ends_with(":render"))
        return {cb::Outcome::accepted, "DRM_IOCTL_PRIME_FD_TO_HANDLE", "DRM_IOCTL_PRIME_FD_TO_HANDLE", EINVAL, EIO};
    if (use.starts_with("drm:"))
        return {cb::Outcome::accepted, "DRM_IOCTL_MODE_ADDFB2", "DRM_IOCTL_PRIME_FD_TO_HANDLE", EINVAL, EIO};
    return {cb::Outcome::proved, "mmap", "mmap", EINVAL, EINVAL};
}

class ReplayedTrial final : public cb::Trial {
public:
    ReplayedTrial(UseRecord record, std::shared_ptr<const Heaps> heaps, const cb::Layout& layout)
        : record_(std::move(record)),
          manners_(manners_of(record_.name)),
          heaps_(std::move(heaps)),
          layout_(layout)
    {}

    cb::Verdict attempt(std::span<const int> memories) override
    {
        cb::Verdict verdict{.outcome = manners_.consent, .call = manners_.consents_at, .reason = "as the dump says"};
        std::uint64_t needed_in_all = 0;
        std::uint64_t offered_in_all = 0;
        for (std::size_t i = 0; i < memories.size(); ++i) {
            const std::uint64_t needed = layout_.memory_sizes[i];
            const std::uint64_t offered = size_of(memories[i]).value_or(0);
            if (offered < needed)
                return cb::Verdict::refused(
                    cb::Error::incompatible(cb::Call("lseek"), "the memory is too small").with_sizes(needed, offered));
            answer(heaps_->origin(memories[i]), verdict);
            needed_in_all += needed;
            offered_in_all += offered;
        }
        verdict.needed = needed_in_all;
        verdict.offered = offered_in_all;
        return verdict;
    }

private:
    /// What the use says to memory of a heap; nullptr stands for scattered pages that the
    /// library made for the trial.
    void answer(const HeapRecord* heap, cb::Verdict& verdict) const
    {
        const std::string from = heap != nullptr ? heap->info.name : "udmabuf pages";
        const auto contiguous = heap != nullptr ? heap->truth.contiguous : std::optional(false);
        const auto bits = heap != nullptr ? heap->truth.address_bits : std::nullopt;
        if (record_.contiguous == true && contiguous == false)
            refuse(verdict, manners_.scattered,
                   "the device takes contiguous memory only, and that of " + from + " is scattered");
        else if (record_.address_bits && bits && *bits > *record_.address_bits)
            refuse(verdict, manners_.unmapped,
                   "the device reaches " + std::to_string(*record_.address_bits) + " bits of addresses, and " + from +
                       " has " + std::to_string(*bits));
        else if (record_.contiguous.value_or(true) && contiguous != true)
            doubt(verdict, record_.contiguous ? "the dump does not say whether memory of " + from + " is contiguous"
                                              : "the dump does not say whether the device takes scattered memory");
        else if (record_.address_bits && !bits)
            doubt(verdict, "the dump does not say which addresses memory of " + from + " has");
    }

    void refuse(cb::Verdict& verdict, int error, std::string reason) const
    {
        verdict = cb::Verdict::refused(cb::Error::from_errno(error, manners_.refuses_at, std::move(reason)));
    }

    static void doubt(cb::Verdict& verdict, std::string reason)
    {
        if (verdict.outcome == cb::Outcome::refused)
            return;
        verdict.outcome = cb::Outcome::accepted;
        verdict.reason = std::move(reason);
    }

    UseRecord record_;
    Manners manners_;
    std::shared_ptr<const Heaps> heaps_;
    cb::Layout layout_;
};

class ReplayedDevice final : public cb::Importer {
public:
    ReplayedDevice(UseRecord record, Size measured_at, std::shared_ptr<const Heaps> heaps)
        : record_(std::move(record)),
          measured_at_(measured_at),
          heaps_(std::move(heaps))
    {}

    const std::string& name() const noexcept override { return record_.name; }
    const std::string& identity() const noexcept override { return record_.identity; }

    cb::Result<std::shared_ptr<const cb::Support>> support(const cb::Request& request) override
    {
        if (record_.error)
            return *record_.error;
        auto all = std::make_shared<cb::Support>();
        const std::vector<cb::Format> formats = request.formats();
        for (const cb::Format format : formats) {
            cb::Request one = request;
            one.format = format;
            for (const SupportRecord& record : record_.support) {
                if (std::find(record.formats.begin(), record.formats.end(), format) == record.formats.end())
                    continue;
                if (const cb::Status appended = append(*all, record, one); !appended)
                    return appended.error();
            }
        }
        if (!all->entries.empty())
            return all;
        return cb::Error::unsupported("use " + record_.name, "the dump has no " + cb::to_string(request.format) +
                                                                 " for it; it has " + format_list());
    }

    cb::Result<std::unique_ptr<cb::Trial>> begin_trial(const cb::Layout& layout) override
    {
        return std::make_unique<ReplayedTrial>(record_, heaps_, layout);
    }

private:
    cb::Status append(cb::Support& all, const SupportRecord& record, const cb::Request& request) const
    {
        const cb::Constraints asked = scaled(record.constraints, measured_at_, request);
        for (const cb::Modifier modifier : record.modifiers) {
            cb::Support::Entry entry{request.format, modifier, record.memories, asked};
            if (!record.planes.empty()) {
                auto layout = tiled_layout(record, modifier, request);
                if (!layout)
                    return layout.error();
                entry.layout = std::make_shared<const cb::Layout>(*layout);
            }
            all.entries.push_back(std::move(entry));
        }
        return {};
    }

    std::string format_list() const
    {
        std::string list;
        for (const SupportRecord& record : record_.support) {
            for (const cb::Format format : record.formats)
                list += (list.empty() ? "" : ", ") + cb::to_string(format);
        }
        return list.empty() ? "none" : list;
    }

    UseRecord record_;
    Size measured_at_;
    std::shared_ptr<const Heaps> heaps_;
};

} // namespace

std::shared_ptr<cb::Importer> make_device(UseRecord record, Size measured_at, std::shared_ptr<const Heaps> heaps)
{
    return std::make_shared<ReplayedDevice>(std::move(record), measured_at, std::move(heaps));
}

} // namespace replay
