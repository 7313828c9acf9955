// SPDX-License-Identifier: MIT
//
// A buffer as a VkImage: the driver gets the layout plane by plane
// (VkImageDrmFormatModifierExplicitCreateInfoEXT), and each dma-buf becomes one VkDeviceMemory. If
// the planes lie in several dma-bufs, the image is disjoint, and each plane is bound by itself.
#include "backends/vulkan/image.hpp"

#include "backends/vulkan/conversion.hpp"
#include "base/text.hpp"
#include "os/os.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace commonbuf::vulkan {
namespace {

constexpr const char* creates = "vkCreateImage";
constexpr std::array<std::uint32_t, 1> one_memory{0};

struct Possible {
    VkFormat format;
    bool dedicated_only;
};

/// Checks whether there can be such an image. vkCreateImage may assume that this was asked.
Result<Possible> check_possible(const Context& context, const Layout& layout, const ImageUsage& usage, bool disjoint)
{
    if (const Status can = context.require_images(context.where(creates)); !can)
        return can.error();
    if (usage.flags == 0)
        return Error::invalid_argument(context.where(creates), "the usage is empty");
    const auto format = format_of(context, layout.format);
    if (!format)
        return format.error();
    if (layout.modifier == implicit_modifier)
        return Error::unsupported(context.where(creates),
                                  "only another driver knows where the pixels lie (the modifier is INVALID)",
                                  "allocate with a modifier");
    const auto modifier = find_modifier(context, *format, layout.modifier);
    if (!modifier)
        return Error::unsupported(context.where(creates),
                                  text::format("the device does not support {} with {}", to_string(layout.format),
                                               to_string(layout.modifier)));
    if (modifier->drmFormatModifierPlaneCount != layout.plane_count)
        return Error::unsupported(context.where(creates),
                                  text::format("{} with {} has {} planes on this device, and the buffer has {}",
                                               to_string(layout.format), to_string(layout.modifier),
                                               modifier->drmFormatModifierPlaneCount, layout.plane_count));
    if (disjoint && (modifier->drmFormatModifierTilingFeatures & VK_FORMAT_FEATURE_DISJOINT_BIT) == 0)
        return Error::unsupported(
            context.where(creates),
            text::format("the device wants all planes of {} in one memory (VK_FORMAT_FEATURE_DISJOINT_BIT)",
                         to_string(layout.format)));
    const auto limits = image_limits(context, *format, layout.modifier, usage, disjoint);
    constexpr const char* asks = "vkGetPhysicalDeviceImageFormatProperties2";
    if (!limits)
        return limits.error();
    if (!limits->importable)
        return Error::unsupported(context.where(asks),
                                  text::format("the device does not {} {} with {} for this usage",
                                               limits->supported ? "import" : "support", to_string(layout.format),
                                               to_string(layout.modifier)));
    const VkExtent3D& most = limits->max_extent;
    if (layout.width > most.width || layout.height > most.height)
        return Error::unsupported(context.where(asks),
                                  text::format("{}x{} is larger than the {}x{} that the device supports", layout.width,
                                               layout.height, most.width, most.height));
    if (disjoint && (limits->dedicated_only || usage.dedicated))
        return Error::unsupported(context.where(asks),
                                  "the image needs memory of its own, so its planes cannot be in several memories");
    return Possible{*format, limits->dedicated_only};
}

/// Whether the driver tells the memory planes of a format apart by their aspects. Mesa's lavapipe
/// (26.1) treats each of them as plane 0 and binds every memory of a disjoint image over the first
/// one, so the other planes have no memory and work on them crashes. A test image with its second
/// plane in another place shows it.
bool tells_planes_apart(const std::shared_ptr<const Context>& context, const Layout& layout, const ImageUsage& usage)
{
    const FormatInfo* info = format_info(layout.format);
    if (info == nullptr || info->plane_count < 2)
        return true;
    const auto natural =
        linear_layout({layout.format, layout.width, layout.height}, layout.planes[0].stride, Memories::single);
    if (!natural)
        return true;
    const auto image = BareImage::create(context, *natural, usage, one_memory);
    return !image || plane_layout(*context, image->handle.get(), 1).offset == natural->planes[1].offset;
}

/// Groups memories that are one dma-buf, by inode. Returns the number of the group of each memory.
Result<std::vector<std::uint32_t>> group_by_inode(std::span<const int> memories, std::vector<int>& first_of_group)
{
    std::vector<os::FileId> known;
    std::vector<std::uint32_t> groups;
    for (const int memory : memories) {
        const auto id = os::id_of(memory);
        if (!id)
            return id.error();
        const auto same = std::find_if(known.begin(), known.end(), [&id](const os::FileId& each) {
            return each.device == id->device && each.inode == id->inode;
        });
        groups.push_back(static_cast<std::uint32_t>(same - known.begin()));
        if (same == known.end()) {
            known.push_back(*id);
            first_of_group.push_back(memory);
        }
    }
    return groups;
}

Result<OwnedImage> make_image(const std::shared_ptr<const Context>& context, VkFormat format, const Layout& layout,
                              const ImageUsage& usage, bool disjoint)
{
    std::array<VkSubresourceLayout, max_planes> planes{};
    for (std::size_t i = 0; i < layout.plane_count; ++i) {
        planes[i].offset = layout.planes[i].offset;
        planes[i].rowPitch = layout.planes[i].stride;
    }
    const ViewFormats formats(format, usage);
    const VkImageDrmFormatModifierExplicitCreateInfoEXT tiling{
        .sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT,
        .pNext = formats.chain(),
        .drmFormatModifier = layout.modifier.value,
        .drmFormatModifierPlaneCount = layout.plane_count,
        .pPlaneLayouts = planes.data()};
    const ImageInfo info(format, {layout.width, layout.height, 1}, usage, disjoint, &tiling);
    return OwnedImage::create(context, creates, &Functions::CreateImage, info,
                              "the driver does not accept " + to_string(layout));
}

/// Says how the driver's layout differs from the explicit one; empty if it does not. Some drivers
/// ignore explicit strides, and no other call shows where the pixels really lie.
std::string other_place(const Context& context, const BareImage& image, const Layout& layout)
{
    const VkSubresourceLayout first = plane_layout(context, image.handle.get(), 0);
    for (std::uint32_t i = 0; i < layout.plane_count; ++i) {
        const Plane& told = layout.planes.at(i);
        const VkSubresourceLayout made = plane_layout(context, image.handle.get(), i);
        // A driver may answer for plane 0 every time: see tells_planes_apart().
        if (i > 0 && made.rowPitch == first.rowPitch && made.offset == first.offset)
            continue;
        // For a disjoint image, the offset may count from the memory or from the plane.
        if (made.rowPitch != told.stride || (!image.is_disjoint() && made.offset != told.offset))
            return text::format(
                "plane {} should have stride {} and offset {}, and the driver uses stride {} and offset {}", i,
                told.stride, told.offset, made.rowPitch, made.offset);
    }
    return {};
}

/// Asks what the memory of each group needs. `dedicated` says that each needs its own in any case.
void ask_needs(const Context& context, BareImage& image, bool dedicated)
{
    const bool disjoint = image.is_disjoint();
    for (MemoryNeeds& needs : image.needs) {
        needs.type_bits = ~0U;
        needs.dedicated_image = dedicated ? image.handle.get() : VK_NULL_HANDLE;
    }
    for (std::size_t i = 0; i < (disjoint ? image.plane_groups.size() : 1); ++i) {
        const VkImagePlaneMemoryRequirementsInfo plane{.sType = VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO,
                                                       .planeAspect = memory_plane(i)};
        const VkImageMemoryRequirementsInfo2 info{.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2,
                                                  .pNext = disjoint ? &plane : nullptr,
                                                  .image = image.handle.get()};
        VkMemoryDedicatedRequirements alone{.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS};
        VkMemoryRequirements2 answer{.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2, .pNext = &alone};
        context.vk().GetImageMemoryRequirements2(context.device(), &info, &answer);
        MemoryNeeds& needs = image.needs[disjoint ? image.plane_groups[i] : 0];
        // Planes that share a memory are bound to its start, each with its own offset.
        needs.size = std::max(needs.size, answer.memoryRequirements.size);
        needs.type_bits &= answer.memoryRequirements.memoryTypeBits;
        if (alone.requiresDedicatedAllocation == VK_TRUE || (!disjoint && alone.prefersDedicatedAllocation == VK_TRUE))
            needs.dedicated_image = image.handle.get();
    }
}

VkResult bind_memories(const Context& context, const BareImage& image, std::span<const VkDeviceMemory> memories)
{
    const bool disjoint = image.is_disjoint();
    const std::size_t count = disjoint ? image.plane_groups.size() : 1;
    std::array<VkBindImagePlaneMemoryInfo, max_planes> planes{};
    std::array<VkBindImageMemoryInfo, max_planes> binds{};
    for (std::size_t i = 0; i < count; ++i) {
        planes[i] = {.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO, .planeAspect = memory_plane(i)};
        binds[i] = {.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO,
                    .pNext = disjoint ? &planes[i] : nullptr,
                    .image = image.handle.get(),
                    .memory = memories[image.plane_groups[i]]};
    }
    return context.vk().BindImageMemory2(context.device(), static_cast<std::uint32_t>(count), binds.data());
}

} // namespace

