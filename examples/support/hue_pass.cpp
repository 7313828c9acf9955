// SPDX-License-Identifier: MIT
#include "hue_pass.hpp"

#include "hue_comp.h" // hue.comp, compiled

#include <drm_fourcc.h>

#include <array>
#include <chrono>
#include <string>
#include <utility>

namespace cb = commonbuf;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t group = 16; // pixels, as hue.comp has it

/// As hue.comp has it.
struct Constants {
    std::int32_t width;
    std::int32_t height;
    std::int32_t across;
    std::int32_t down;
    std::int32_t cosine;
    std::int32_t sine;
    std::int32_t number;
};

const cb::vulkan::ImageUsage& camera_usage()
{
    static const cb::vulkan::ImageUsage usage{.flags = VK_IMAGE_USAGE_SAMPLED_BIT,
                                              .view_formats = {VK_FORMAT_R8_UNORM, VK_FORMAT_R8G8_UNORM}};
    return usage;
}

const cb::vulkan::ImageUsage& picture_usage()
{
    static const cb::vulkan::ImageUsage usage{.flags = VK_IMAGE_USAGE_STORAGE_BIT};
    return usage;
}

void barrier(VkCommandBuffer commands, const VkImageMemoryBarrier2& wanted)
{
    const cb::vulkan::ImageBarrier barrier = cb::vulkan::without_synchronization2(wanted);
    vkCmdPipelineBarrier(commands, barrier.source, barrier.destination, 0, 0, nullptr, 0, nullptr, 1, &barrier.barrier);
}

} // namespace

cb::Result<std::unique_ptr<HuePass>> HuePass::create(const Gpu& gpu)
{
    std::unique_ptr<HuePass> pass(new HuePass(gpu));
    if (const auto made = pass->make_pipeline(); !made)
        return made.error();
    if (const auto made = pass->make_flights(); !made)
        return made.error();
    return pass;
}

cb::Use HuePass::input() const { return gpu_.device().use(camera_usage()); }
cb::Use HuePass::output() const { return gpu_.device().use(picture_usage()); }

cb::Status HuePass::make_pipeline()
{
    std::array<VkDescriptorSetLayoutBinding, 3> bindings{};
    for (std::uint32_t i = 0; i < bindings.size(); ++i) {
        bindings[i].binding = i;
        bindings[i].descriptorType = i < 2 ? VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE : VK_DESCRIPTOR_TYPE_STORAGE_IMAGE;
        bindings[i].descriptorCount = 1;
        bindings[i].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
    }
    VkDescriptorSetLayoutCreateInfo sets{};
    sets.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
    sets.bindingCount = bindings.size();
    sets.pBindings = bindings.data();
    if (auto made = vulkan_status(vkCreateDescriptorSetLayout(gpu_.handle(), &sets, nullptr, &set_layout_),
                                  "vkCreateDescriptorSetLayout");
        !made)
        return made;

    const VkPushConstantRange constants{VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(Constants)};
    VkPipelineLayoutCreateInfo layout{};
    layout.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
    layout.setLayoutCount = 1;
    layout.pSetLayouts = &set_layout_;
    layout.pushConstantRangeCount = 1;
    layout.pPushConstantRanges = &constants;
    if (auto made =
            vulkan_status(vkCreatePipelineLayout(gpu_.handle(), &layout, nullptr, &layout_), "vkCreatePipelineLayout");
        !made)
        return made;

    VkShaderModuleCreateInfo code{};
    code.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
    code.codeSize = sizeof hue_comp;
    code.pCode = hue_comp;
    VkShaderModule shader = VK_NULL_HANDLE;
    if (auto made = vulkan_status(vkCreateShaderModule(gpu_.handle(), &code, nullptr, &shader), "vkCreateShaderModule");
        !made)
        return made;
    VkComputePipelineCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
    info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    info.stage.module = shader;
    info.stage.pName = "main";
    info.layout = layout_;
    const VkResult made = vkCreateComputePipelines(gpu_.handle(), VK_NULL_HANDLE, 1, &info, nullptr, &pipeline_);
    vkDestroyShaderModule(gpu_.handle(), shader, nullptr);
    return vulkan_status(made, "vkCreateComputePipelines");
}

