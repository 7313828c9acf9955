// SPDX-License-Identifier: MIT
#include "verify/gpu_session.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

namespace commonbuf::content {
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

Result<std::shared_ptr<GpuSession>> GpuSession::create(const vulkan::Device& device, VkDeviceSize bytes)
{
    if (device.queue() == VK_NULL_HANDLE)
        return Error::unsupported(Call{"vkQueueSubmit", device.name()}, "Device::wrap() was given no queue to work on");
    std::shared_ptr<GpuSession> session(new GpuSession(device));
    if (const Status made = session->make_commands(); !made)
        return made.error();
    if (const Status made = session->make_memory(bytes); !made)
        return made.error();
    return session;
}

GpuSession::GpuSession(vulkan::Device device) : device_(std::move(device))
{
#define COMMONBUF_LOAD(name) vk_.name = reinterpret_cast<PFN_vk##name>(device_.function("vk" #name));
    COMMONBUF_SESSION_FUNCTIONS(COMMONBUF_LOAD)
#undef COMMONBUF_LOAD
}

Status GpuSession::check(VkResult result, const char* call) const
{
    return result == VK_SUCCESS ? Status() : Status(vulkan::to_error(result, Call{call, device_.name()}));
}

Status GpuSession::make_commands()
{
    const GpuFunctions& vk = vk_;
    VkCommandPoolCreateInfo pool{};
    pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    pool.queueFamilyIndex = device_.queue_family();
    VkResult result = vk.CreateCommandPool(device_.handle(), &pool, nullptr, &pool_);
    if (result != VK_SUCCESS) {
        pool_ = VK_NULL_HANDLE;
        return check(result, "vkCreateCommandPool");
    }
    VkCommandBufferAllocateInfo commands{};
    commands.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    commands.commandPool = pool_;
    commands.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    commands.commandBufferCount = 1;
    result = vk.AllocateCommandBuffers(device_.handle(), &commands, &commands_);
    if (result != VK_SUCCESS)
        return check(result, "vkAllocateCommandBuffers");
    VkFenceCreateInfo fence{};
    fence.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    result = vk.CreateFence(device_.handle(), &fence, nullptr, &fence_);
    if (result != VK_SUCCESS)
        fence_ = VK_NULL_HANDLE;
    return check(result, "vkCreateFence");
}

Status GpuSession::make_memory(VkDeviceSize bytes)
{
    const GpuFunctions& vk = vk_;
    VkBufferCreateInfo buffer{};
    buffer.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    buffer.size = bytes;
    buffer.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    buffer.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    VkResult result = vk.CreateBuffer(device_.handle(), &buffer, nullptr, &buffer_);
    if (result != VK_SUCCESS) {
        buffer_ = VK_NULL_HANDLE;
        return check(result, "vkCreateBuffer");
    }
    VkBufferMemoryRequirementsInfo2 question{};
    question.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2;
    question.buffer = buffer_;
    VkMemoryRequirements2 needs{};
    needs.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
    vk.GetBufferMemoryRequirements2(device_.handle(), &question, &needs);
    const auto type = coherent_type(device_.memory_properties(), needs.memoryRequirements.memoryTypeBits);
    if (!type)
        return Error::unsupported(Call{"vkAllocateMemory", device_.name()},
                                  "no memory type is for the CPU and for copies");
    VkMemoryAllocateInfo memory{};
    memory.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    memory.allocationSize = needs.memoryRequirements.size;
    memory.memoryTypeIndex = *type;
    result = vk.AllocateMemory(device_.handle(), &memory, nullptr, &memory_);
    if (result != VK_SUCCESS) {
        memory_ = VK_NULL_HANDLE;
        return check(result, "vkAllocateMemory");
    }
    VkBindBufferMemoryInfo bind{};
    bind.sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO;
    bind.buffer = buffer_;
    bind.memory = memory_;
    result = vk.BindBufferMemory2(device_.handle(), 1, &bind);
    if (result != VK_SUCCESS)
        return check(result, "vkBindBufferMemory2");
    void* mapped = nullptr;
    result = vk.MapMemory(device_.handle(), memory_, 0, VK_WHOLE_SIZE, 0, &mapped);
    if (result != VK_SUCCESS)
        return check(result, "vkMapMemory");
    bytes_ = {static_cast<std::byte*>(mapped), bytes};
    return {};
}

Status GpuSession::run(const std::function<void(VkCommandBuffer)>& record, Deadline deadline)
{
    const GpuFunctions& vk = vk_;
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
    if (Status submitted = check(vk.QueueSubmit(device_.queue(), 1, &submit, fence_), "vkQueueSubmit"); !submitted)
        return submitted;
    const auto left = std::chrono::nanoseconds(deadline - std::chrono::steady_clock::now()).count();
    const VkResult waited = vk.WaitForFences(device_.handle(), 1, &fence_, VK_TRUE,
                                             static_cast<std::uint64_t>(std::max<std::int64_t>(left, 0)));
    // A device that is lost has let go of everything.
    pending_ = waited != VK_SUCCESS && waited != VK_ERROR_DEVICE_LOST;
    if (Status over = check(waited, "vkWaitForFences"); !over)
        return over;
    return check(vk.ResetFences(device_.handle(), 1, &fence_), "vkResetFences");
}

GpuSession::~GpuSession()
{
    const GpuFunctions& vk = vk_;
    if (fence_ != VK_NULL_HANDLE)
        vk.DestroyFence(device_.handle(), fence_, nullptr);
    if (pool_ != VK_NULL_HANDLE)
        vk.DestroyCommandPool(device_.handle(), pool_, nullptr);
    if (buffer_ != VK_NULL_HANDLE)
        vk.DestroyBuffer(device_.handle(), buffer_, nullptr);
    if (memory_ != VK_NULL_HANDLE)
        vk.FreeMemory(device_.handle(), memory_, nullptr);
}

} // namespace commonbuf::content
