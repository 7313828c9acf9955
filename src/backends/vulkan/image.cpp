// SPDX-License-Identifier: MIT
//
// A buffer as a VkImage: the driver gets the layout plane by plane
// (VkImageDrmFormatModifierExplicitCreateInfoEXT), and each dma-buf becomes one VkDeviceMemory. If
// the planes lie in several dma-bufs, the image is disjoint, and each plane is bound by itself.
#include "backends/vulkan/image.hpp"

#include "backends/vulkan/conversion.hpp"
#include "backends/vulkan/image_support.hpp"
#include "base/text.hpp"
#include "os/os.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace commonbuf::vulkan {
namespace {

constexpr const char* creates = "vkCreateImage";

struct Possible {
    VkFormat format;
    bool dedicated_only;
};

/// Checks whether there can be such an image. vkCreateImage may assume that this was asked.
Result<Possible> check_possible(const Context& context, const Layout& layout, const ImageUsage& usage, bool disjoint)
{
    if (Status can = context.require({Need::external_memory_fd, Need::external_memory_dma_buf,
                                      Need::image_drm_format_modifier, Need::image_format_list},
                                     context.where(creates));
        !can)
        return std::move(can.error());
    if (usage.flags == 0)
        return refuse(context, creates, Category::invalid_argument, "the usage is empty");
    const auto format = format_of(context, layout.format);
    if (!format)
        return format.error();
    if (layout.modifier == implicit_modifier)
        return refuse(context, creates, Category::unsupported,
                      "only another driver knows where the pixels lie (the modifier is INVALID)",
                      "allocate with a modifier");
    const auto modifier = find_modifier(context, *format, layout.modifier);
    if (!modifier)
        return refuse(context, creates, Category::unsupported,
                      text::format("the device does not support {} with {}", to_string(layout.format),
                                   to_string(layout.modifier)));
    if (modifier->drmFormatModifierPlaneCount != layout.plane_count)
        return refuse(context, creates, Category::unsupported,
                      text::format("{} with {} has {} planes on this device, and the buffer has {}",
                                   to_string(layout.format), to_string(layout.modifier),
                                   modifier->drmFormatModifierPlaneCount, layout.plane_count));
    if (disjoint && (modifier->drmFormatModifierTilingFeatures & VK_FORMAT_FEATURE_DISJOINT_BIT) == 0)
        return refuse(context, creates, Category::unsupported,
                      text::format("the device wants all planes of {} in one memory (VK_FORMAT_FEATURE_DISJOINT_BIT)",
                                   to_string(layout.format)));
    const auto limits = image_limits(context, *format, layout.modifier, usage, disjoint);
    constexpr const char* asks = "vkGetPhysicalDeviceImageFormatProperties2";
    if (!limits)
        return limits.error();
    if (!*limits || !(*limits)->importable)
        return refuse(context, asks, Category::unsupported,
                      text::format("the device does not {} {} with {} for this usage", *limits ? "import" : "support",
                                   to_string(layout.format), to_string(layout.modifier)));
    const VkExtent3D& most = (*limits)->max_extent;
    if (layout.width > most.width || layout.height > most.height)
        return refuse(context, asks, Category::unsupported,
                      text::format("{}x{} is larger than the {}x{} that the device supports", layout.width,
                                   layout.height, most.width, most.height));
    if (disjoint && ((*limits)->dedicated_only || usage.dedicated))
        return refuse(context, asks, Category::unsupported,
                      "the image needs memory of its own, so its planes cannot be in several memories");
    return Possible{*format, (*limits)->dedicated_only};
}

/// Whether the driver tells the memory planes of a format apart by their aspects. Mesa's lavapipe
/// (26.1) treats each of them as plane 0 and binds every memory of a disjoint image over the first
/// one, so the other planes have no memory and work on them crashes. A test image with its second
/// plane in another place shows it.
bool tells_planes_apart(const std::shared_ptr<const Context>& context, const Layout& layout, const ImageUsage& usage)
{
    const FormatInfo* info = format_info(layout.format);
    const auto natural =
        info == nullptr || info->plane_count < 2
            ? Result<Layout>(Error::unsupported("", ""))
            : linear_layout({layout.format, layout.width, layout.height}, layout.planes[0].stride, Memories::single);
    constexpr std::array<std::uint32_t, 1> one_memory{0};
    if (!natural)
        return true;
    const auto image = BareImage::create(context, *natural, usage, one_memory);
    return !image || plane_layout(*context, image->handle(), 1).offset == natural->planes[1].offset;
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

} // namespace

Result<BareImage> BareImage::create(std::shared_ptr<const Context> context, const Layout& layout,
                                    const ImageUsage& usage, std::span<const std::uint32_t> groups)
{
    if (groups.size() != layout.memory_count || groups.empty())
        return refuse(*context, creates, Category::invalid_argument,
                      text::format("there are {} memories, and the layout has {}", groups.size(), layout.memory_count));
    // After this check each plane lies in a memory that exists.
    if (const Status sound = validate(layout); !sound)
        return sound.error();
    const std::uint32_t count = 1 + *std::max_element(groups.begin(), groups.end());
    const auto possible = check_possible(*context, layout, usage, count > 1);
    if (!possible)
        return possible.error();

    if (count > 1 && !tells_planes_apart(context, layout, usage))
        return refuse(*context, "vkGetImageSubresourceLayout", Category::unsupported,
                      "the driver does not tell memory planes apart, so they cannot be bound one by one");

    BareImage image(std::move(context));
    image.format_ = possible->format;
    image.needs_.resize(count);
    for (const Plane& plane : layout.used_planes())
        image.plane_groups_.push_back(groups[plane.memory]);
    const VkResult result = image.make(layout, usage);
    if (result != VK_SUCCESS) {
        image.handle_ = VK_NULL_HANDLE;
        return failed(*image.context_, creates, result, "the driver does not accept " + to_string(layout));
    }
    if (auto other = image.other_place(layout))
        return refuse(*image.context_, "vkGetImageSubresourceLayout", Category::unsupported, std::move(*other));
    image.ask_needs();
    for (BareImage::Needs& needs : image.needs_) {
        needs.dedicated = needs.dedicated || usage.dedicated || possible->dedicated_only;
        if (needs.dedicated && count > 1)
            return refuse(*image.context_, "vkGetImageMemoryRequirements2", Category::unsupported,
                          "the driver wants memory of its own for the image, and the planes are in several memories");
    }
    return image;
}

VkResult BareImage::make(const Layout& layout, const ImageUsage& usage)
{
    std::array<VkSubresourceLayout, max_planes> planes{};
    for (std::size_t i = 0; i < layout.plane_count; ++i) {
        planes[i].offset = layout.planes[i].offset;
        planes[i].rowPitch = layout.planes[i].stride;
    }
    const std::vector<VkFormat> formats = view_formats(format_, usage);
    VkImageFormatListCreateInfo list{};
    list.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO;
    list.viewFormatCount = static_cast<std::uint32_t>(formats.size());
    list.pViewFormats = formats.data();
    VkImageDrmFormatModifierExplicitCreateInfoEXT tiling{};
    tiling.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT;
    tiling.pNext = formats.empty() ? nullptr : &list;
    tiling.drmFormatModifier = layout.modifier.value;
    tiling.drmFormatModifierPlaneCount = layout.plane_count;
    tiling.pPlaneLayouts = planes.data();
    const ImageInfo info(format_, {layout.width, layout.height, 1}, usage, is_disjoint(), &tiling);
    return context_->vk().CreateImage(context_->device(), &info, nullptr, &handle_);
}

/// Says how the driver's layout differs from the explicit one. Some drivers ignore explicit strides,
/// and no other call shows where the pixels really lie.
std::optional<std::string> BareImage::other_place(const Layout& layout) const
{
    const VkSubresourceLayout first = plane_layout(*context_, handle_, 0);
    for (std::uint32_t i = 0; i < layout.plane_count; ++i) {
        const Plane& told = layout.planes.at(i);
        const VkSubresourceLayout made = plane_layout(*context_, handle_, i);
        // A driver may answer for plane 0 every time: see tells_planes_apart().
        if (i > 0 && made.rowPitch == first.rowPitch && made.offset == first.offset)
            continue;
        // For a disjoint image, the offset may count from the memory or from the plane.
        if (made.rowPitch != told.stride || (!is_disjoint() && made.offset != told.offset))
            return text::format(
                "plane {} should have stride {} and offset {}, and the driver uses stride {} and offset {}", i,
                told.stride, told.offset, made.rowPitch, made.offset);
    }
    return std::nullopt;
}

void BareImage::ask_needs()
{
    const std::size_t questions = is_disjoint() ? plane_groups_.size() : 1;
    for (Needs& needs : needs_)
        needs.type_bits = ~0U;
    for (std::size_t i = 0; i < questions; ++i) {
        VkImagePlaneMemoryRequirementsInfo plane{};
        plane.sType = VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO;
        plane.planeAspect = memory_plane(i);
        VkImageMemoryRequirementsInfo2 info{};
        info.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2;
        info.pNext = is_disjoint() ? &plane : nullptr;
        info.image = handle_;
        VkMemoryDedicatedRequirements dedicated{};
        dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS;
        VkMemoryRequirements2 answer{};
        answer.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
        answer.pNext = &dedicated;
        context_->vk().GetImageMemoryRequirements2(context_->device(), &info, &answer);
        Needs& needs = needs_[is_disjoint() ? plane_groups_[i] : 0];
        // Planes that share a memory are bound to its start, each with its own offset.
        needs.size = std::max(needs.size, answer.memoryRequirements.size);
        needs.type_bits &= answer.memoryRequirements.memoryTypeBits;
        needs.dedicated = needs.dedicated || dedicated.requiresDedicatedAllocation == VK_TRUE ||
                          (!is_disjoint() && dedicated.prefersDedicatedAllocation == VK_TRUE);
    }
}

BareImage::BareImage(BareImage&& other) noexcept
    : context_(std::move(other.context_)),
      format_(other.format_),
      handle_(std::exchange(other.handle_, VK_NULL_HANDLE)),
      needs_(std::move(other.needs_)),
      plane_groups_(std::move(other.plane_groups_))
{}

BareImage::~BareImage()
{
    if (handle_ != VK_NULL_HANDLE)
        context_->vk().DestroyImage(context_->device(), handle_, nullptr);
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
        return std::move(bare.error());

    std::shared_ptr<ImageObject> object(new ImageObject(context, std::move(*bare), layout, usage));
    for (std::size_t i = 0; i < dma_bufs.size(); ++i) {
        const BareImage::Needs& needs = object->image_.needs()[i];
        auto memory = Memory::import(
            context, dma_bufs[i],
            {needs.size, needs.type_bits, needs.dedicated ? object->image_.handle() : VK_NULL_HANDLE, VK_NULL_HANDLE});
        if (!memory)
            return std::move(memory.error());
        object->handles_.push_back(memory->handle());
        object->memories_.push_back(std::move(*memory));
    }
    if (const VkResult result = object->bind(); result != VK_SUCCESS)
        return failed(*context, "vkBindImageMemory2", result);
    return object;
}

VkResult ImageObject::bind()
{
    const std::size_t count = image_.is_disjoint() ? image_.plane_groups().size() : 1;
    std::array<VkBindImagePlaneMemoryInfo, max_planes> planes{};
    std::array<VkBindImageMemoryInfo, max_planes> binds{};
    for (std::size_t i = 0; i < count; ++i) {
        planes[i].sType = VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO;
        planes[i].planeAspect = memory_plane(i);
        binds[i].sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO;
        binds[i].pNext = image_.is_disjoint() ? &planes[i] : nullptr;
        binds[i].image = image_.handle();
        binds[i].memory = handles_[image_.plane_groups()[i]];
    }
    return context_->vk().BindImageMemory2(context_->device(), static_cast<std::uint32_t>(count), binds.data());
}

ImageObject::~ImageObject()
{
    for (const View& view : views_)
        context_->vk().DestroyImageView(context_->device(), view.handle, nullptr);
}

Result<VkImageView> ImageObject::view(const ViewInfo& info)
{
    const char* const call = "vkCreateImageView";
    View view{info.format != VK_FORMAT_UNDEFINED ? info.format : image_.format(), info.aspect,
              info.usage != 0 ? info.usage : usage_.flags, info.conversion ? info.conversion->object() : nullptr,
              VK_NULL_HANDLE};
    if ((view.usage & ~usage_.flags) != 0)
        return Error::invalid_argument(
            context_->where(call),
            text::format("the view has usage {:#x}, and the image {:#x}", view.usage, usage_.flags));
    if (view.conversion != nullptr && &view.conversion->context() != context_.get())
        return Error::invalid_argument(context_->where(call), "the conversion belongs to another device");
    const bool whole = view.aspect == VK_IMAGE_ASPECT_COLOR_BIT && view.format == image_.format();
    if (whole && is_ycbcr(layout_.format) && (view.usage & VK_IMAGE_USAGE_SAMPLED_BIT) != 0 &&
        view.conversion == nullptr)
        return Error::unsupported(context_->where(call),
                                  text::format("sampling {} needs a conversion", to_string(layout_.format)),
                                  "make one with Device::conversion(), or view single planes (ViewInfo::aspect)");

    const std::lock_guard lock(mutex_);
    const auto known = std::find_if(views_.begin(), views_.end(), [&view](const View& each) {
        return each.format == view.format && each.aspect == view.aspect && each.usage == view.usage &&
               each.conversion == view.conversion;
    });
    if (known != views_.end())
        return known->handle;

    VkSamplerYcbcrConversionInfo conversion{};
    conversion.sType = VK_STRUCTURE_TYPE_SAMPLER_YCBCR_CONVERSION_INFO;
    conversion.conversion = view.conversion != nullptr ? view.conversion->handle() : VK_NULL_HANDLE;
    VkImageViewUsageCreateInfo usage{};
    usage.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_USAGE_CREATE_INFO;
    usage.pNext = view.conversion != nullptr ? &conversion : nullptr;
    usage.usage = view.usage;
    VkImageViewCreateInfo created{};
    created.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO;
    created.pNext = &usage;
    created.image = image_.handle();
    created.viewType = VK_IMAGE_VIEW_TYPE_2D;
    created.format = view.format;
    created.subresourceRange = {view.aspect, 0, 1, 0, 1};
    // Storage images, attachments and converted images must not swizzle.
    if (view.usage == VK_IMAGE_USAGE_SAMPLED_BIT && view.conversion == nullptr && has_unused_alpha(layout_.format))
        created.components.a = VK_COMPONENT_SWIZZLE_ONE;
    const VkResult result = context_->vk().CreateImageView(context_->device(), &created, nullptr, &view.handle);
    if (result != VK_SUCCESS)
        return failure(result, context_->where(call));
    views_.push_back(view);
    return view.handle;
}

VkImage Image::handle() const noexcept { return object_->bare().handle(); }
VkFormat Image::format() const noexcept { return object_->bare().format(); }
VkExtent2D Image::extent() const noexcept { return {object_->layout().width, object_->layout().height}; }
const ImageUsage& Image::usage() const noexcept { return object_->usage(); }
std::span<const VkDeviceMemory> Image::memories() const noexcept { return object_->handles(); }
bool Image::is_disjoint() const noexcept { return object_->bare().is_disjoint(); }
Result<VkImageView> Image::view(const ViewInfo& info) const { return object_->view(info); }

} // namespace commonbuf::vulkan