Result<BareImage> BareImage::create(const std::shared_ptr<const Context>& context, const Layout& layout,
                                    const ImageUsage& usage, std::span<const std::uint32_t> groups)
{
    constexpr const char* asks_place = "vkGetImageSubresourceLayout";
    if (groups.size() != layout.memory_count || groups.empty())
        return Error::invalid_argument(
            context->where(creates),
            text::format("there are {} memories, and the layout has {}", groups.size(), layout.memory_count));
    // After this check each plane lies in a memory that exists.
    if (const Status sound = validate(layout); !sound)
        return sound.error();
    const std::uint32_t count = 1 + std::ranges::max(groups);
    const auto possible = check_possible(*context, layout, usage, count > 1);
    if (!possible)
        return possible.error();
    if (count > 1 && !tells_planes_apart(context, layout, usage))
        return Error::unsupported(context->where(asks_place),
                                  "the driver does not tell memory planes apart, so they cannot be bound one by one");
    auto made = make_image(context, possible->format, layout, usage, count > 1);
    if (!made)
        return made.error();
    BareImage image{std::move(*made), possible->format, std::vector<MemoryNeeds>(count), {}};
    for (const Plane& plane : layout.used_planes())
        image.plane_groups.push_back(groups[plane.memory]);
    if (std::string other = other_place(*context, image, layout); !other.empty())
        return Error::unsupported(context->where(asks_place), std::move(other));
    ask_needs(*context, image, usage.dedicated || possible->dedicated_only);
    const auto alone = [](const MemoryNeeds& each) { return each.dedicated_image != VK_NULL_HANDLE; };
    if (count > 1 && std::ranges::any_of(image.needs, alone))
        return Error::unsupported(
            context->where("vkGetImageMemoryRequirements2"),
            "the driver wants memory of its own for the image, and the planes are in several memories");
    return image;
}

