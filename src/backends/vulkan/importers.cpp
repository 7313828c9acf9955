// SPDX-License-Identifier: MIT
//
// A VkDevice as a use: its images, and its buffers, which are the bytes of linear and opaque images as
// one VkBuffer for each memory. The trial is a real import: an image or buffers, bound to the dma-bufs.
// Only work shows whether the GPU reaches the memory, so the best verdict is "accepted".
#include "backends/vulkan/importers.hpp"

#include "backends/vulkan/buffer.hpp"
#include "backends/vulkan/image.hpp"
#include "backends/vulkan/measure.hpp"
#include "backends/vulkan/usage.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <numeric>

namespace commonbuf::vulkan {
namespace {

class ImportTrial final : public Trial {
public:
    using Import = std::function<Status(std::span<const int> memories)>;

    ImportTrial(Import import, Verdict accepted) : import_(std::move(import)), accepted_(std::move(accepted)) {}

    Verdict attempt(std::span<const int> memories) override
    {
        const Status imported = import_(memories);
        return imported ? accepted_ : Verdict::refused(imported.error());
    }

private:
    Import import_;
    Verdict accepted_;
};

/// What images and buffers have in common.
class DeviceImporter : public Importer {
public:
    const std::string& name() const noexcept override { return name_; }
    const std::string& identity() const noexcept override { return identity_; }

    Result<Layout> fit(const Layout& layout) override
    {
        const auto sizes = needed_sizes(layout);
        if (!sizes)
            return sizes.error();
        Layout fitted = layout;
        for (std::size_t i = 0; i < sizes->size(); ++i)
            fitted.memory_sizes.at(i) = std::max(fitted.memory_sizes.at(i), (*sizes)[i]);
        // A driver's number, which the arithmetic of everybody else relies on.
        if (const Status sound = validate(fitted); !sound)
            return sound.error();
        return fitted;
    }

protected:
    DeviceImporter(std::shared_ptr<Context> context, std::string_view what, std::string identity)
        : context_(std::move(context)),
          name_(text::format("vulkan:{}:{}", context_->info().label, what)),
          identity_(std::move(identity))
    {}

    /// Returns how large the driver wants the memories of a layout.
    virtual Result<std::vector<VkDeviceSize>> needed_sizes(const Layout& layout) const = 0;

    /// Notes the limit on the size of a memory that `origin` says; 0 is none.
    void limit(Constraints& constraints, VkDeviceSize most, const char* origin) const
    {
        if (most == 0)
            return;
        constraints.max_size = most;
        constraints.add_origin({Constraint::max_size, most, name_, origin});
    }

    std::shared_ptr<Context> context_;
    std::string name_;
    std::string identity_;
};

class BufferImporter final : public DeviceImporter {
public:
    BufferImporter(const std::shared_ptr<Context>& context, VkBufferUsageFlags usage)
        : DeviceImporter(context, text::format("buffer-{:#x}", usage), buffer_identity(*context, usage)),
          usage_(usage)
    {}

    Result<std::shared_ptr<const Support>> support(const Request& request) override
    {
        const std::string operation = text::format("use {} for buffers ({})", context_->info().name, name_);
        if (const Status can = context_->require_dma_bufs(operation); !can)
            return can.error();
        if (usage_ == 0)
            return Error::invalid_argument(operation, "the usage is empty");
        if ((buffer_features(*context_, usage_) & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) == 0)
            return Error::unsupported(operation, "the device does not import dma-bufs for this usage");
        auto support = std::make_shared<Support>();
        for (const Format format : request.formats()) {
            const FormatInfo* info = format_info(format);
            const SharedConstraints asked = constraints(info);
            support->entries.push_back({format, linear, Memories::single, asked});
            if (info != nullptr && info->plane_count > 1)
                support->entries.push_back({format, linear, Memories::per_plane, asked});
        }
        support->sort();
        return support;
    }

    Result<std::unique_ptr<Trial>> begin_trial(const Layout& layout) override
    {
        auto import = [context = context_, layout, usage = usage_](std::span<const int> memories) -> Status {
            for (std::size_t i = 0; i < memories.size() && i < layout.memory_count; ++i) {
                const auto made = BufferObject::create(context, layout.memory_sizes.at(i), usage, memories[i]);
                if (!made)
                    return made.error();
            }
            return {};
        };
        return std::make_unique<ImportTrial>(
            std::move(import),
            Verdict::accepted("vkBindBufferMemory2",
                              "the driver made a buffer over the memory; only work shows whether the GPU reaches it"));
    }

private:
    Result<std::vector<VkDeviceSize>> needed_sizes(const Layout& layout) const override
    {
        std::vector<VkDeviceSize> sizes;
        sizes.reserve(layout.memory_count);
        for (std::size_t i = 0; i < layout.memory_count; ++i) {
            const auto buffer = BareBuffer::create(context_, layout.memory_sizes.at(i), usage_,
                                                   VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT);
            if (!buffer)
                return buffer.error();
            sizes.push_back(buffer->needs.size);
        }
        return sizes;
    }

    Constraints constraints(const FormatInfo* info) const
    {
        Constraints asked;
        // Copies count rows in texels (VkBufferImageCopy::bufferRowLength).
        constexpr VkBufferUsageFlags copies = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
        if (info != nullptr && (usage_ & copies) != 0 && info->planes[0].block_bytes > 1) {
            asked.stride_align = info->planes[0].block_bytes;
            asked.add_origin(
                {Constraint::stride_align, asked.stride_align, name_, "VkBufferImageCopy::bufferRowLength"});
        }
        limit(asked, context_->info().max_allocation, "maxMemoryAllocationSize");
        return asked;
    }

