// SPDX-License-Identifier: MIT
//
// Images of a VkDevice as a use. The trial is a real import: an image with the layout, bound to the
// dma-bufs. Only work shows whether the GPU reaches the memory, so the best verdict is "accepted".
#include "backends/vulkan/image.hpp"
#include "backends/vulkan/image_support.hpp"
#include "backends/vulkan/importers.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <numeric>

namespace commonbuf::vulkan {
namespace {

class ImageTrial final : public Trial {
public:
    ImageTrial(std::shared_ptr<const Context> context, const Layout& layout, ImageUsage usage)
        : context_(std::move(context)),
          layout_(layout),
          usage_(std::move(usage))
    {}

    Verdict attempt(std::span<const int> memories) override
    {
        const auto object = ImageObject::create(context_, layout_, usage_, memories);
        if (!object)
            return Verdict::refused(object.error());
        return Verdict::accepted(
            "vkBindImageMemory2",
            "the driver made an image over the memory; only work shows whether the GPU reaches it");
    }

private:
    std::shared_ptr<const Context> context_;
    Layout layout_;
    ImageUsage usage_;
};

class ImageImporter final : public Importer {
public:
    ImageImporter(std::shared_ptr<Context> context, const ImageUsage& usage)
        : context_(std::move(context)),
          usage_(usage),
          name_(text::format("vulkan:{}:{}", context_->info().label, usage_words(usage.flags))),
          identity_(image_identity(*context_, usage))
    {}

    const std::string& name() const noexcept override { return name_; }
    const std::string& identity() const noexcept override { return identity_; }

    Result<std::shared_ptr<const Support>> support(const Request& request) override
    {
        const std::string operation = text::format("use {} for images ({})", context_->info().name, name_);
        if (const Status can = context_->require({Need::external_memory_fd, Need::external_memory_dma_buf,
                                                  Need::image_drm_format_modifier, Need::image_format_list},
                                                 operation);
            !can)
            return can.error();
        if (usage_.flags == 0)
            return Error::invalid_argument(operation, "the usage is empty");
        auto support = std::make_shared<Support>();
        std::vector<std::string> reasons;
        for (const Format format : request.formats()) {
            Request one = request;
            one.format = format;
            one.alternatives.clear();
            const auto reason = append(*support, one);
            if (!reason)
                return reason.error();
            if (!reason->empty())
                reasons.push_back(text::format("{}: {}", to_string(format), *reason));
        }
        support->sort();
        if (!support->entries.empty())
            return support;
        return Error::unsupported(operation, text::join(reasons, "; "));
    }

    Result<Layout> fit(const Layout& layout) override
    {
        std::vector<std::uint32_t> groups(layout.memory_count);
        std::iota(groups.begin(), groups.end(), 0U);
        const auto image = BareImage::create(context_, layout, usage_, groups);
        if (!image)
            return image.error();
        Layout fitted = layout;
        for (std::size_t i = 0; i < image->needs().size(); ++i)
            fitted.memory_sizes.at(i) = std::max(fitted.memory_sizes.at(i), image->needs()[i].size);
        // A driver's number, which the arithmetic of everybody else relies on.
        if (const Status sound = validate(fitted); !sound)
            return sound.error();
        return fitted;
    }

    Result<std::unique_ptr<Trial>> begin_trial(const Layout& layout) override
    {
        return std::make_unique<ImageTrial>(context_, layout, usage_);
    }

