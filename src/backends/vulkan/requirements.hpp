// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/vulkan/requirements.hpp>

#include <bitset>
#include <cstdint>
#include <span>
#include <string_view>
#include <vulkan/vulkan_core.h>

namespace commonbuf::vulkan {

/// What commonbuf can use of a VkDevice beyond Vulkan 1.1.
enum class Need : std::uint8_t {
    external_memory_fd,
    external_memory_dma_buf,
    image_drm_format_modifier,
    image_format_list,
    queue_family_foreign,
    external_semaphore_fd,
    external_fence_fd,
    timeline_semaphore_extension,
    timeline_semaphore,
    sampler_ycbcr_conversion,
    ycbcr_2plane_444_formats,
    formats_4444,
    maintenance5,
};
inline constexpr std::size_t need_count = 13;

struct NeedInfo {
    Need need;
    const char* name; ///< of the extension, or of the member of the feature struct
    bool extension;
    std::uint32_t core_since; ///< from this version the extension need not be named; 0: never
    std::string_view without; ///< what is off without it
    /// Below this version it needs other extensions that nothing here uses, so it is not asked for.
    std::uint32_t not_before = 0;
};

/// Lists all of them, in the order of Need.
std::span<const NeedInfo> needs() noexcept;
const NeedInfo& info_of(Need need) noexcept;

/// A set of them: what a device was made with, or what it has.
class Enabled {
public:
    bool has(Need need) const noexcept { return set_[static_cast<std::size_t>(need)]; }
    void add(Need need) noexcept { set_.set(static_cast<std::size_t>(need)); }

    /// Makes the set from what a caller says of a device. Ignores extensions that commonbuf does not
    /// use.
    static Enabled from(std::span<const char* const> extensions, const Features& features, std::uint32_t api_version);

private:
    std::bitset<need_count> set_;
};

} // namespace commonbuf::vulkan
