// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/format.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>
#include <commonbuf/vulkan/buffer.hpp>
#include <commonbuf/vulkan/conversion.hpp>
#include <commonbuf/vulkan/format.hpp>
#include <commonbuf/vulkan/image.hpp>
#include <commonbuf/vulkan/requirements.hpp>
#include <commonbuf/vulkan/usage.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vulkan/vulkan_core.h>

/// Devices behind Vulkan. Comments name the chapters and extensions of the Vulkan specification
/// that matter. The library makes no device of its own and links no loader: it works on the
/// caller's VkDevice through the caller's vkGetInstanceProcAddr.
namespace commonbuf::vulkan {

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
    /// A queue of that family, only for proof by content: the library submits to it inside
    /// Allocator::verify() and nowhere else. The caller must not submit to it meanwhile (VkQueue is
    /// externally synchronised).
    VkQueue queue = VK_NULL_HANDLE;
};

class Context; // the library's own

/// A VkDevice of the caller. A handle: copies mean the same device, and one that was moved from stays one of
/// them. Thread-safe.
///
/// The VkInstance and the VkDevice stay the caller's. They must outlive every copy, every use, every
/// plan with such a use, and everything that was made of them here. Nothing here waits for the
/// device.
class COMMONBUF_API Device {
public:
    // Without moves, which would leave a handle of nothing.
    Device(const Device&) noexcept = default;
    Device& operator=(const Device&) noexcept = default;

    /// Notes a device and loads its functions. `info` is not kept.
    ///
    /// Errors: invalid_argument (a handle is null; the device lacks a function of an extension or
    /// feature that `info` names: it was made without it), unsupported (Vulkan 1.0), out_of_memory,
    /// device_gone (VK_ERROR_DEVICE_LOST).
    static Result<Device> wrap(const WrapInfo& info);

    /// Returns VkPhysicalDeviceProperties::deviceName.
    const std::string& name() const noexcept;

    VkDevice handle() const noexcept;
    VkPhysicalDevice physical() const noexcept;
    std::uint32_t queue_family() const noexcept;
    VkQueue queue() const noexcept; ///< WrapInfo::queue

    /// Finds a function of this device by its name ("vkCreateBuffer"); nullptr if it has none.
    PFN_vkVoidFunction function(const char* name) const noexcept;

    /// The heaps and types of its memory, as they were when the device was wrapped.
    const VkPhysicalDeviceMemoryProperties& memory_properties() const noexcept;

    /// Makes a use of images with this usage. Its formats and modifiers are those that the device
    /// imports as dma-bufs for exactly these parameters (vkGetPhysicalDeviceImageFormatProperties2).
    ///
    /// If the device was made without something that images need (see requirements()), planning with
    /// the use fails as unsupported and names it.
    Use use(const ImageUsage& usage) const;

    Use sampled() const;              ///< read through a sampler; YCbCr needs samplerYcbcrConversion
    Use storage() const;              ///< read and written by shaders
    Use color_attachment() const;     ///< drawn into
    Use input_attachment() const;     ///< read in a later subpass
    Use transfer_source() const;      ///< copied from
    Use transfer_destination() const; ///< copied or cleared into

    /// Makes a use of the bytes of linear and opaque buffers, as one VkBuffer for each memory: for
    /// copies, shaders and codecs.
    Use buffer_use(VkBufferUsageFlags usage) const;

    /// Imports a buffer as an image.
    ///
    /// The first call with this usage imports; the image is kept with the buffer, so later calls
    /// cost nothing. Memories that are one dma-buf (by inode) become one VkDeviceMemory. The buffer
    /// keeps its descriptors.
    ///
    /// Errors: invalid_argument (the usage is empty), unsupported (the device was made without an
    /// extension, or cannot do this format, modifier, layout, size or usage), incompatible (the
    /// driver needs more bytes than the dma-buf has: Error::needed and Error::offered; or no memory
    /// type serves both), out_of_memory, device_gone (VK_ERROR_DEVICE_LOST).
    Result<Image> import_image(const Buffer& buffer, const ImageUsage& usage) const;

    /// Imports one memory of a buffer as a VkBuffer, by the rules of import_image().
    ///
    /// Errors: those of import_image(); invalid_argument (no such memory).
    Result<DeviceBuffer> import_buffer(const Buffer& buffer, VkBufferUsageFlags usage, std::size_t memory = 0) const;

    /// Drops what this device imported of the buffer, so that the next import starts anew.
    ///
    /// Objects that handles still hold are destroyed with the handles. Call it for every buffer that
    /// outlives the VkDevice, before you destroy the device.
    void forget(const Buffer& buffer) const;

    /// Makes a conversion for images of this format and modifier, as near to `colours` as the
    /// device's format features allow.
    ///
    /// Errors: unsupported (the device was made without samplerYcbcrConversion; the format cannot be
    /// converted), out_of_memory.
    Result<Conversion> conversion(Format format, Modifier modifier, const Colours& colours) const;

    explicit Device(std::shared_ptr<Context> context) noexcept : context_(std::move(context)) {}

    /// For the library's own use.
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
