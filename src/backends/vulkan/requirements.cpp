// SPDX-License-Identifier: MIT
#include "backends/vulkan/requirements.hpp"

#include "backends/vulkan/context.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>

namespace commonbuf::vulkan {
namespace {

constexpr std::string_view no_dma_bufs = "dma-bufs are neither imported nor exported: no uses, no images, no buffers";
constexpr std::string_view no_timelines = "timeline semaphores are not bridged to fences and timelines";

/// Whether a device of this version has it anyway.
bool is_core(const NeedInfo& need, std::uint32_t api_version) noexcept
{
    return need.core_since != 0 && api_version >= need.core_since;
}

constexpr auto rows = std::to_array<NeedInfo>({
    {Need::external_memory_fd, VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, true, 0, no_dma_bufs},
    {Need::external_memory_dma_buf, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME, true, 0, no_dma_bufs},
    {Need::image_drm_format_modifier, VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME, true, 0,
     "images cannot be given a layout: no uses of images; buffers remain"},
    {Need::image_format_list, VK_KHR_IMAGE_FORMAT_LIST_EXTENSION_NAME, true, VK_API_VERSION_1_2,
     "VK_EXT_image_drm_format_modifier needs it"},
    {Need::queue_family_foreign, VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME, true, 0,
     "images are not handed over to devices of other kinds (VK_QUEUE_FAMILY_FOREIGN_EXT)"},
    {Need::external_semaphore_fd, VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME, true, 0,
     "semaphores are neither made of fences nor turned into them"},
    {Need::external_fence_fd, VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME, true, 0,
     "a VkFence is neither made of a fence nor turned into one"},
    {Need::timeline_semaphore_extension, VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME, true, VK_API_VERSION_1_2,
     no_timelines},
    {Need::timeline_semaphore, "timelineSemaphore", false, 0, no_timelines},
    {Need::sampler_ycbcr_conversion, "samplerYcbcrConversion", false, 0, "YCbCr formats cannot be sampled as colours"},
    {Need::ycbcr_2plane_444_formats, VK_EXT_YCBCR_2PLANE_444_FORMATS_EXTENSION_NAME, true, VK_API_VERSION_1_3,
     "there is no NV24"},
    {Need::formats_4444, VK_EXT_4444_FORMATS_EXTENSION_NAME, true, VK_API_VERSION_1_3,
     "there is no ARGB4444 and no ABGR4444"},
    {Need::maintenance5, "VK_KHR_maintenance5", true, VK_MAKE_API_VERSION(0, 1, 4, 0), "there is no ABGR1555",
     VK_API_VERSION_1_3},
});
static_assert(rows.size() == need_count);

bool is_available(const std::vector<Requirement>& all, const NeedInfo& need)
{
    return std::ranges::any_of(all, [&need](const Requirement& each) {
        return each.available && each.extension == need.extension && each.name == need.name;
    });
}

} // namespace

std::span<const NeedInfo> needs() noexcept { return rows; }
const NeedInfo& info_of(Need need) noexcept { return rows.at(static_cast<std::size_t>(need)); }

Enabled Enabled::from(std::span<const char* const> extensions, const Features& features, std::uint32_t api_version)
{
    Enabled result;
    for (const NeedInfo& need : rows) {
        const auto is_named = [&need](const char* each) {
            return each != nullptr && std::string_view(each) == need.name;
        };
        if (need.extension && (std::ranges::any_of(extensions, is_named) || is_core(need, api_version)))
            result.add(need.need);
    }
    if (features.timeline_semaphore)
        result.add(Need::timeline_semaphore);
    if (features.sampler_ycbcr_conversion)
        result.add(Need::sampler_ycbcr_conversion);
    return result;
}

std::vector<const char*> Requirements::extensions() const
{
    std::vector<const char*> names;
    for (const NeedInfo& need : rows) {
        if (need.extension && is_available(all, need))
            names.push_back(need.name);
    }
    return names;
}

Features Requirements::features() const
{
    return {is_available(all, info_of(Need::sampler_ycbcr_conversion)),
            is_available(all, info_of(Need::timeline_semaphore))};
}

std::string Requirements::explain() const
{
    std::string result = text::format("{}, Vulkan {}.{}\n", device, VK_API_VERSION_MAJOR(api_version),
                                      VK_API_VERSION_MINOR(api_version));
    for (const Requirement& each : all) {
        result += text::format("  {} {}", each.available ? "has  " : "lacks", each.name);
        if (!each.available)
            result += text::format(": {}", each.without);
        result += '\n';
    }
    return result;
}

Result<Requirements> requirements(VkInstance instance, VkPhysicalDevice physical,
                                  PFN_vkGetInstanceProcAddr get_instance_proc_addr, std::uint32_t api_version)
{
    constexpr const char* operation = "ask a VkPhysicalDevice";
    const auto vk = functions_of(instance, physical, get_instance_proc_addr, api_version, operation);
    if (!vk)
        return vk.error();
    auto info = read_physical(*vk, physical, api_version);
    if (!info)
        return info.error();
    Requirements result{std::move(info->name), info->api_version, {}};
    for (const NeedInfo& need : rows) {
        if (!is_core(need, result.api_version) && result.api_version >= need.not_before)
            result.all.push_back({need.name, need.extension, info->available.has(need.need), need.without});
    }
    return result;
}

} // namespace commonbuf::vulkan
