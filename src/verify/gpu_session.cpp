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
    Status made = session->make_commands();
    if (made)
        made = session->make_memory(bytes);
    if (!made)
        return std::move(made.error());
    return session;
}

Status GpuSession::check(const char* name, VkResult result) const
{
    return result == VK_SUCCESS ? Status() : Status(vulkan::to_error(result, Call{name, device_.name()}));
}

template <typename Function, typename... Arguments>
Status GpuSession::call(const char* name, Arguments... arguments) const
{
    return check(name, function<Function>(name)(arguments...));
}

template <typename Create, typename Info, typename Handle>
Status GpuSession::make(const char* name, const Info& info, Handle& handle)
{
    // A call that fails may leave anything in the handle.
    Handle made = VK_NULL_HANDLE;
    Status done = call<Create>(name, device_.handle(), &info, nullptr, &made);
    if (done)
        handle = made;
    return done;
}

Status GpuSession::make_commands()
{
    const VkCommandPoolCreateInfo pool{.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                       .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                       .queueFamilyIndex = device_.queue_family()};
    if (Status made = make<PFN_vkCreateCommandPool>("vkCreateCommandPool", pool, pool_); !made)
        return made;
    const VkCommandBufferAllocateInfo commands{.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                               .commandPool = pool_,
                                               .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                               .commandBufferCount = 1};
    if (Status made =
            call<PFN_vkAllocateCommandBuffers>("vkAllocateCommandBuffers", device_.handle(), &commands, &commands_);
        !made)
        return made;
    const VkFenceCreateInfo fence{.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    return make<PFN_vkCreateFence>("vkCreateFence", fence, fence_);
}

Status GpuSession::make_memory(VkDeviceSize bytes)
{
    const VkBufferCreateInfo buffer{.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                    .size = bytes,
                                    .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                    .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
    if (Status made = make<PFN_vkCreateBuffer>("vkCreateBuffer", buffer, buffer_); !made)
        return made;
    const VkBufferMemoryRequirementsInfo2 question{.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2,
                                                   .buffer = buffer_};
    VkMemoryRequirements2 needs{.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};
    function<PFN_vkGetBufferMemoryRequirements2>("vkGetBufferMemoryRequirements2")(device_.handle(), &question, &needs);
    const auto type = coherent_type(device_.memory_properties(), needs.memoryRequirements.memoryTypeBits);
    if (!type)
        return Error::unsupported(Call{"vkAllocateMemory", device_.name()},
                                  "no memory type is for the CPU and for copies");
    const VkMemoryAllocateInfo memory{.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                      .allocationSize = needs.memoryRequirements.size,
                                      .memoryTypeIndex = *type};
    if (Status made = make<PFN_vkAllocateMemory>("vkAllocateMemory", memory, memory_); !made)
        return made;
    const VkBindBufferMemoryInfo bind{
        .sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO, .buffer = buffer_, .memory = memory_};
    if (Status bound = call<PFN_vkBindBufferMemory2>("vkBindBufferMemory2", device_.handle(), 1U, &bind); !bound)
        return bound;
    void* mapped = nullptr;
    Status done = call<PFN_vkMapMemory>("vkMapMemory", device_.handle(), memory_, 0U, VK_WHOLE_SIZE, 0U, &mapped);
    if (done)
        bytes_ = {static_cast<std::byte*>(mapped), bytes};
    return done;
}

Status GpuSession::run(const std::function<void(VkCommandBuffer)>& record, Deadline deadline)
{
    const VkCommandBufferBeginInfo begin{.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                         .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    if (Status begun = call<PFN_vkBeginCommandBuffer>("vkBeginCommandBuffer", commands_, &begin); !begun)
        return begun;
    record(commands_);
    if (Status ended = call<PFN_vkEndCommandBuffer>("vkEndCommandBuffer", commands_); !ended)
        return ended;
    const VkSubmitInfo submit{
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &commands_};
    if (Status submitted = call<PFN_vkQueueSubmit>("vkQueueSubmit", device_.queue(), 1U, &submit, fence_); !submitted)
        return submitted;
    const auto left = std::chrono::nanoseconds(deadline - std::chrono::steady_clock::now()).count();
    const VkResult waited = function<PFN_vkWaitForFences>("vkWaitForFences")(
        device_.handle(), 1, &fence_, VK_TRUE, static_cast<std::uint64_t>(std::max<std::int64_t>(left, 0)));
    // A lost device works on nothing any more.
    pending_ = waited != VK_SUCCESS && waited != VK_ERROR_DEVICE_LOST;
    if (Status over = check("vkWaitForFences", waited); !over)
        return over;
    return call<PFN_vkResetFences>("vkResetFences", device_.handle(), 1U, &fence_);
}

GpuSession::~GpuSession()
{
    if (fence_ != VK_NULL_HANDLE)
        function<PFN_vkDestroyFence>("vkDestroyFence")(device_.handle(), fence_, nullptr);
    if (pool_ != VK_NULL_HANDLE)
        function<PFN_vkDestroyCommandPool>("vkDestroyCommandPool")(device_.handle(), pool_, nullptr);
    if (buffer_ != VK_NULL_HANDLE)
        function<PFN_vkDestroyBuffer>("vkDestroyBuffer")(device_.handle(), buffer_, nullptr);
    if (memory_ != VK_NULL_HANDLE)
        function<PFN_vkFreeMemory>("vkFreeMemory")(device_.handle(), memory_, nullptr);
}

} // namespace commonbuf::content
