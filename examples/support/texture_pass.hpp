// SPDX-License-Identifier: MIT
#pragma once

#include "gpu.hpp"

#include <commonbuf/commonbuf.hpp>
#include <commonbuf/vulkan.hpp>

#include <cstdint>
#include <vulkan/vulkan.h>

/// texture.comp on a GPU, in place of a program's own shaders: samples a YCbCr texture into a
/// picture of the same size.
class TexturePass {
public:
    explicit TexturePass(VkDevice device) : device_(device) {}
    ~TexturePass();
    TexturePass(const TexturePass&) = delete;
    TexturePass& operator=(const TexturePass&) = delete;

    /// Records it, once. The conversion stands in the sampler, which the pipeline is made with,
    /// and in the texture's view. What is given and this have to live until the GPU has done it.
    commonbuf::Status record(VkCommandBuffer commands, const commonbuf::vulkan::Conversion& conversion,
                             VkImageView texture, const commonbuf::vulkan::Image& picture);

private:
    commonbuf::Status make_sampler(const commonbuf::vulkan::Conversion& conversion);
    commonbuf::Status make_pipeline();
    commonbuf::Status make_set(VkImageView texture, VkImageView picture);

    VkDevice device_;
    VkSampler sampler_ = VK_NULL_HANDLE;
    VkDescriptorSetLayout set_layout_ = VK_NULL_HANDLE;
    VkPipelineLayout layout_ = VK_NULL_HANDLE;
    VkPipeline pipeline_ = VK_NULL_HANDLE;
    VkDescriptorPool pool_ = VK_NULL_HANDLE;
    VkDescriptorSet set_ = VK_NULL_HANDLE;
};
