// SPDX-License-Identifier: MIT
#pragma once

#include "gpu.hpp"
#include "hue_reference.hpp"

#include <commonbuf/commonbuf.hpp>
#include <commonbuf/vulkan.hpp>

#include <cstddef>
#include <memory>
#include <vector>
#include <vulkan/vulkan.h>

/// hue.comp on a GPU: several at once, without waiting for any.
class HuePass {
public:
    /// How many can be in flight.
    static constexpr std::size_t most = 4;

    /// Errors: kernel_failure (with the VkResult), what vulkan::Semaphore::create() gives.
    static commonbuf::Result<std::unique_ptr<HuePass>> create(const Gpu& gpu);

    /// Calls finish().
    ~HuePass();
    HuePass(const HuePass&) = delete;
    HuePass& operator=(const HuePass&) = delete;

    /// The uses to plan with.
    commonbuf::Use input() const;
    commonbuf::Use output() const;

    /// Draws once from each buffer, whatever is in it, and waits for that, at most 10 s a buffer: the
    /// first use of an image and of a pipeline takes a driver longer than a frame lasts. So it comes
    /// before the camera starts.
    ///
    /// Errors: timed_out, what submit() gives.
    commonbuf::Status warm_up(const std::vector<commonbuf::Buffer>& cameras, commonbuf::Pool& pictures);

    /// Whether submit() has room. Asks the device, and waits for nothing.
    bool has_room();

    /// Turns `camera` into `picture` when the jobs before have ended; publishes the end of this
    /// one to both buffers, and returns it. The buffers have to live until then.
    ///
    /// Errors: exhausted (no room), device_lost, what importing gives.
    commonbuf::Result<commonbuf::Fence> submit(const commonbuf::Buffer& camera, const commonbuf::Buffer& picture,
                                               const Turn& turn);

    /// Waits for what is in flight, at most 2 s: before the buffers go.
    void finish() noexcept;

private:
    struct Flight {
        VkCommandBuffer commands = VK_NULL_HANDLE;
        VkDescriptorSet set = VK_NULL_HANDLE;
        VkFence over = VK_NULL_HANDLE;
        std::unique_ptr<commonbuf::vulkan::Semaphore> ready;
        std::unique_ptr<commonbuf::vulkan::Semaphore> done;
    };

    explicit HuePass(const Gpu& gpu) : gpu_(gpu) {}
    commonbuf::Status make_pipeline();
    commonbuf::Status make_flights();
    Flight* free_flight();
    commonbuf::Status record(const Flight& flight, const commonbuf::vulkan::Image& camera,
                             const commonbuf::vulkan::Image& picture, const commonbuf::Layout& layout,
                             const Turn& turn);

    const Gpu& gpu_;
    VkDescriptorSetLayout set_layout_ = VK_NULL_HANDLE;
    VkPipelineLayout layout_ = VK_NULL_HANDLE;
    VkPipeline pipeline_ = VK_NULL_HANDLE;
    VkDescriptorPool descriptors_ = VK_NULL_HANDLE;
    VkCommandPool pool_ = VK_NULL_HANDLE;
    std::vector<Flight> flights_;
};