cb::Status HuePass::make_flights()
{
    constexpr auto count = static_cast<std::uint32_t>(most);
    const std::array<VkDescriptorPoolSize, 2> sizes{{
        {VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, 2 * count},
        {VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, count},
    }};
    VkDescriptorPoolCreateInfo descriptors{};
    descriptors.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO;
    descriptors.maxSets = count;
    descriptors.poolSizeCount = sizes.size();
    descriptors.pPoolSizes = sizes.data();
    VkCommandPoolCreateInfo pool{};
    pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    pool.queueFamilyIndex = gpu_.family();
    if (auto made = vulkan_status(vkCreateDescriptorPool(gpu_.handle(), &descriptors, nullptr, &descriptors_),
                                  "vkCreateDescriptorPool");
        !made)
        return made;
    if (auto made = vulkan_status(vkCreateCommandPool(gpu_.handle(), &pool, nullptr, &pool_), "vkCreateCommandPool");
        !made)
        return made;

    for (std::size_t i = 0; i < most; ++i) {
        Flight& flight = flights_.emplace_back();
        VkCommandBufferAllocateInfo commands{};
        commands.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
        commands.commandPool = pool_;
        commands.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
        commands.commandBufferCount = 1;
        VkDescriptorSetAllocateInfo set{};
        set.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO;
        set.descriptorPool = descriptors_;
        set.descriptorSetCount = 1;
        set.pSetLayouts = &set_layout_;
        VkFenceCreateInfo over{};
        over.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
        over.flags = VK_FENCE_CREATE_SIGNALED_BIT;
        if (auto made = vulkan_status(vkAllocateCommandBuffers(gpu_.handle(), &commands, &flight.commands),
                                      "vkAllocateCommandBuffers");
            !made)
            return made;
        if (auto made =
                vulkan_status(vkAllocateDescriptorSets(gpu_.handle(), &set, &flight.set), "vkAllocateDescriptorSets");
            !made)
            return made;
        if (auto made = vulkan_status(vkCreateFence(gpu_.handle(), &over, nullptr, &flight.over), "vkCreateFence");
            !made)
            return made;
        for (auto* semaphore : {&flight.ready, &flight.done}) {
            auto made = cb::vulkan::Semaphore::create(gpu_.device());
            if (!made)
                return made.error();
            *semaphore = std::make_unique<cb::vulkan::Semaphore>(std::move(*made));
        }
    }
    return {};
}

void HuePass::finish() noexcept
{
    constexpr std::uint64_t patience = 2'000'000'000; // nanoseconds
    for (const Flight& flight : flights_) {
        if (flight.over != VK_NULL_HANDLE)
            vkWaitForFences(gpu_.handle(), 1, &flight.over, VK_TRUE, patience);
    }
}

HuePass::~HuePass()
{
    finish();
    for (const Flight& flight : flights_)
        vkDestroyFence(gpu_.handle(), flight.over, nullptr);
    flights_.clear();
    vkDestroyCommandPool(gpu_.handle(), pool_, nullptr);
    vkDestroyDescriptorPool(gpu_.handle(), descriptors_, nullptr);
    vkDestroyPipeline(gpu_.handle(), pipeline_, nullptr);
    vkDestroyPipelineLayout(gpu_.handle(), layout_, nullptr);
    vkDestroyDescriptorSetLayout(gpu_.handle(), set_layout_, nullptr);
}

HuePass::Flight* HuePass::free_flight()
{
    for (Flight& flight : flights_) {
        if (vkGetFenceStatus(gpu_.handle(), flight.over) == VK_SUCCESS)
            return &flight;
    }
    return nullptr;
}

bool HuePass::has_room() { return free_flight() != nullptr; }

cb::Status HuePass::warm_up(const std::vector<cb::Buffer>& cameras, cb::Pool& pictures)
{
    for (const cb::Buffer& camera : cameras) {
        const auto deadline = cb::deadline_in(10s);
        const auto picture = pictures.acquire(deadline);
        if (!picture)
            return picture.error();
        const auto over = submit(camera, *picture, Turn{});
        if (!over)
            return over.error();
        if (auto released = pictures.release(*picture, *over); !released)
            return released;
        if (auto waited = over->wait(deadline); !waited)
            return waited;
    }
    return {};
}

