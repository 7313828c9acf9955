// SPDX-License-Identifier: MIT
#include "texture_pass.hpp"

#include "one_shot.hpp"
#include "texture_comp.h" // texture.comp, compiled

#include <array>

namespace cb = commonbuf;

TexturePass::~TexturePass()
{
    vkDestroyDescriptorPool(device_, pool_, nullptr);
    vkDestroyPipeline(device_, pipeline_, nullptr);
    vkDestroyPipelineLayout(device_, layout_, nullptr);
    vkDestroyDescriptorSetLayout(device_, set_layout_, nullptr);
    vkDestroySampler(device_, sampler_, nullptr);
}

cb::Status TexturePass::record(VkCommandBuffer commands, const cb::vulkan::Conversion& conversion, VkImageView texture,
                               const cb::vulkan::Image& picture)
{
    const auto target = picture.view();
    if (!target)
        return target.error();
    auto made = make_sampler(conversion).and_then([&] { return make_pipeline(); }).and_then([&] {
        return make_set(texture, *target);
    });
    if (!made)
        return made;
    constexpr std::uint32_t group = 16; // pixels, as texture.comp has it
    const VkExtent2D size = picture.extent();
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline_);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout_, 0, 1, &set_, 0, nullptr);
    vkCmdDispatch(commands, (size.width + group - 1) / group, (size.height + group - 1) / group, 1);
    return {};
}

cb::Status TexturePass::make_sampler(const cb::vulkan::Conversion& conversion)
{
    VkSamplerYcbcrConversionInfo ycbcr{};
    ycbcr.sType = VK_STRUCTURE_TYPE_SAMPLER_YCBCR_CONVERSION_INFO;
    ycbcr.conversion = conversion.handle();
    VkSamplerCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO;
    info.pNext = &ycbcr;
    info.magFilter = conversion.colours().chroma_filter;
    info.minFilter = conversion.colours().chroma_filter;
    info.addressModeU = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE;
    info.addressModeV = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE;
    info.addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE;
    return vulkan_status(vkCreateSampler(device_, &info, nullptr, &sampler_), "vkCreateSampler");
}

cb::Status TexturePass::make_pipeline()
{
    std::array<VkDescriptorSetLayoutBinding, 2> bindings{};
    bindings[0].binding = 0;
    bindings[0].descriptorType = VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER;
    bindings[0].descriptorCount = 1;
    bindings[0].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
    bindings[0].pImmutableSamplers = &sampler_; // with a conversion it has to be
    bindings[1].binding = 1;
    bindings[1].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_IMAGE;
    bindings[1].descriptorCount = 1;
    bindings[1].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
    VkDescriptorSetLayoutCreateInfo sets{};
    sets.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
    sets.bindingCount = bindings.size();
    sets.pBindings = bindings.data();
    if (auto made = vulkan_status(vkCreateDescriptorSetLayout(device_, &sets, nullptr, &set_layout_),
                                  "vkCreateDescriptorSetLayout");
        !made)
        return made;
    VkPipelineLayoutCreateInfo layout{};
    layout.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
    layout.setLayoutCount = 1;
    layout.pSetLayouts = &set_layout_;
    if (auto made =
            vulkan_status(vkCreatePipelineLayout(device_, &layout, nullptr, &layout_), "vkCreatePipelineLayout");
        !made)
        return made;
    VkShaderModuleCreateInfo code{};
    code.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
    code.codeSize = sizeof texture_comp;
    code.pCode = texture_comp;
    VkShaderModule shader = VK_NULL_HANDLE;
    if (auto made = vulkan_status(vkCreateShaderModule(device_, &code, nullptr, &shader), "vkCreateShaderModule");
        !made)
        return made;
    VkComputePipelineCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
    info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    info.stage.module = shader;
    info.stage.pName = "main";
    info.layout = layout_;
    const VkResult made = vkCreateComputePipelines(device_, VK_NULL_HANDLE, 1, &info, nullptr, &pipeline_);
    vkDestroyShaderModule(device_, shader, nullptr);
    return vulkan_status(made, "vkCreateComputePipelines");
}

cb::Status TexturePass::make_set(VkImageView texture, VkImageView picture)
{
    // A texture of several planes may count as several descriptors, three at most.
    constexpr std::uint32_t planes = 3;
    const std::array<VkDescriptorPoolSize, 2> sizes{{
        {VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, planes},
        {VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, 1},
    }};
    VkDescriptorPoolCreateInfo pool{};
    pool.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO;
    pool.maxSets = 1;
    pool.poolSizeCount = sizes.size();
    pool.pPoolSizes = sizes.data();
    if (auto made = vulkan_status(vkCreateDescriptorPool(device_, &pool, nullptr, &pool_), "vkCreateDescriptorPool");
        !made)
        return made;
    VkDescriptorSetAllocateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO;
    info.descriptorPool = pool_;
    info.descriptorSetCount = 1;
    info.pSetLayouts = &set_layout_;
    if (auto made = vulkan_status(vkAllocateDescriptorSets(device_, &info, &set_), "vkAllocateDescriptorSets"); !made)
        return made;
    const std::array<VkDescriptorImageInfo, 2> images{{
        {VK_NULL_HANDLE, texture, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL},
        {VK_NULL_HANDLE, picture, VK_IMAGE_LAYOUT_GENERAL},
    }};
    std::array<VkWriteDescriptorSet, 2> writes{};
    for (std::uint32_t i = 0; i < writes.size(); ++i) {
        writes[i].sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
        writes[i].dstSet = set_;
        writes[i].dstBinding = i;
        writes[i].descriptorCount = 1;
        writes[i].descriptorType =
            i == 0 ? VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER : VK_DESCRIPTOR_TYPE_STORAGE_IMAGE;
        writes[i].pImageInfo = &images[i];
    }
    vkUpdateDescriptorSets(device_, writes.size(), writes.data(), 0, nullptr);
    return {};
}
