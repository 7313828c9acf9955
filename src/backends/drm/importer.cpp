// SPDX-License-Identifier: MIT
//
// The planes of a DRM device as a use: PRIME import and ADDFB2 as the trial. Neither
// needs to be DRM master, and neither shows anything. What they prove is little:
// drivers on the shmem helpers take every dma-buf and look at its memory at the first
// commit only (drm_gem_shmem_helper.c), so the best verdict here is "accepted".
#include "backends/drm/file.hpp"
#include "backends/drm/verify.hpp"
#include "text/text.hpp"

#include <commonbuf/use.hpp>

#include <algorithm>

namespace commonbuf::drm {
namespace {

class FramebufferTrial final : public Trial {
public:
    FramebufferTrial(std::shared_ptr<File> file, const Layout& layout) : file_(std::move(file)), layout_(layout) {}

    Verdict attempt(std::span<const int> memories) override
    {
        const auto object = FramebufferObject::create(file_, layout_, memories);
        if (!object)
            return refused(object.error().error, object.error().stage);
        Verdict verdict;
        verdict.outcome = Outcome::accepted;
        verdict.stage = "DRM_IOCTL_MODE_ADDFB2";
        verdict.reason = "the driver made a framebuffer; whether it can show it, a commit tells";
        return verdict;
    }

private:
    std::shared_ptr<File> file_;
    Layout layout_;
};

class ScanoutImporter final : public Importer {
public:
    explicit ScanoutImporter(std::shared_ptr<File> file)
        : file_(std::move(file)),
          name_(text::format("drm:{}:scanout", file_->info().path))
    {}

    const std::string& name() const noexcept override { return name_; }

    Result<Support> support(const Request& request) override
    {
        const std::string operation = text::format("use {} for scanout", file_->info().path);
        const auto scanout = file_->scanout_support();
        if (!scanout)
            return fail(scanout.error());
        if (!file_->info().import)
            return fail(Category::unsupported, operation, "the driver does not import dma-bufs (DRM_CAP_PRIME)");
        const auto has = [&](Modifier modifier) {
            return std::binary_search(scanout->formats.begin(), scanout->formats.end(),
                                      FormatModifier{request.format, modifier});
        };
        // A driver without modifiers shows linear images: dumb buffers are.
        if (!has(linear) && !has(implicit_modifier))
            return fail(Category::unsupported, operation,
                        text::format("no plane shows {} linear; they show {}", to_string(request.format),
                                     format_list(*scanout)));
        if (request.width > scanout->max_width || request.height > scanout->max_height)
            return fail(Category::unsupported, operation,
                        text::format("{}x{} is larger than the {}x{} that the device shows", request.width,
                                     request.height, scanout->max_width, scanout->max_height));
        Support support;
        support.entries = {{linear, Memories::single, {}}, {linear, Memories::per_plane, {}}};
        return support;
    }

    Result<std::unique_ptr<Trial>> begin_trial(const Layout& layout) override
    {
        return std::make_unique<FramebufferTrial>(file_, layout);
    }

    Result<Content> verify(std::span<const Buffer> buffers, std::uint32_t frames, Deadline deadline) override
    {
        if (buffers.empty() || frames == 0)
            return fail(Category::invalid_argument, "verify " + name_, "there is no buffer or no frame to look at");
        return verify_scanout(file_->info().path, buffers, frames, deadline);
    }

private:
    static std::string format_list(const ScanoutSupport& scanout)
    {
        std::vector<std::string> names;
        for (const FormatModifier& entry : scanout.formats) {
            // Sorted by format: the modifiers of one stand together.
            if (std::string name = to_string(entry.format); names.empty() || names.back() != name)
                names.push_back(std::move(name));
        }
        return names.empty() ? "nothing" : text::join(names, ", ");
    }

    std::shared_ptr<File> file_;
    std::string name_;
};

} // namespace

Use make_scanout(std::shared_ptr<File> file) { return Use(std::make_shared<ScanoutImporter>(std::move(file))); }

} // namespace commonbuf::drm
