// SPDX-License-Identifier: MIT
#include "backends/vulkan/session.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

namespace commonbuf::vulkan {
namespace {

/// Memory that the CPU sees without flushes, which every device has.
std::optional<std::uint32_t> coherent_type(const VkPhysicalDeviceMemoryProperties& memory, std::uint32_t bits)
{
    constexpr VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    for (std::uint32_t i = 0; i < memory.memoryTypeCount && i < VK_MAX_MEMORY_TYPES; ++i) {
        if ((bits >> i & 1U) != 0 && (memory.memoryTypes[i].propertyFlags & wanted) == wanted)
            return i;
    }
    return std::nullopt;
}

} // namespace

Result<std::shared_ptr<Session>> Session::create(std::shared_ptr<const Context> context, VkDeviceSize bytes)
{
    if (context->queue() == VK_NULL_HANDLE)
        return Error::unsupported(context->where("vkQueueSubmit"), "Device::wrap() was given no queue to work on");
    std::shared_ptr<Session> session(new Session(std::move(context)));
    if (const Status made = session->make_commands(); !made)
        return made.error();
    if (const Status made = session->make_memory(bytes); !made)
        return made.error();
    return session;
}

Status Session::check(VkResult result, const char* call) const
{
    return result == VK_SUCCESS ? Status() : Status(failure(result, context_->where(call)));
}

Status Session::make_commands()
{
    const Functions& vk = context_->vk();
    VkCommandPoolCreateInfo pool{};
    pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    pool.queueFamilyIndex = context_->queue_family();
    VkResult result = vk.CreateCommandPool(context_->device(), &pool, nullptr, &pool_);
    if (result != VK_SUCCESS) {
        pool_ = VK_NULL_HANDLE;
        return check(result, "vkCreateCommandPool");
    }
    VkCommandBufferAllocateInfo commands{};
    commands.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    commands.commandPool = pool_;
    commands.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    commands.commandBufferCount = 1;
    result = vk.AllocateCommandBuffers(context_->device(), &commands, &commands_);
    if (result != VK_SUCCESS)
        return check(result, "vkAllocateCommandBuffers");
    VkFenceCreateInfo fence{};
    fence.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    result = vk.CreateFence(context_->device(), &fence, nullptr, &fence_);
    if (result != VK_SUCCESS)
        fence_ = VK_NULL_HANDLE;
    return check(result, "vkCreateFence");
}

Status Session::make_memory(VkDeviceSize bytes)
{
    const Functions& vk = context_->vk();
    VkBufferCreateInfo buffer{};
    buffer.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    buffer.size = bytes;
    buffer.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    buffer.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    VkResult result = vk.CreateBuffer(context_->device(), &buffer, nullptr, &buffer_);
    if (result != VK_SUCCESS) {
        buffer_ = VK_NULL_HANDLE;
        return check(result, "vkCreateBuffer");
    }
    VkBufferMemoryRequirementsInfo2 question{};
    question.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2;
    question.buffer = buffer_;
    VkMemoryRequirements2 needs{};
    needs.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
    vk.GetBufferMemoryRequirements2(context_->device(), &question, &needs);
    const auto type = coherent_type(context_->memory(), needs.memoryRequirements.memoryTypeBits);
    if (!type)
        return Error::unsupported(context_->where("vkAllocateMemory"), "no memory type is for the CPU and for copies");
    VkMemoryAllocateInfo memory{};
    memory.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    memory.allocationSize = needs.memoryRequirements.size;
    memory.memoryTypeIndex = *type;
    result = vk.AllocateMemory(context_->device(), &memory, nullptr, &memory_);
    if (result != VK_SUCCESS) {
        memory_ = VK_NULL_HANDLE;
        return check(result, "vkAllocateMemory");
    }
    VkBindBufferMemoryInfo bind{};
    bind.sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO;
    bind.buffer = buffer_;
    bind.memory = memory_;
    result = vk.BindBufferMemory2(context_->device(), 1, &bind);
    if (result != VK_SUCCESS)
        return check(result, "vkBindBufferMemory2");
    void* mapped = nullptr;
    result = vk.MapMemory(context_->device(), memory_, 0, VK_WHOLE_SIZE, 0, &mapped);
    if (result != VK_SUCCESS)
        return check(result, "vkMapMemory");
    bytes_ = {static_cast<std::byte*>(mapped), bytes};
    return {};
}

Status Session::run(const std::function<void(VkCommandBuffer)>& record, Deadline deadline)
{
    const Functions& vk = context_->vk();
    VkCommandBufferBeginInfo begin{};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    if (Status begun = check(vk.BeginCommandBuffer(commands_, &begin), "vkBeginCommandBuffer"); !begun)
        return begun;
    record(commands_);
    if (Status ended = check(vk.EndCommandBuffer(commands_), "vkEndCommandBuffer"); !ended)
        return ended;
    VkSubmitInfo submit{};
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands_;
    if (Status submitted = check(vk.QueueSubmit(context_->queue(), 1, &submit, fence_), "vkQueueSubmit"); !submitted)
        return submitted;
    const auto left = std::chrono::nanoseconds(deadline - std::chrono::steady_clock::now()).count();
    const VkResult waited = vk.WaitForFences(context_->device(), 1, &fence_, VK_TRUE,
                                             static_cast<std::uint64_t>(std::max<std::int64_t>(left, 0)));
    // A device that is lost has let go of everything.
    pending_ = waited != VK_SUCCESS && waited != VK_ERROR_DEVICE_LOST;
    if (Status over = check(waited, "vkWaitForFences"); !over)
        return over;
    return check(vk.ResetFences(context_->device(), 1, &fence_), "vkResetFences");
}

Session::~Session()
{
    const Functions& vk = context_->vk();
    if (fence_ != VK_NULL_HANDLE)
        vk.DestroyFence(context_->device(), fence_, nullptr);
    if (pool_ != VK_NULL_HANDLE)
        vk.DestroyCommandPool(context_->device(), pool_, nullptr);
    if (buffer_ != VK_NULL_HANDLE)
        vk.DestroyBuffer(context_->device(), buffer_, nullptr);
    if (memory_ != VK_NULL_HANDLE)
        vk.FreeMemory(context_->device(), memory_, nullptr);
}

} // namespace commonbuf::vulkan
