// SPDX-License-Identifier: MIT
//
// The planes of a DRM device as a use. The trial is a PRIME import and ADDFB2: neither needs DRM
// master, and neither shows anything. They prove little: drivers on the shmem helpers take every
// dma-buf and look at its memory only at the first commit (drm_gem_shmem_helper.c). So the best
// verdict here is "accepted".
#include "backends/drm/importer.hpp"

#include "backends/drm/file.hpp"
#include "backends/drm/framebuffer.hpp"
#include "backends/drm/objects.hpp"
#include "backends/drm/plane_formats.hpp"
#include "base/text.hpp"
#include "os/os.hpp"
#include "os/reach.hpp"

#include <algorithm>

namespace commonbuf::drm {
namespace {

class FramebufferTrial final : public Trial {
public:
    FramebufferTrial(std::shared_ptr<File> file, const Layout& layout) : file_(std::move(file)), layout_(layout) {}

    Verdict attempt(std::span<const int> memories) override
    {
        const auto object = FramebufferObject::create(file_, layout_, memories);
        return object ? Verdict::accepted("DRM_IOCTL_MODE_ADDFB2",
                                          "the driver made a framebuffer; only a commit tells whether it can show it")
                      : Verdict::refused(object.error());
    }

private:
    std::shared_ptr<File> file_;
    Layout layout_;
};

class ScanoutImporter final : public Importer {
public:
    ScanoutImporter(std::shared_ptr<File> file, Flip flip)
        : file_(std::move(file)),
          flip_(flip),
          name_(text::format("drm:{}:{}", file_->info().path, flip == Flip::at_vblank ? "scanout" : "async-scanout"))
    {}

    const std::string& name() const noexcept override { return name_; }
    const std::string& identity() const noexcept override { return file_->identity(); }

    Result<std::shared_ptr<const Support>> support(const Request& request) override
    {
        const std::string operation = text::format("use {} for scanout", file_->info().path);
        const auto scanout = file_->scanout_support();
        if (!scanout)
            return scanout.error();
        if (!file_->info().imports)
            return Error::unsupported(operation, "the driver does not import dma-bufs (DRM_CAP_PRIME)");
        const bool at_once = flip_ == Flip::at_once;
        if (at_once && !file_->info().async_flips)
            return Error::unsupported(operation,
                                      "the driver cannot flip without waiting for vblank (DRM_CAP_ASYNC_PAGE_FLIP)");
        const auto& shown =
            at_once && !(*scanout)->async_formats.empty() ? (*scanout)->async_formats : (*scanout)->formats;
        if (request.width > (*scanout)->max_width || request.height > (*scanout)->max_height)
            return Error::unsupported(operation, text::format("{}x{} is larger than the {}x{} that the device shows",
                                                              request.width, request.height, (*scanout)->max_width,
                                                              (*scanout)->max_height));
        auto support = std::make_shared<Support>();
        for (const Format format : request.formats())
            append(*support, shown, format, request.width);
        support->sort();
        if (!support->entries.empty())
            return support;
        const auto name = [](const FormatModifier& each) { return to_string(each.format); };
        return Error::unsupported(operation, text::format("no plane shows {}; they show {}", to_string(request.format),
                                                          names_of(shown, name, "nothing")));
    }

    Result<std::unique_ptr<Trial>> begin_trial(const Layout& layout) override
    {
        return std::make_unique<FramebufferTrial>(file_, layout);
    }

    Device device() const { return Device(file_); }

private:
    /// Adds the ways in which the planes show one format: linear with what was measured, all
    /// others as the GPU lays them out.
    void append(Support& support, const std::vector<FormatModifier>& shown, Format format, std::uint32_t width)
    {
        const FormatInfo* info = format_info(format);
        auto entry = std::lower_bound(shown.begin(), shown.end(), FormatModifier{format, linear});
        const auto reach = os::reach_of("/sys/class/drm/" + os::last_part(file_->info().path) + "/device");
        // A driver without modifiers shows linear images, because dumb buffers are linear.
        bool is_linear = false;
        for (; entry != shown.end() && entry->format == format; ++entry) {
            if (entry->modifier == linear || entry->modifier == implicit_modifier)
                is_linear = true;
            else
                support.entries.push_back({format, entry->modifier, Memories::single, within(reach, {})});
        }
        if (!is_linear || info == nullptr)
            return;
        const SharedConstraints asked = within(reach, file_->constraints(format, width));
        support.entries.push_back({format, linear, Memories::single, asked});
        if (info->plane_count > 1)
            support.entries.push_back({format, linear, Memories::per_plane, asked});
    }

    /// The same constraints, and addresses that the device reaches.
    SharedConstraints within(std::optional<std::uint32_t> reach, const SharedConstraints& asked) const
    {
        if (!reach)
            return asked;
        Constraints limited = *asked;
        limited.address_bits = std::min(limited.address_bits, *reach);
        limited.add_origin({Constraint::address_bits, *reach, name_, "dma_mask_bits"});
        return limited;
    }

    std::shared_ptr<File> file_;
    Flip flip_;
    std::string name_;
};

} // namespace

Use make_scanout(std::shared_ptr<File> file, Flip flip)
{
    return Use(std::make_shared<ScanoutImporter>(std::move(file), flip));
}

std::optional<Device> device_of(const Use& use)
{
    const auto* importer = dynamic_cast<const ScanoutImporter*>(&use.importer());
    return importer != nullptr ? std::optional(importer->device()) : std::nullopt;
}

} // namespace commonbuf::drm