    VkBufferUsageFlags usage_;
};

class ImageImporter final : public DeviceImporter {
public:
    ImageImporter(const std::shared_ptr<Context>& context, const ImageUsage& usage)
        : DeviceImporter(context, usage_words(usage.flags), image_identity(*context, usage)),
          usage_(usage)
    {}

    Result<std::shared_ptr<const Support>> support(const Request& request) override
    {
        const std::string operation = text::format("use {} for images ({})", context_->info().name, name_);
        if (const Status can = context_->require_images(operation); !can)
            return can.error();
        if (usage_.flags == 0)
            return Error::invalid_argument(operation, "the usage is empty");
        auto support = std::make_shared<Support>();
        std::vector<std::string> reasons;
        for (const Format format : request.formats()) {
            const FormatInfo* info = format_info(format);
            // VkImageCreateInfo: images in such formats consist of whole chroma samples.
            if (info != nullptr && (request.width % info->hsub != 0 || request.height % info->vsub != 0)) {
                reasons.push_back(text::format("{}: Vulkan takes only multiples of {}x{} pixels", to_string(format),
                                               info->hsub, info->vsub));
                continue;
            }
            const auto reason = append(*support, {format, request.width, request.height});
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

    Result<std::unique_ptr<Trial>> begin_trial(const Layout& layout) override
    {
        auto import = [context = context_, layout, usage = usage_](std::span<const int> memories) -> Status {
            const auto made = ImageObject::create(context, layout, usage, memories);
            return made ? Status() : Status(made.error());
        };
        return std::make_unique<ImportTrial>(
            std::move(import),
            Verdict::accepted("vkBindImageMemory2",
                              "the driver made an image over the memory; only work shows whether the GPU reaches it"));
    }

    UsedImages images() const { return {Device(context_), usage_}; }

private:
    Result<std::vector<VkDeviceSize>> needed_sizes(const Layout& layout) const override
    {
        std::vector<std::uint32_t> groups(layout.memory_count);
        std::iota(groups.begin(), groups.end(), 0U);
        const auto image = BareImage::create(context_, layout, usage_, groups);
        if (!image)
            return image.error();
        std::vector<VkDeviceSize> sizes;
        sizes.reserve(image->needs.size());
        for (const MemoryNeeds& needs : image->needs)
            sizes.push_back(needs.size);
        return sizes;
    }

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
            if (!limits->importable)
                continue;
            importable = true;
            const VkExtent3D& most = limits->max_extent;
            largest.width = std::max(largest.width, most.width);
            largest.height = std::max(largest.height, most.height);
            if (request.width > most.width || request.height > most.height)
                continue;
            if (const Status appended = append(support, request, *vulkan, modifier, *limits); !appended)
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
        Constraints constraints = value == linear ? measured(request) : Constraints{};
        if (const VkDeviceSize most = context_->info().max_allocation; most != 0 && most < limits.max_size)
            limit(constraints, most, "maxMemoryAllocationSize");
        else
            limit(constraints, limits.max_size, "VkImageFormatProperties::maxResourceSize");
        const SharedConstraints asked = std::move(constraints);
        if (value != linear) {
            const auto layout = own_layout(context_, request, modifier, usage_);
            support.entries.push_back({request.format, value, Memories::single, asked,
                                       layout ? std::make_shared<const Layout>(*layout) : nullptr});
            return {};
        }
        support.entries.push_back({request.format, value, Memories::single, asked});
        if (modifier.drmFormatModifierPlaneCount < 2 || usage_.dedicated || limits.dedicated_only ||
            (modifier.drmFormatModifierTilingFeatures & VK_FORMAT_FEATURE_DISJOINT_BIT) == 0)
            return {};
        const auto disjoint = image_limits(*context_, vulkan, value, usage_, true);
        if (!disjoint)
            return disjoint.error();
        if (disjoint->importable && !disjoint->dedicated_only)
            support.entries.push_back({request.format, value, Memories::per_plane, asked});
        return {};
    }

    Constraints measured(const Request& request)
    {
        const std::lock_guard lock(mutex_);
        const auto key = std::tuple(request.format, request.width, request.height);
        if (const auto known = measured_.find(key); known != measured_.end())
            return known->second;
        const auto found = measure_images(context_, request, usage_, name_);
        if (!found)
            return {};
        return measured_.emplace(key, *found).first->second;
    }

    ImageUsage usage_;
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

std::string buffer_identity(const Context& context, VkBufferUsageFlags usage)
{
    return text::format("{} buffer {:#x}", context.info().identity, usage);
}

Use make_image_use(const std::shared_ptr<Context>& context, const ImageUsage& usage)
{
    return Use(std::make_shared<ImageImporter>(context, usage));
}

Use make_buffer_use(const std::shared_ptr<Context>& context, VkBufferUsageFlags usage)
{
    return Use(std::make_shared<BufferImporter>(context, usage));
}

std::optional<UsedImages> images_of(const Use& use)
{
    const auto* importer = dynamic_cast<const ImageImporter*>(&use.importer());
    return importer != nullptr ? std::optional(importer->images()) : std::nullopt;
}

} // namespace commonbuf::vulkan
