// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>
#include <vulkan/vulkan_core.h>

namespace fake {

/// A Vulkan driver without a loader or a GPU: what it has is said here, its calls can be made
/// to fail one by one, and it knows what was not given back. One at a time.
///
/// The descriptors that it takes are those of the fake kernel.
class Vulkan {
public:
    Vulkan();
    ~Vulkan();
    Vulkan(const Vulkan&) = delete;
    Vulkan& operator=(const Vulkan&) = delete;

    // What there is.
    std::uint32_t api_version = VK_API_VERSION_1_1;
    std::vector<std::string> extensions; ///< everything that the library knows, at first
    bool ycbcr = true;
    bool timeline = true;
    std::set<std::string> missing_functions;
    std::map<VkFormat, std::vector<VkDrmFormatModifierPropertiesEXT>> formats;
    bool any_column_height = true; ///< listed columns may have every height
    bool importable = true;
    bool dedicated_only = false;
    bool requires_dedicated = false;
    VkExtent3D max_extent{4096, 4096, 1};
    VkDeviceSize max_allocation = VkDeviceSize{1} << 31U;
    std::uint32_t object_types = 0b0110; ///< memory types of images and buffers
    std::uint32_t fd_types = 0b1100;     ///< and of dma-bufs
    VkDeviceSize extra_bytes = 0;        ///< that images and buffers need beyond their planes
    std::uint32_t pitch_align = 1;
    bool own_pitch = false;    ///< takes any stride, and uses its own
    bool planes_alike = false; ///< takes every memory plane for plane 0

    // What was done.
    struct Image {
        VkImageCreateInfo info{};
        std::vector<VkSubresourceLayout> planes;
        std::uint64_t modifier = 0;
        std::vector<VkFormat> view_formats;
    };
    struct Memory {
        VkMemoryAllocateInfo info{};
        int fd = -1;
        std::uint64_t inode = 0;
        bool dedicated = false;
    };
    struct Bind {
        std::uint64_t memory = 0;
        VkImageAspectFlags aspect = 0;
    };
    std::vector<std::string> calls;
    std::map<std::uint64_t, std::string> objects; ///< that live, by handle
    std::map<std::uint64_t, Image> images;        ///< that were made, by handle
    std::map<std::uint64_t, Memory> memories;
    std::map<std::uint64_t, std::vector<Bind>> binds;
    VkSamplerYcbcrConversionCreateInfo conversion{};
    VkImageViewCreateInfo view{};
    std::vector<std::byte> mapped; ///< memory of the driver's own
    std::string complaints;        ///< uses that no driver would survive

    /// Makes the call with this index fail; only calls that give a VkResult can.
    void fail(std::size_t index, VkResult result) { fault_ = {index, result}; }
    bool fault_hit() const { return fault_hit_; }

    /// What lives still, or was used wrongly; empty when all is well.
    std::string leaks() const;

    static PFN_vkVoidFunction get_instance_proc_addr(VkInstance instance, const char* name);
    static VkInstance instance();
    static VkPhysicalDevice physical();
    static VkDevice device();
    static VkQueue queue();

    // For the calls.
    static Vulkan& current();
    VkResult called(const char* name);
    void told(const char* name) { calls.emplace_back(name); }
    std::uint64_t add(const char* kind);
    void drop(const char* kind, std::uint64_t handle);

private:
    std::uint64_t next_ = 1;
    std::pair<std::size_t, VkResult> fault_{SIZE_MAX, VK_SUCCESS};
    bool fault_hit_ = false;
};

} // namespace fake
