// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/format.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>
#include <commonbuf/vulkan/image.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include <vulkan/vulkan_core.h>

/// Devices behind Vulkan (the Vulkan specification; chapters and extensions are named where
/// they matter). The library brings no device of its own and links no loader: it works on
/// the caller's VkDevice through the caller's vkGetInstanceProcAddr.
namespace commonbuf::vulkan {

/// The VkFormat with the same bytes; nothing where Vulkan has none. Formats with an
/// unused channel (XRGB8888) give the one with alpha: its content is undefined. YCbCr
/// formats need a sampler with a conversion (VkSamplerYcbcrConversion), those of them that
/// have a VkFormat of colours too (Y410).
COMMONBUF_API std::optional<VkFormat> to_vulkan(Format format) noexcept;

/// The DRM format with the same bytes, alpha included; nothing where the library knows
/// none. Where DRM has several (Y410 is ARGB2101010 with a conversion), colours stand for
/// all. sRGB formats are not told apart from linear ones: the bytes are the same.
COMMONBUF_API std::optional<Format> from_vulkan(VkFormat format) noexcept;

/// Features of a VkDevice that commonbuf can use. Vulkan does not tell which of them a
/// device was made with, so that the caller has to.
struct Features {
    bool sampler_ycbcr_conversion = false; ///< VkPhysicalDeviceSamplerYcbcrConversionFeatures
    bool timeline_semaphore = false;       ///< VkPhysicalDeviceTimelineSemaphoreFeatures
};

/// Something that a VkDevice can be made with, and what commonbuf does with it.
struct Requirement {
    std::string_view name;    ///< "VK_EXT_external_memory_dma_buf"; a feature: "timelineSemaphore"
    bool extension = true;    ///< false for a feature
    bool available = false;   ///< whether the physical device has it
    std::string_view without; ///< what cannot be done without it, a sentence for people
};

/// What commonbuf will use of a device that is yet to be made.
struct COMMONBUF_API Requirements {
    std::string device;            ///< the physical device's name
    std::uint32_t api_version = 0; ///< the lower one of the caller's and the device's
    std::vector<Requirement> all;  ///< in the order of what depends on them, most first

    /// Those that are there, for VkDeviceCreateInfo::ppEnabledExtensionNames. The strings
    /// live as long as the program.
    std::vector<const char*> extensions() const;

    /// Those that are there. Turn them on in VkDeviceCreateInfo::pNext.
    Features features() const;

    /// For people: a line for each one, and what is off without those that are missing.
    std::string explain() const;
};

/// Asks a physical device, before a VkDevice is made of it, for everything that commonbuf can
/// use. Nothing of it is needed for Device::wrap(): what is missing is refused where it is
/// needed, by name.
///
/// `api_version` is VkApplicationInfo::apiVersion. Errors: invalid_argument (a null handle, no
/// function vkGetInstanceProcAddr), unsupported (Vulkan 1.0; a function is missing),
/// exhausted, device_lost.
COMMONBUF_API Result<Requirements> requirements(VkInstance instance, VkPhysicalDevice physical,
                                                PFN_vkGetInstanceProcAddr get_instance_proc_addr,
                                                std::uint32_t api_version);

/// What a Device is made of: the caller's own objects, and what they were made with.
struct WrapInfo {
    VkInstance instance = VK_NULL_HANDLE;
    VkPhysicalDevice physical = VK_NULL_HANDLE;
    VkDevice device = VK_NULL_HANDLE;
    std::uint32_t queue_family = 0; ///< the one that works on the buffers
    PFN_vkGetInstanceProcAddr get_instance_proc_addr = nullptr;
    std::uint32_t api_version = 0;             ///< VkApplicationInfo::apiVersion; at least 1.1
    std::span<const char* const> extensions{}; ///< VkDeviceCreateInfo::ppEnabledExtensionNames
    Features features{};                       ///< those that were turned on
    /// A queue of that family, for proof by content alone: the library submits to it inside
    /// Allocator::verify() and nowhere else. The caller must not submit to it meanwhile
    /// (VkQueue is externally synchronised).
    VkQueue queue = VK_NULL_HANDLE;
};

class Context; // the library's own

/// A VkDevice of the caller's. A handle: copies mean the same device. Thread-safe.
///
/// The VkInstance and the VkDevice stay the caller's and have to outlive every copy, every
/// use, every plan with one, and everything that was made of them here; nothing here waits
/// for the device.
class COMMONBUF_API Device {
public:
    /// Takes note of a device and fetches its functions. `info` is not kept.
    ///
    /// Errors: invalid_argument (a null handle; an extension or feature is named whose
    /// functions the device does not have: it was made without it), unsupported (Vulkan 1.0),
    /// exhausted, device_lost.
    static Result<Device> wrap(const WrapInfo& info);

