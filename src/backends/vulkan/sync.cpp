// SPDX-License-Identifier: MIT
//
// sync_files have copy transference: an import is temporary, and an export takes the signal away
// ("Importing Semaphore Payloads", tables of handle types).
#include "backends/vulkan/context.hpp"
#include "backends/vulkan/outstanding.hpp"
#include "sync/fence_set.hpp"

#include <commonbuf/vulkan/sync.hpp>

#include <array>
#include <utility>

namespace commonbuf::vulkan {
namespace {

constexpr auto semaphore_type = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT;
constexpr auto fence_type = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT;

/// A kind of conversion, and what is wrong with a device that does not do it.
struct Ability {
    Need extension;
    bool SyncSupport::*there;
    const char* lack;
    const char* advice;
};

constexpr const char* wait_first = "wait for the fence on the CPU, and submit after that";
constexpr Ability semaphore_import{Need::external_semaphore_fd, &SyncSupport::semaphore_import,
                                   "the device's semaphores do not import sync_files", wait_first};
constexpr Ability semaphore_export{Need::external_semaphore_fd, &SyncSupport::semaphore_export,
                                   "the device's semaphores do not export sync_files", wait_first};
constexpr Ability fence_import{Need::external_fence_fd, &SyncSupport::fence_import,
                               "the device's fences do not import sync_files", ""};
constexpr Ability fence_export{Need::external_fence_fd, &SyncSupport::fence_export,
                               "the device's fences do not export sync_files", ""};

Status require(const Context& context, const Ability& ability, const char* call)
{
    if (Status made = context.require({ability.extension}, context.where(call)); !made)
        return made;
    if (!(context.sync_files().*ability.there))
        return Error::unsupported(context.where(call), ability.lack, ability.advice);
    return {};
}

/// Imports the fence's sync_file by `call`, which is the function `import`.
template <typename Import, typename Info>
Status import_by(const char* call, Import Functions::*import, const Device& device, const Ability& ability, Info info,
                 const Fence& fence)
{
    const Context& context = *device.context();
    if (Status can = require(context, ability, call); !can)
        return can;
    auto sync_file = fence.export_fd();
    if (!sync_file)
        return sync_file.error();
    info.fd = sync_file->get();
    if (const VkResult result = (context.vk().*import)(context.device(), &info); result != VK_SUCCESS)
        return call_failed(device, result, call);
    static_cast<void>(sync_file->release()); // the driver owns it now
    return {};
}

/// Exports a sync_file by `call`, which is the function `get`, and makes a fence of it.
template <typename Get, typename Info>
Result<Fence> export_by(const char* call, Get Functions::*get, const Device& device, const Ability& ability,
                        const Info& info, const Fence& waited)
{
    const Context& context = *device.context();
    if (const Status can = require(context, ability, call); !can)
        return can.error();
    int fd = -1;
    if (const VkResult result = (context.vk().*get)(context.device(), &info, &fd); result != VK_SUCCESS)
        return call_failed(device, result, call);
    // A driver may give -1 for work that is over. What it gives is a sync_file: nobody has to ask.
    const Fence exported =
        fd < 0 ? Fence() : Fence(std::make_shared<FenceSet>(std::vector{FencePoint::of_sync_file(UniqueFd(fd))}));
    context.outstanding().add(exported);
    return Fence::merge(std::array{exported, waited});
}

} // namespace

SyncSupport sync_support(const Device& device) noexcept { return device.context()->sync_files(); }

Result<Semaphore> Semaphore::create(const Device& device)
{
    constexpr const char* call = "vkCreateSemaphore";
    const Context& context = *device.context();
    if (const Status can = require(context, semaphore_export, call); !can)
        return can.error();
    const VkExportSemaphoreCreateInfo exportable{.sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
                                                 .handleTypes = semaphore_type};
    const VkSemaphoreCreateInfo info{.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &exportable};
    VkSemaphore handle = VK_NULL_HANDLE;
    if (const VkResult result = context.vk().CreateSemaphore(context.device(), &info, nullptr, &handle);
        result != VK_SUCCESS)
        return call_failed(device, result, call);
    return Semaphore(device, handle);
}

Semaphore& Semaphore::operator=(Semaphore&& other) noexcept
{
    Semaphore taken(std::move(other)); // afterwards it destroys what this object had
    std::swap(device_, taken.device_);
    std::swap(handle_, taken.handle_);
    return *this;
}

Semaphore::~Semaphore()
{
    if (handle_ != VK_NULL_HANDLE)
        device_.context()->vk().DestroySemaphore(device_.handle(), handle_, nullptr);
}

Status import_semaphore(const Device& device, VkSemaphore semaphore, const Fence& fence)
{
    const VkImportSemaphoreFdInfoKHR info{.sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,
                                          .semaphore = semaphore,
                                          .flags = VK_SEMAPHORE_IMPORT_TEMPORARY_BIT,
                                          .handleType = semaphore_type};
    return import_by("vkImportSemaphoreFdKHR", &Functions::ImportSemaphoreFdKHR, device, semaphore_import, info, fence);
}

Result<Fence> export_semaphore(const Device& device, VkSemaphore semaphore, const Fence& waited)
{
    const VkSemaphoreGetFdInfoKHR info{
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR, .semaphore = semaphore, .handleType = semaphore_type};
    return export_by("vkGetSemaphoreFdKHR", &Functions::GetSemaphoreFdKHR, device, semaphore_export, info, waited);
}

Status import_fence(const Device& device, VkFence vk_fence, const Fence& fence)
{
    const VkImportFenceFdInfoKHR info{.sType = VK_STRUCTURE_TYPE_IMPORT_FENCE_FD_INFO_KHR,
                                      .fence = vk_fence,
                                      .flags = VK_FENCE_IMPORT_TEMPORARY_BIT,
                                      .handleType = fence_type};
    return import_by("vkImportFenceFdKHR", &Functions::ImportFenceFdKHR, device, fence_import, info, fence);
}

Result<Fence> export_fence(const Device& device, VkFence vk_fence, const Fence& waited)
{
    const VkFenceGetFdInfoKHR info{
        .sType = VK_STRUCTURE_TYPE_FENCE_GET_FD_INFO_KHR, .fence = vk_fence, .handleType = fence_type};
    return export_by("vkGetFenceFdKHR", &Functions::GetFenceFdKHR, device, fence_export, info, waited);
}

void fail_outstanding(const Device& device, Error error)
{
    if (error == Error{})
        error = failure(VK_ERROR_DEVICE_LOST, "work on " + device.name(), "unfinished work has no result");
    device.context()->outstanding().fail(error);
}

} // namespace commonbuf::vulkan
