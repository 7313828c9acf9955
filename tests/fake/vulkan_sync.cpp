// SPDX-License-Identifier: MIT
#include "fake/vulkan_sync.hpp"

#include <commonbuf/unique_fd.hpp>

#include <cstring>

namespace fake {
namespace {

VulkanSync* now = nullptr;

template <typename Handle>
Handle add(const char* kind)
{
    return reinterpret_cast<Handle>(Vulkan::current().add(kind));
}
template <typename Handle>
void drop(const char* kind, Handle handle)
{
    if (handle != VK_NULL_HANDLE)
        Vulkan::current().drop(kind, reinterpret_cast<std::uint64_t>(handle));
}

template <typename Type>
const Type* find(const void* chain, VkStructureType type)
{
    for (const auto* each = static_cast<const VkBaseInStructure*>(chain); each != nullptr; each = each->pNext) {
        if (each->sType == type)
            return reinterpret_cast<const Type*>(each);
    }
    return nullptr;
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceExternalSemaphoreProperties(VkPhysicalDevice,
                                                                        const VkPhysicalDeviceExternalSemaphoreInfo*,
                                                                        VkExternalSemaphoreProperties* answer)
{
    answer->externalSemaphoreFeatures = (now->imports ? unsigned{VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT} : 0U) |
                                        (now->exports ? unsigned{VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT} : 0U);
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceExternalFenceProperties(VkPhysicalDevice,
                                                                    const VkPhysicalDeviceExternalFenceInfo*,
                                                                    VkExternalFenceProperties* answer)
{
    answer->externalFenceFeatures = (now->imports ? unsigned{VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT} : 0U) |
                                    (now->exports ? unsigned{VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT} : 0U);
}

VKAPI_ATTR void VKAPI_CALL GetPhysicalDeviceExternalBufferProperties(VkPhysicalDevice,
                                                                     const VkPhysicalDeviceExternalBufferInfo*,
                                                                     VkExternalBufferProperties* answer)
{
    answer->externalMemoryProperties.externalMemoryFeatures =
        now->exports ? unsigned{VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT} : 0U;
}

VKAPI_ATTR VkResult VKAPI_CALL CreateSemaphore(VkDevice, const VkSemaphoreCreateInfo* info,
                                               const VkAllocationCallbacks*, VkSemaphore* semaphore)
{
    if (const VkResult result = now->called("vkCreateSemaphore"); result != VK_SUCCESS)
        return result;
    const auto* exported =
        find<VkExportSemaphoreCreateInfo>(info->pNext, VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO);
    now->export_types = exported != nullptr ? exported->handleTypes : 0;
    ++now->semaphores_made;
    *semaphore = add<VkSemaphore>("semaphore");
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroySemaphore(VkDevice, VkSemaphore semaphore, const VkAllocationCallbacks*)
{
    drop("semaphore", semaphore);
}

VKAPI_ATTR VkResult VKAPI_CALL CreateFence(VkDevice, const VkFenceCreateInfo*, const VkAllocationCallbacks*,
                                           VkFence* fence)
{
    if (const VkResult result = now->called("vkCreateFence"); result != VK_SUCCESS)
        return result;
    *fence = add<VkFence>("fence");
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyFence(VkDevice, VkFence fence, const VkAllocationCallbacks*) { drop("fence", fence); }

VKAPI_ATTR VkResult VKAPI_CALL GetFenceStatus(VkDevice, VkFence) { return now->done ? VK_SUCCESS : VK_NOT_READY; }
VKAPI_ATTR VkResult VKAPI_CALL ResetFences(VkDevice, std::uint32_t, const VkFence*)
{
    return now->called("vkResetFences");
}

/// A driver owns the descriptor from success on, and is done with it at once.
VkResult taken(const char* name, int fd)
{
    const VkResult result = now->called(name);
    if (result == VK_SUCCESS) {
        const commonbuf::UniqueFd owned(fd);
        ++now->imported;
    }
    return result;
}

VKAPI_ATTR VkResult VKAPI_CALL ImportSemaphoreFdKHR(VkDevice, const VkImportSemaphoreFdInfoKHR* info)
{
    now->semaphore_import = *info;
    return taken("vkImportSemaphoreFdKHR", info->fd);
}
VKAPI_ATTR VkResult VKAPI_CALL ImportFenceFdKHR(VkDevice, const VkImportFenceFdInfoKHR* info)
{
    now->fence_import = *info;
    return taken("vkImportFenceFdKHR", info->fd);
}

VkResult given(const char* name, int* fd)
{
    const VkResult result = now->called(name);
    if (result == VK_SUCCESS)
        *fd = now->work != nullptr ? now->machine().sync_file(now->work) : -1;
    return result;
}

VKAPI_ATTR VkResult VKAPI_CALL GetSemaphoreFdKHR(VkDevice, const VkSemaphoreGetFdInfoKHR* info, int* fd)
{
    if (info->handleType != VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT)
        return given("vkGetSemaphoreFdKHR", fd);
    *fd = now->opaque;
    return now->called("vkGetSemaphoreFdKHR");
}
VKAPI_ATTR VkResult VKAPI_CALL GetFenceFdKHR(VkDevice, const VkFenceGetFdInfoKHR*, int* fd)
{
    return given("vkGetFenceFdKHR", fd);
}

VKAPI_ATTR VkResult VKAPI_CALL QueueSubmit(VkQueue, std::uint32_t, const VkSubmitInfo* info, VkFence)
{
    if (const VkResult result = now->called("vkQueueSubmit"); result != VK_SUCCESS)
        return result;
    const auto* values =
        find<VkTimelineSemaphoreSubmitInfo>(info->pNext, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
    now->submissions.push_back({*values->pWaitSemaphoreValues, *values->pSignalSemaphoreValues});
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL GetSemaphoreCounterValue(VkDevice, VkSemaphore, std::uint64_t* value)
{
    *value = now->value;
    return now->called("vkGetSemaphoreCounterValue");
}
VKAPI_ATTR VkResult VKAPI_CALL SignalSemaphore(VkDevice, const VkSemaphoreSignalInfo* info)
{
    now->value = info->value;
    return now->called("vkSignalSemaphore");
}
VKAPI_ATTR VkResult VKAPI_CALL WaitSemaphores(VkDevice, const VkSemaphoreWaitInfo*, std::uint64_t timeout)
{
    now->waited = timeout;
    return now->called("vkWaitSemaphores");
}

VKAPI_ATTR VkResult VKAPI_CALL GetMemoryFdKHR(VkDevice, const VkMemoryGetFdInfoKHR* info, int* fd)
{
    if (const VkResult result = now->called("vkGetMemoryFdKHR"); result != VK_SUCCESS)
        return result;
    const auto& memory = Vulkan::current().memories.at(reinterpret_cast<std::uint64_t>(info->memory));
    now->exported_bytes = memory.info.allocationSize;
    *fd = now->machine().add_dma_buf(memory.info.allocationSize - now->short_by);
    return VK_SUCCESS;
}

PFN_vkVoidFunction lookup(VkInstance instance, const char* name);

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetDeviceProcAddr(VkDevice, const char* name)
{
    return lookup(Vulkan::instance(), name);
}

PFN_vkVoidFunction lookup(VkInstance instance, const char* name)
{
#define FAKE_ENTRY(function)                                                                                           \
    {                                                                                                                  \
        "vk" #function, reinterpret_cast<PFN_vkVoidFunction>(function)                                                 \
    }
    static const std::map<std::string, PFN_vkVoidFunction> table{
        FAKE_ENTRY(CreateFence),
        FAKE_ENTRY(CreateSemaphore),
        FAKE_ENTRY(DestroyFence),
        FAKE_ENTRY(DestroySemaphore),
        FAKE_ENTRY(GetDeviceProcAddr),
        FAKE_ENTRY(GetFenceFdKHR),
        FAKE_ENTRY(GetFenceStatus),
        FAKE_ENTRY(GetMemoryFdKHR),
        FAKE_ENTRY(GetPhysicalDeviceExternalBufferProperties),
        FAKE_ENTRY(GetPhysicalDeviceExternalFenceProperties),
        FAKE_ENTRY(GetPhysicalDeviceExternalSemaphoreProperties),
        FAKE_ENTRY(GetSemaphoreCounterValue),
        FAKE_ENTRY(GetSemaphoreFdKHR),
        FAKE_ENTRY(ImportFenceFdKHR),
        FAKE_ENTRY(ImportSemaphoreFdKHR),
        FAKE_ENTRY(QueueSubmit),
        FAKE_ENTRY(ResetFences),
        FAKE_ENTRY(SignalSemaphore),
        FAKE_ENTRY(WaitSemaphores),
    };
#undef FAKE_ENTRY
    // Before Vulkan 1.2 those of timelines have KHR behind the name.
    std::string plain = name;
    if (plain.find("Semaphore") != std::string::npos && plain.ends_with("KHR") && plain.find("Fd") == std::string::npos)
        plain.resize(plain.size() - std::strlen("KHR"));
    const auto entry = table.find(plain);
    return entry != table.end() ? entry->second : Vulkan::get_instance_proc_addr(instance, name);
}

} // namespace

VulkanSync::VulkanSync(Machine& machine) : machine_(machine) { now = this; }
VulkanSync::~VulkanSync() { now = nullptr; }
VulkanSync& VulkanSync::current() { return *now; }

VkResult VulkanSync::called(const char* name) const
{
    const auto answer = answers.find(name);
    return answer != answers.end() ? answer->second : VK_SUCCESS;
}

PFN_vkVoidFunction VulkanSync::get_instance_proc_addr(VkInstance instance, const char* name)
{
    return lookup(instance, name);
}

} // namespace fake