cb::Result<cb::Fence> HuePass::submit(const cb::Buffer& camera, const cb::Buffer& picture, const Turn& turn)
{
    Flight* flight = free_flight();
    if (flight == nullptr)
        return cb::Error::out_of_memory("submit to the GPU", "all are in flight");
    const auto from = gpu_.device().import_image(camera, camera_usage());
    if (!from)
        return from.error();
    const auto to = gpu_.device().import_image(picture, picture_usage());
    if (!to)
        return to.error();
    if (const auto recorded = record(*flight, *from, *to, camera.layout(), turn); !recorded)
        return recorded.error();

    cb::Job job("hue", cb::Fencing::explicit_only); // all who work on these buffers are in this program
    job.reads(camera).writes(picture);
    const auto before = job.gather();
    if (!before)
        return before.error();
    if (const auto imported = cb::vulkan::import_semaphore(gpu_.device(), flight->ready->handle(), *before); !imported)
        return imported.error();
    if (auto reset = vulkan_status(vkResetFences(gpu_.handle(), 1, &flight->over), "vkResetFences"); !reset)
        return reset.error();

    VkSemaphore ready = flight->ready->handle();
    VkSemaphore done = flight->done->handle();
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    VkSubmitInfo info{};
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    info.waitSemaphoreCount = 1;
    info.pWaitSemaphores = &ready;
    info.pWaitDstStageMask = &stage;
    info.commandBufferCount = 1;
    info.pCommandBuffers = &flight->commands;
    info.signalSemaphoreCount = 1;
    info.pSignalSemaphores = &done;
    if (const VkResult result = vkQueueSubmit(gpu_.queue(), 1, &info, flight->over); result != VK_SUCCESS) {
        if (result == VK_ERROR_DEVICE_LOST)
            cb::vulkan::fail_outstanding(gpu_.device());
        return vulkan_error(result, "vkQueueSubmit");
    }
    auto over = cb::vulkan::export_semaphore(gpu_.device(), done, *before);
    if (!over)
        return over;
    if (const auto published = job.publish(*over); !published)
        return published.error();
    return over;
}

cb::Status HuePass::record(const Flight& flight, const cb::vulkan::Image& camera, const cb::vulkan::Image& picture,
                           const cb::Layout& layout, const Turn& turn)
{
    const auto luma = camera.view({.format = VK_FORMAT_R8_UNORM, .aspect = VK_IMAGE_ASPECT_PLANE_0_BIT});
    const auto chroma = camera.view({.format = VK_FORMAT_R8G8_UNORM, .aspect = VK_IMAGE_ASPECT_PLANE_1_BIT});
    const auto target = picture.view();
    for (const auto* view : {&luma, &chroma, &target}) {
        if (!*view)
            return view->error();
    }
    const std::array<VkDescriptorImageInfo, 3> images{{
        {VK_NULL_HANDLE, *luma, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL},
        {VK_NULL_HANDLE, *chroma, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL},
        {VK_NULL_HANDLE, *target, VK_IMAGE_LAYOUT_GENERAL},
    }};
    std::array<VkWriteDescriptorSet, 3> writes{};
    for (std::uint32_t i = 0; i < writes.size(); ++i) {
        writes[i].sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
        writes[i].dstSet = flight.set;
        writes[i].dstBinding = i;
        writes[i].descriptorCount = 1;
        writes[i].descriptorType = i < 2 ? VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE : VK_DESCRIPTOR_TYPE_STORAGE_IMAGE;
        writes[i].pImageInfo = &images[i];
    }
    vkUpdateDescriptorSets(gpu_.handle(), writes.size(), writes.data(), 0, nullptr);

    // The camera and the display are other devices: they hand over and take back.
    const cb::vulkan::Families families = cb::vulkan::families(gpu_.device());
    const cb::vulkan::Work reads{VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT, VK_ACCESS_2_SHADER_READ_BIT,
                                 VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL};
    const cb::vulkan::Work draws{VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT, VK_ACCESS_2_SHADER_WRITE_BIT,
                                 VK_IMAGE_LAYOUT_GENERAL};
    VkCommandBufferBeginInfo begin{};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    if (auto begun = vulkan_status(vkBeginCommandBuffer(flight.commands, &begin), "vkBeginCommandBuffer"); !begun)
        return begun;
    barrier(flight.commands, cb::vulkan::acquire_image(families, camera.handle(), reads));
    barrier(flight.commands,
            cb::vulkan::acquire_image(families, picture.handle(), draws, cb::vulkan::Contents::undefined));
    vkCmdBindPipeline(flight.commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline_);
    vkCmdBindDescriptorSets(flight.commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout_, 0, 1, &flight.set, 0, nullptr);
    const Constants constants{static_cast<std::int32_t>(layout.width),
                              static_cast<std::int32_t>(layout.height),
                              layout.format == DRM_FORMAT_NV24 ? 1 : 2,
                              layout.format == DRM_FORMAT_NV12 ? 2 : 1,
                              turn.cosine,
                              turn.sine,
                              turn.number};
    vkCmdPushConstants(flight.commands, layout_, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof constants, &constants);
    vkCmdDispatch(flight.commands, (layout.width + group - 1) / group, (layout.height + group - 1) / group, 1);
    barrier(flight.commands, cb::vulkan::release_image(families, camera.handle(), reads));
    barrier(flight.commands, cb::vulkan::release_image(families, picture.handle(), draws));
    return vulkan_status(vkEndCommandBuffer(flight.commands), "vkEndCommandBuffer");
}