    UsedImages images() const { return {Device(context_), usage_}; }

private:
    /// Adds the ways in which the device supports one format. If there is none, returns why.
    Result<std::string> append(Support& support, const Request& request)
    {
        const auto vulkan = format_of(*context_, request.format);
        if (!vulkan)
            return vulkan.error().detail;
        const bool sampled = (usage_.flags & VK_IMAGE_USAGE_SAMPLED_BIT) != 0;
        if (sampled && is_ycbcr(request.format) && usage_.view_formats.empty()) {
            if (const Status can = context_->require({Need::sampler_ycbcr_conversion}, name_); !can)
                return can.error().detail;
        }
        const auto modifiers = modifiers_of(*context_, *vulkan);
        if (modifiers.empty())
            return "the device supports no modifier for it";
        VkExtent3D largest{};
        bool importable = false;
        for (const VkDrmFormatModifierPropertiesEXT& modifier : modifiers) {
            const auto limits = image_limits(*context_, *vulkan, modifier.drmFormatModifier, usage_, false);
            if (!limits)
                return limits.error();
            if (!*limits || !(*limits)->importable)
                continue;
            importable = true;
            largest.width = std::max(largest.width, (*limits)->max_extent.width);
            largest.height = std::max(largest.height, (*limits)->max_extent.height);
            if (request.width > (*limits)->max_extent.width || request.height > (*limits)->max_extent.height)
                continue;
            if (const Status appended = append(support, request, *vulkan, modifier, **limits); !appended)
                return appended.error();
        }
        if (!importable)
            return "the device imports no modifier of it for this usage";
        if (request.width > largest.width || request.height > largest.height)
            return text::format("{}x{} is larger than the {}x{} that the device supports", request.width,
                                request.height, largest.width, largest.height);
        return std::string();
    }

    Status append(Support& support, const Request& request, VkFormat vulkan,
                  const VkDrmFormatModifierPropertiesEXT& modifier, const ImageLimits& limits)
    {
        const Modifier value = modifier.drmFormatModifier;
        if (value != linear) {
            auto layout = own_layout(*context_, request, modifier, usage_);
            support.entries.push_back({request.format, value, Memories::single, limited(Constraints{}, limits),
                                       layout ? std::make_shared<const Layout>(*layout) : nullptr});
            return {};
        }
        const SharedConstraints asked = limited(measured(request), limits);
        support.entries.push_back({request.format, value, Memories::single, asked});
        if (modifier.drmFormatModifierPlaneCount < 2 || usage_.dedicated || limits.dedicated_only ||
            (modifier.drmFormatModifierTilingFeatures & VK_FORMAT_FEATURE_DISJOINT_BIT) == 0)
            return {};
        const auto disjoint = image_limits(*context_, vulkan, value, usage_, true);
        if (!disjoint)
            return disjoint.error();
        if (*disjoint && (*disjoint)->importable && !(*disjoint)->dedicated_only)
            support.entries.push_back({request.format, value, Memories::per_plane, asked});
        return {};
    }

    Constraints limited(Constraints constraints, const ImageLimits& limits) const
    {
        VkDeviceSize most = limits.max_size;
        const char* call = "VkImageFormatProperties::maxResourceSize";
        if (context_->info().max_allocation != 0 && context_->info().max_allocation < most) {
            most = context_->info().max_allocation;
            call = "maxMemoryAllocationSize";
        }
        if (most != 0) {
            constraints.max_size = most;
            constraints.add_origin({Constraint::max_size, most, name_, call});
        }
        return constraints;
    }

    Constraints measured(const Request& request)
    {
        const std::lock_guard lock(mutex_);
        const auto key = std::tuple(request.format, request.width, request.height);
        if (const auto known = measured_.find(key); known != measured_.end())
            return known->second;
        const auto found = measure_images(context_, {request.format, request.width, request.height}, usage_, name_);
        if (!found)
            return {};
        return measured_.emplace(key, *found).first->second;
    }

    std::shared_ptr<Context> context_;
    ImageUsage usage_;
    std::string name_;
    std::string identity_;
    std::mutex mutex_;
    std::map<std::tuple<Format, std::uint32_t, std::uint32_t>, Constraints> measured_;
};

} // namespace

std::string image_identity(const Context& context, const ImageUsage& usage)
{
    std::string identity = text::format("{} image {:#x} {:#x}{}", context.info().identity, usage.flags,
                                        usage.create_flags, usage.dedicated ? " dedicated" : "");
    for (const VkFormat each : usage.view_formats)
        identity += text::format(" {}", static_cast<int>(each));
    return identity;
}

Use make_image_use(std::shared_ptr<Context> context, const ImageUsage& usage)
{
    return Use(std::make_shared<ImageImporter>(std::move(context), usage));
}

std::optional<UsedImages> images_of(const Use& use)
{
    const auto* importer = dynamic_cast<const ImageImporter*>(&use.importer());
    return importer != nullptr ? std::optional(importer->images()) : std::nullopt;
}

} // namespace commonbuf::vulkan
