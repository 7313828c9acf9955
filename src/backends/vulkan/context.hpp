// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/failure.hpp"
#include "backends/vulkan/functions.hpp"
#include "backends/vulkan/requirements.hpp"
#include "backends/vulkan/outstanding.hpp"

#include <commonbuf/vulkan/device.hpp>
#include <commonbuf/vulkan/sync.hpp>

#include <initializer_list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace commonbuf::vulkan {

/// What a physical device said, asked once.
struct PhysicalInfo {
    std::string name;              ///< deviceName
    std::string label;             ///< short, for names of uses: "renderD128", or deviceName's first word
    std::string identity;          ///< the device and its driver, for remembered verdicts
    std::uint32_t api_version = 0; ///< the lower one of the caller's and the device's
    VkDeviceSize max_allocation = 0;
    Enabled available;
};

/// Loads the functions of an instance. Errors: those of requirements().
Result<Functions> functions_of(VkInstance instance, VkPhysicalDevice physical, PFN_vkGetInstanceProcAddr get,
                               std::uint32_t api_version, const char* operation);

/// Asks a physical device. Errors: those of requirements().
Result<PhysicalInfo> read_physical(const Functions& vk, VkPhysicalDevice physical, std::uint32_t api_version);

/// A way of importing into a device: as an image, or one memory as a buffer.
using ImportWay = std::variant<ImageUsage, std::pair<VkBufferUsageFlags, std::size_t>>;

/// Owners for BufferState::import_once(): one for each way of importing into a device. An import holds
/// the Context, so no other object gets the owner's address meanwhile.
class ImportOwners {
public:
    const void* of(const ImportWay& way);
    std::vector<const void*> all();

private:
    std::mutex mutex_;
    std::set<ImportWay> ways_;
};

/// A VkDevice of the caller and everything that is known about it. Thread-safe.
class Context {
public:
    static Result<std::shared_ptr<Context>> create(const WrapInfo& info);

    /// Vulkan's functions: context.vk().CreateImage(context.device(), ...).
    const Functions& vk() const noexcept { return vk_; }
    VkDevice device() const noexcept { return device_; }
    VkPhysicalDevice physical() const noexcept { return physical_; }
    std::uint32_t queue_family() const noexcept { return queue_family_; }
    VkQueue queue() const noexcept { return queue_; } ///< null if the caller gave none
    const PhysicalInfo& info() const noexcept { return info_; }
    const VkPhysicalDeviceMemoryProperties& memory() const noexcept { return memory_; }
    bool has(Need need) const noexcept { return enabled_.has(need); }
    Outstanding& outstanding() const noexcept { return outstanding_; }
    ImportOwners& owners() const noexcept { return owners_; }

    /// Returns what the device can do with sync_files. The first call asks: every frame comes through here.
    const SyncSupport& sync_files() const;

    /// Returns a call on this device, for errors: {"vkCreateImage", "llvmpipe"}.
    Call where(std::string_view call) const { return {call, info_.name}; }

    /// Makes the error of a call on this device that failed.
    Error failed(std::string_view call, VkResult result, std::string_view detail = {}) const
    {
        return failure(result, where(call), detail);
    }

    /// Fails as unsupported if the device was made without one of these. Names the first missing
    /// one, whether the physical device has it, and what is off without it.
    Status require(std::initializer_list<Need> needs, Tried tried) const;
    Status require_dma_bufs(Tried tried) const;
    Status require_images(Tried tried) const;

private:
    Context(const WrapInfo& given, const Functions& vk, PhysicalInfo info, const Enabled& enabled);

    Functions vk_;
    VkDevice device_;
    VkPhysicalDevice physical_;
    std::uint32_t queue_family_;
    VkQueue queue_;
    PhysicalInfo info_;
    Enabled enabled_;
    VkPhysicalDeviceMemoryProperties memory_{};
    mutable Outstanding outstanding_;
    mutable ImportOwners owners_;
    mutable std::once_flag sync_files_asked_;
    mutable SyncSupport sync_files_;
};

} // namespace commonbuf::vulkan