    /// VkPhysicalDeviceProperties::deviceName.
    const std::string& name() const noexcept;

    VkDevice handle() const noexcept;
    VkPhysicalDevice physical() const noexcept;
    std::uint32_t queue_family() const noexcept;
    VkQueue queue() const noexcept; ///< WrapInfo::queue

    /// Finds a function of this device by its name ("vkCreateBuffer"); nullptr if it has none.
    PFN_vkVoidFunction function(const char* name) const noexcept;

    /// The heaps and types of its memory, as they were when the device was wrapped.
    const VkPhysicalDeviceMemoryProperties& memory_properties() const noexcept;

    /// Images with this usage. Formats and modifiers are those that the device takes as
    /// dma-bufs for exactly these parameters (vkGetPhysicalDeviceImageFormatProperties2).
    ///
    /// Planning with it is refused as unsupported where the device was made without what
    /// images need (see requirements()), naming it.
    Use use(const ImageUsage& usage) const;

    Use sampled() const;              ///< read through a sampler; YCbCr needs samplerYcbcrConversion
    Use storage() const;              ///< read and written by shaders
    Use colour_attachment() const;    ///< drawn into
    Use input_attachment() const;     ///< read in a later subpass
    Use transfer_source() const;      ///< copied from
    Use transfer_destination() const; ///< copied or cleared into

    /// The bytes of linear and opaque buffers as one VkBuffer for each memory, for copies,
    /// shaders and codecs.
    Use buffer_use(VkBufferUsageFlags usage) const;

    /// The image over a buffer, imported at the first call with this usage and kept with the
    /// buffer: later calls cost nothing. Memories that are one dma-buf (by inode) become one
    /// VkDeviceMemory. The buffer keeps its descriptors.
    ///
    /// Errors: invalid_argument (no usage), unsupported (the device was made without an
    /// extension; the format, modifier, layout, size or usage is not the device's),
    /// incompatible (the driver needs more bytes than the dma-buf has, with both sizes; no
    /// memory type serves both), exhausted, device_lost.
    Result<Image> import_image(const Buffer& buffer, const ImageUsage& usage) const;

    /// A memory of the buffer as a VkBuffer; the same rules and errors. invalid_argument also
    /// where there is no such memory.
    Result<DeviceBuffer> import_buffer(const Buffer& buffer, VkBufferUsageFlags usage, std::size_t memory = 0) const;

    /// Gives up what this device made of the buffer and keeps with it: the next import is a
    /// fresh one. What handles still hold goes with them. Call it for every buffer that
    /// outlives the VkDevice, before the device is destroyed.
    void forget(const Buffer& buffer) const;

    /// A conversion for images of this format and modifier, as near to `colours` as the
    /// device can (its format features).
    ///
    /// Errors: unsupported (the device was made without samplerYcbcrConversion; the format
    /// cannot be converted), exhausted.
    Result<Conversion> conversion(Format format, Modifier modifier, const Colours& colours) const;

    explicit Device(std::shared_ptr<Context> context) noexcept : context_(std::move(context)) {}

    /// For the library's own.
    const std::shared_ptr<Context>& context() const noexcept { return context_; }

private:
    std::shared_ptr<Context> context_;
};

/// Images of a device, as a use stands for them.
struct UsedImages {
    Device device;
    ImageUsage usage;
};

/// Says which images a use stands for; nothing for uses that come from no Device::use() or one of
/// its siblings.
COMMONBUF_API std::optional<UsedImages> images_of(const Use& use);

/// What a VkResult means in this library's categories; `tried` is the call, for example
/// {"vkQueueSubmit", device.name()}. A success is kernel_failure too.
COMMONBUF_API Error to_error(VkResult result, Tried tried);

} // namespace commonbuf::vulkan
