// SPDX-License-Identifier: MIT
//
// From a timeline to a fence, and back; S is a binary semaphore of the bridge's own:
//
//     timeline @ value ──► submit(wait timeline, signal S) ──► export S ──► fence
//     fence ──► import into S ──► submit(wait S, signal timeline @ value)
//
// A VkFence goes with each submission: when it has signalled, S is free.
#include "backends/vulkan/handle.hpp"
#include "backends/vulkan/outstanding.hpp"
#include "base/text.hpp"

#include <commonbuf/vulkan/sync.hpp>
#include <commonbuf/vulkan/timeline.hpp>

#include <algorithm>
#include <vector>

namespace commonbuf::vulkan {

class TimelineBridgeState {
public:
    explicit TimelineBridgeState(const Device& device) noexcept : device_(device) {}

    struct Slot {
        Semaphore semaphore;
        Owned<VkFence, &Functions::DestroyFence> done;
        bool busy = false;
        bool spent = false; ///< its signal was not exported, so it cannot be signalled again
    };

    const Device& device() const noexcept { return device_; }
    std::size_t size() const noexcept { return slots_.size(); }

    /// Returns a slot whose semaphore no submission uses.
    Result<Slot*> free_slot()
    {
        const auto slot = std::ranges::find_if(slots_, [this](const Slot& each) {
            return !each.busy || vk().GetFenceStatus(device_.handle(), each.done.get()) == VK_SUCCESS;
        });
        if (slot != slots_.end() && slot->busy) {
            VkFence done = slot->done.get();
            if (const VkResult result = vk().ResetFences(device_.handle(), 1, &done); result != VK_SUCCESS)
                return call_failed(device_, result, "vkResetFences");
            slot->busy = false;
        }
        if (slot != slots_.end() && !slot->spent)
            return &*slot;
        auto semaphore = Semaphore::create(device_);
        if (!semaphore)
            return semaphore.error();
        if (slot != slots_.end()) {
            slot->semaphore = std::move(*semaphore);
            slot->spent = false;
            return &*slot;
        }
        const VkFenceCreateInfo info{.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
        VkFence done = VK_NULL_HANDLE;
        if (const VkResult result = vk().CreateFence(device_.handle(), &info, nullptr, &done); result != VK_SUCCESS)
            return call_failed(device_, result, "vkCreateFence");
        slots_.push_back({std::move(*semaphore), {device_.context(), done}});
        return &slots_.back();
    }

    struct Point {
        VkSemaphore semaphore = VK_NULL_HANDLE;
        std::uint64_t value = 0; ///< means nothing for a binary one
    };

    /// Submits a wait for one semaphore and a signal of the other.
    Status submit(VkQueue queue, const Point& wait, const Point& signal, Slot& slot)
    {
        const VkTimelineSemaphoreSubmitInfo values{.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                                   .waitSemaphoreValueCount = 1,
                                                   .pWaitSemaphoreValues = &wait.value,
                                                   .signalSemaphoreValueCount = 1,
                                                   .pSignalSemaphoreValues = &signal.value};
        const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
        const VkSubmitInfo info{.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                .pNext = &values,
                                .waitSemaphoreCount = 1,
                                .pWaitSemaphores = &wait.semaphore,
                                .pWaitDstStageMask = &stages,
                                .signalSemaphoreCount = 1,
                                .pSignalSemaphores = &signal.semaphore};
        if (const VkResult result = vk().QueueSubmit(queue, 1, &info, slot.done.get()); result != VK_SUCCESS)
            return call_failed(device_, result, "vkQueueSubmit");
        slot.busy = true;
        return {};
    }

    /// Destroys a slot: what was imported into its semaphore cannot be removed.
    void discard(const Slot* slot) { slots_.erase(slots_.begin() + (slot - slots_.data())); }

private:
    const Functions& vk() const noexcept { return device_.context()->vk(); }

    Device device_;
    std::vector<Slot> slots_;
};

TimelineBridge::TimelineBridge(std::unique_ptr<TimelineBridgeState> state) noexcept : state_(std::move(state)) {}
TimelineBridge::TimelineBridge(TimelineBridge&& other) noexcept = default;
TimelineBridge& TimelineBridge::operator=(TimelineBridge&& other) noexcept = default;
TimelineBridge::~TimelineBridge() = default;

std::size_t TimelineBridge::semaphores() const noexcept { return state_->size(); }

Result<TimelineBridge> TimelineBridge::create(const Device& device)
{
    const std::string operation = "bridge timeline semaphores of " + device.name();
    if (const Status can =
            device.context()->require({Need::timeline_semaphore, Need::external_semaphore_fd}, operation);
        !can)
        return can.error();
    if (const SyncSupport support = sync_support(device); !support.semaphore_import || !support.semaphore_export)
        return Error::unsupported(operation, "the device's semaphores do not import and export sync_files",
                                  "use wait_timeline() and signal_timeline(), which wait on the CPU");
    return TimelineBridge(std::make_unique<TimelineBridgeState>(device));
}

Result<Fence> TimelineBridge::fence(VkQueue queue, VkSemaphore timeline, std::uint64_t value, const Fence& waited)
{
    const auto slot = state_->free_slot();
    if (!slot)
        return slot.error();
    VkSemaphore binary = (*slot)->semaphore.handle();
    if (const Status submitted = state_->submit(queue, {timeline, value}, {binary, 0}, **slot); !submitted)
        return submitted.error();
    auto exported = export_semaphore(state_->device(), binary, waited);
    (*slot)->spent = !exported;
    return exported;
}

Status TimelineBridge::signal(VkQueue queue, VkSemaphore timeline, std::uint64_t value, const Fence& fence)
{
    const auto slot = state_->free_slot();
    if (!slot)
        return slot.error();
    VkSemaphore binary = (*slot)->semaphore.handle();
    if (Status imported = import_semaphore(state_->device(), binary, fence); !imported)
        return imported;
    Status submitted = state_->submit(queue, {binary, 0}, {timeline, value}, **slot);
    if (!submitted)
        state_->discard(*slot);
    return submitted;
}

Result<std::uint64_t> timeline_value(const Device& device, VkSemaphore timeline)
{
    constexpr const char* call = "vkGetSemaphoreCounterValue";
    const Context& context = *device.context();
    if (const Status can = context.require({Need::timeline_semaphore}, context.where(call)); !can)
        return can.error();
    std::uint64_t value = 0;
    const VkResult result = context.vk().GetSemaphoreCounterValue(device.handle(), timeline, &value);
    if (result == VK_SUCCESS)
        return value;
    return call_failed(device, result, call);
}

Status wait_timeline(const Device& device, VkSemaphore timeline, std::uint64_t value, Deadline deadline)
{
    constexpr const char* call = "vkWaitSemaphores";
    const Context& context = *device.context();
    if (Status can = context.require({Need::timeline_semaphore}, context.where(call)); !can)
        return can;
    const auto left = deadline - std::chrono::steady_clock::now();
    const auto timeout = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
    const VkSemaphoreWaitInfo info{.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                   .semaphoreCount = 1,
                                   .pSemaphores = &timeline,
                                   .pValues = &value};
    const VkResult result =
        context.vk().WaitSemaphores(device.handle(), &info, timeout > 0 ? static_cast<std::uint64_t>(timeout) : 0U);
    if (result == VK_SUCCESS)
        return {};
    if (result == VK_TIMEOUT)
        return Error::timed_out(context.where(call), text::format("it did not reach {} before the deadline", value));
    return call_failed(device, result, call);
}

Status signal_timeline(const Device& device, VkSemaphore timeline, std::uint64_t value, const Fence& fence,
                       Deadline deadline)
{
    constexpr const char* call = "vkSignalSemaphore";
    const Context& context = *device.context();
    if (Status can = context.require({Need::timeline_semaphore}, context.where(call)); !can)
        return can;
    if (Status over = fence.wait(deadline); !over)
        return over;
    const VkSemaphoreSignalInfo info{
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, .semaphore = timeline, .value = value};
    if (const VkResult result = context.vk().SignalSemaphore(device.handle(), &info); result != VK_SUCCESS)
        return call_failed(device, result, call);
    return {};
}

Result<Timeline> export_timeline(const Device& device, VkSemaphore timeline, int drm_fd)
{
    constexpr const char* call = "vkGetSemaphoreFdKHR";
    const Context& context = *device.context();
    if (const Status can =
            context.require({Need::timeline_semaphore, Need::external_semaphore_fd}, context.where(call));
        !can)
        return can.error();
    const VkSemaphoreGetFdInfoKHR info{.sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR,
                                       .semaphore = timeline,
                                       .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT};
    int fd = -1;
    if (const VkResult result = context.vk().GetSemaphoreFdKHR(device.handle(), &info, &fd); result != VK_SUCCESS)
        return call_failed(device, result, call);
    auto imported = Timeline::import(drm_fd, UniqueFd(fd));
    if (!imported && imported.error().category == Category::invalid_argument)
        return Error::unsupported(context.where(call),
                                  "the descriptor is not a DRM syncobj: " + imported.error().message(),
                                  "use a TimelineBridge");
    return imported;
}

} // namespace commonbuf::vulkan
