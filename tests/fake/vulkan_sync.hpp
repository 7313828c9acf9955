// SPDX-License-Identifier: MIT
#pragma once

#include "fake/machine.hpp"
#include "fake/vulkan.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace fake {

/// What fake::Vulkan has not: semaphores, fences, submissions, and memory that is exported.
/// The same device; its functions stand before the others'.
class VulkanSync {
public:
    explicit VulkanSync(Machine& machine);
    ~VulkanSync();
    VulkanSync(const VulkanSync&) = delete;
    VulkanSync& operator=(const VulkanSync&) = delete;

    // What there is.
    bool imports = true; ///< sync_files
    bool exports = true;
    std::map<std::string, VkResult> answers; ///< of calls that are to fail
    std::shared_ptr<FenceModel> work;        ///< what an export stands for; none: -1
    int opaque = -1;                         ///< the descriptor of a timeline's export
    bool done = true;                        ///< what is submitted is over
    std::uint64_t value = 0;                 ///< of every timeline
    std::uint64_t short_by = 0;              ///< bytes that exported memory lacks

    // What was done.
    VkExternalSemaphoreHandleTypeFlags export_types = 0; ///< of the last semaphore that was made
    VkImportSemaphoreFdInfoKHR semaphore_import{};
    VkImportFenceFdInfoKHR fence_import{};
    unsigned imported = 0;
    std::uint64_t waited = UINT64_MAX; ///< the time-out of vkWaitSemaphores
    std::uint64_t semaphores_made = 0;
    struct Submission {
        std::uint64_t wait_value = 0;
        std::uint64_t signal_value = 0;
    };
    std::vector<Submission> submissions;
    VkDeviceSize exported_bytes = 0;

    static PFN_vkVoidFunction get_instance_proc_addr(VkInstance instance, const char* name);

    // For the calls.
    static VulkanSync& current();
    VkResult called(const char* name) const;
    Machine& machine() const { return machine_; }

private:
    Machine& machine_;
};

} // namespace fake