Result<std::shared_ptr<ImageObject>> ImageObject::create(const std::shared_ptr<const Context>& context,
                                                         const Layout& layout, const ImageUsage& usage,
                                                         std::span<const int> memories)
{
    std::vector<int> dma_bufs;
    const auto groups = group_by_inode(memories, dma_bufs);
    if (!groups)
        return groups.error();
    auto bare = BareImage::create(context, layout, usage, *groups);
    if (!bare)
        return bare.error();
    std::shared_ptr<ImageObject> object(new ImageObject(context, std::move(*bare), layout, usage));
    for (std::size_t i = 0; i < dma_bufs.size(); ++i) {
        auto memory = import_memory(context, dma_bufs[i], object->image_.needs[i]);
        if (!memory)
            return memory.error();
        object->handles_.push_back(memory->get());
        object->memories_.push_back(std::move(*memory));
    }
    if (const VkResult result = bind_memories(*context, object->image_, object->handles_); result != VK_SUCCESS)
        return context->failed("vkBindImageMemory2", result);
    return object;
}

Result<VkImageView> ImageObject::view(const ViewInfo& info)
{
    const char* const call = "vkCreateImageView";
    View view{info.format != VK_FORMAT_UNDEFINED ? info.format : image_.format, info.aspect,
              info.usage != 0 ? info.usage : usage_.flags, info.conversion ? info.conversion->object() : nullptr};
    if ((view.usage & ~usage_.flags) != 0)
        return Error::invalid_argument(
            context_->where(call),
            text::format("the view has usage {:#x}, and the image {:#x}", view.usage, usage_.flags));
    if (view.conversion != nullptr && view.conversion->handle.context() != context_.get())
        return Error::invalid_argument(context_->where(call), "the conversion belongs to another device");
    const bool whole = view.aspect == VK_IMAGE_ASPECT_COLOR_BIT && view.format == image_.format;
    if (whole && is_ycbcr(layout_.format) && (view.usage & VK_IMAGE_USAGE_SAMPLED_BIT) != 0 &&
        view.conversion == nullptr)
        return Error::unsupported(context_->where(call),
                                  text::format("sampling {} needs a conversion", to_string(layout_.format)),
                                  "make one with Device::conversion(), or view single planes (ViewInfo::aspect)");

    const std::lock_guard lock(mutex_);
    const auto parameters = [](const View& each) {
        return std::tie(each.format, each.aspect, each.usage, each.conversion);
    };
    if (const auto known = std::ranges::find(views_, parameters(view), parameters); known != views_.end())
        return known->handle.get();

    const VkSamplerYcbcrConversionInfo conversion{
        .sType = VK_STRUCTURE_TYPE_SAMPLER_YCBCR_CONVERSION_INFO,
        .conversion = view.conversion != nullptr ? view.conversion->handle.get() : VK_NULL_HANDLE};
    const VkImageViewUsageCreateInfo usage{.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_USAGE_CREATE_INFO,
                                           .pNext = view.conversion != nullptr ? &conversion : nullptr,
                                           .usage = view.usage};
    VkImageViewCreateInfo created{.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
                                  .pNext = &usage,
                                  .image = image_.handle.get(),
                                  .viewType = VK_IMAGE_VIEW_TYPE_2D,
                                  .format = view.format,
                                  .subresourceRange = {view.aspect, 0, 1, 0, 1}};
    // Storage images, attachments and converted images must not swizzle.
    if (view.usage == VK_IMAGE_USAGE_SAMPLED_BIT && view.conversion == nullptr && has_unused_alpha(layout_.format))
        created.components.a = VK_COMPONENT_SWIZZLE_ONE;
    auto made = decltype(view.handle)::create(context_, call, &Functions::CreateImageView, created);
    if (!made)
        return made.error();
    view.handle = std::move(*made);
    return views_.emplace_back(std::move(view)).handle.get();
}

// A handle that was moved from is empty.
VkImage Image::handle() const noexcept { return object_ ? object_->bare().handle.get() : VK_NULL_HANDLE; }
VkFormat Image::format() const noexcept { return object_ ? object_->bare().format : VK_FORMAT_UNDEFINED; }
VkExtent2D Image::extent() const noexcept
{
    return object_ ? VkExtent2D{object_->layout().width, object_->layout().height} : VkExtent2D{};
}
const ImageUsage& Image::usage() const noexcept
{
    static const ImageUsage none{};
    return object_ ? object_->usage() : none;
}
std::span<const VkDeviceMemory> Image::memories() const noexcept
{
    return object_ ? object_->handles() : std::span<const VkDeviceMemory>{};
}
bool Image::is_disjoint() const noexcept { return object_ && object_->bare().is_disjoint(); }
Result<VkImageView> Image::view(const ViewInfo& info) const
{
    if (!object_)
        return Error::invalid_state("make a view of an image", "the handle was moved from");
    return object_->view(info);
}

} // namespace commonbuf::vulkan
