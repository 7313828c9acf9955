// SPDX-License-Identifier: MIT
#include "gpu.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <utility>

namespace {

namespace cb = commonbuf;

constexpr const char* validation = "VK_LAYER_KHRONOS_validation";
constexpr std::uint32_t api_version = VK_API_VERSION_1_2;

std::mutex messages_mutex;
std::vector<std::string> said;

VkBool32 note(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
              const VkDebugUtilsMessengerCallbackDataEXT* data, void*)
{
    const std::lock_guard lock(messages_mutex);
    said.emplace_back(data->pMessage);
    return VK_FALSE;
}

bool holds(const std::vector<VkExtensionProperties>& all, const char* name)
{
    return std::any_of(all.begin(), all.end(),
                       [name](const auto& each) { return std::strcmp(each.extensionName, name) == 0; });
}

} // namespace

const Gpu* Gpu::find(std::string& why_not)
{
    struct Found {
        std::unique_ptr<Gpu> gpu{new Gpu};
        std::string why_not = gpu->create();
    };
    static const Found found;
    why_not = found.why_not;
    return why_not.empty() ? found.gpu.get() : nullptr;
}

std::string Gpu::create()
{
    loader_ = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    if (loader_ == nullptr)
        return "there is no Vulkan loader";
    get_instance_proc_addr = reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(loader_, "vkGetInstanceProcAddr"));
    if (std::string why = create_instance(); !why.empty())
        return why;
    return create_device();
}

std::string Gpu::create_instance()
{
    const auto layers_of = get_instance<PFN_vkEnumerateInstanceLayerProperties>("vkEnumerateInstanceLayerProperties");
    std::uint32_t count = 0;
    layers_of(&count, nullptr);
    std::vector<VkLayerProperties> layers(count);
    layers_of(&count, layers.data());
    validated = std::any_of(layers.begin(), layers.end(),
                            [](const auto& each) { return std::strcmp(each.layerName, validation) == 0; });

    VkApplicationInfo application{};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.apiVersion = api_version;
    constexpr auto also = std::to_array<VkValidationFeatureEnableEXT>({
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT,
    });
    VkValidationFeaturesEXT features{};
    features.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT;
    features.enabledValidationFeatureCount = also.size();
    features.pEnabledValidationFeatures = also.data();
    VkDebugUtilsMessengerCreateInfoEXT messenger{};
    messenger.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT;
    messenger.pNext = &features;
    messenger.messageSeverity =
        VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
    messenger.messageType =
        VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT;
    messenger.pfnUserCallback = note;
    constexpr std::array names{VK_EXT_DEBUG_UTILS_EXTENSION_NAME, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME};
    VkInstanceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pApplicationInfo = &application;
    if (validated) {
        info.pNext = &messenger;
        info.enabledLayerCount = 1;
        info.ppEnabledLayerNames = &validation;
        info.enabledExtensionCount = names.size();
        info.ppEnabledExtensionNames = names.data();
    }
    if (get_instance<PFN_vkCreateInstance>("vkCreateInstance")(&info, nullptr, &instance) != VK_SUCCESS) {
        instance = VK_NULL_HANDLE;
        return "vkCreateInstance fails: there is no Vulkan driver";
    }
    if (validated) {
        messenger.pNext = nullptr;
        get_instance<PFN_vkCreateDebugUtilsMessengerEXT>("vkCreateDebugUtilsMessengerEXT")(instance, &messenger,
                                                                                           nullptr, &messenger_);
    }
    return {};
}

std::string Gpu::create_device()
{
    std::uint32_t count = 8;
    std::array<VkPhysicalDevice, 8> devices{};
    get_instance<PFN_vkEnumeratePhysicalDevices>("vkEnumeratePhysicalDevices")(instance, &count, devices.data());
    const auto extensions_of =
        get_instance<PFN_vkEnumerateDeviceExtensionProperties>("vkEnumerateDeviceExtensionProperties");
    for (std::uint32_t i = 0; i < count && physical == VK_NULL_HANDLE; ++i) {
        std::uint32_t extension_count = 0;
        extensions_of(devices[i], nullptr, &extension_count, nullptr);
        std::vector<VkExtensionProperties> extensions(extension_count);
        extensions_of(devices[i], nullptr, &extension_count, extensions.data());
        if (holds(extensions, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME) &&
            holds(extensions, VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME))
            physical = devices[i];
    }
    if (physical == VK_NULL_HANDLE)
        return "no Vulkan device of " + std::to_string(count) + " imports dma-bufs with modifiers";
    auto asked = cb::vulkan::requirements(instance, physical, get_instance_proc_addr, api_version);
    if (!asked)
        return asked.error().message();
    requirements = std::move(*asked);
    extensions_ = requirements->extensions();

    VkPhysicalDeviceVulkan11Features eleven{};
    eleven.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
    eleven.samplerYcbcrConversion = requirements->features().sampler_ycbcr_conversion ? VK_TRUE : VK_FALSE;
    VkPhysicalDeviceVulkan12Features twelve{};
    twelve.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    twelve.pNext = &eleven;
    twelve.timelineSemaphore = requirements->features().timeline_semaphore ? VK_TRUE : VK_FALSE;
    constexpr float priority = 1;
    VkDeviceQueueCreateInfo queues{};
    queues.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queues.queueFamilyIndex = family; // lavapipe has one, and every other device graphics first
    queues.queueCount = 1;
    queues.pQueuePriorities = &priority;
    VkDeviceCreateInfo made{};
    made.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    made.pNext = &twelve;
    made.queueCreateInfoCount = 1;
    made.pQueueCreateInfos = &queues;
    made.enabledExtensionCount = static_cast<std::uint32_t>(extensions_.size());
    made.ppEnabledExtensionNames = extensions_.data();
    if (get_instance<PFN_vkCreateDevice>("vkCreateDevice")(physical, &made, nullptr, &device) != VK_SUCCESS)
        return "vkCreateDevice fails with what vulkan::requirements() names";
    get_device_proc_addr_ = get_instance<PFN_vkGetDeviceProcAddr>("vkGetDeviceProcAddr");
    get<PFN_vkGetDeviceQueue>("vkGetDeviceQueue")(device, family, 0, &queue);
    VkCommandPoolCreateInfo pool{};
    pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool.flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT;
    pool.queueFamilyIndex = family;
    get<PFN_vkCreateCommandPool>("vkCreateCommandPool")(device, &pool, nullptr, &pool_);
    auto device_handle = cb::vulkan::Device::wrap(info());
    if (!device_handle)
        return device_handle.error().message();
    wrapped = std::move(*device_handle);
    return {};
}

Gpu::~Gpu()
{
    wrapped.reset();
    if (device != VK_NULL_HANDLE) {
        get<PFN_vkDestroyCommandPool>("vkDestroyCommandPool")(device, pool_, nullptr);
        get<PFN_vkDestroyDevice>("vkDestroyDevice")(device, nullptr);
    }
    if (messenger_ != VK_NULL_HANDLE)
        get_instance<PFN_vkDestroyDebugUtilsMessengerEXT>("vkDestroyDebugUtilsMessengerEXT")(instance, messenger_,
                                                                                             nullptr);
    if (instance != VK_NULL_HANDLE)
        get_instance<PFN_vkDestroyInstance>("vkDestroyInstance")(instance, nullptr);
    // What is still there now was never destroyed: the layers say so, and nobody asks any more.
    for (const std::string& message : messages())
        std::fprintf(stderr, "at the end: %s\n", message.c_str());
}

cb::vulkan::WrapInfo Gpu::info() const
{
    return {
        instance, physical, device, family, get_instance_proc_addr, api_version, extensions_, requirements->features(),
        queue};
}

void Gpu::run(const std::function<void(VkCommandBuffer)>& record) const
{
    VkCommandBufferAllocateInfo allocate{};
    allocate.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    allocate.commandPool = pool_;
    allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    allocate.commandBufferCount = 1;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    ASSERT_EQ(get<PFN_vkAllocateCommandBuffers>("vkAllocateCommandBuffers")(device, &allocate, &commands), VK_SUCCESS);
    VkCommandBufferBeginInfo begin{};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    get<PFN_vkBeginCommandBuffer>("vkBeginCommandBuffer")(commands, &begin);
    record(commands);
    EXPECT_EQ(get<PFN_vkEndCommandBuffer>("vkEndCommandBuffer")(commands), VK_SUCCESS);
    VkFenceCreateInfo fence_info{};
    fence_info.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    VkFence fence = VK_NULL_HANDLE;
    ASSERT_EQ(get<PFN_vkCreateFence>("vkCreateFence")(device, &fence_info, nullptr, &fence), VK_SUCCESS);
    VkSubmitInfo submit{};
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands;
    EXPECT_EQ(get<PFN_vkQueueSubmit>("vkQueueSubmit")(queue, 1, &submit, fence), VK_SUCCESS);
    constexpr std::uint64_t ten_seconds = 10'000'000'000;
    EXPECT_EQ(get<PFN_vkWaitForFences>("vkWaitForFences")(device, 1, &fence, VK_TRUE, ten_seconds), VK_SUCCESS);
    get<PFN_vkDestroyFence>("vkDestroyFence")(device, fence, nullptr);
    get<PFN_vkFreeCommandBuffers>("vkFreeCommandBuffers")(device, pool_, 1, &commands);
}

void Gpu::barrier(VkCommandBuffer commands, VkImage image, VkImageLayout from, VkImageLayout to,
                  std::uint32_t from_family, std::uint32_t to_family) const
{
    VkImageMemoryBarrier barrier{};
    barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER;
    barrier.srcAccessMask = from_family == family ? unsigned{VK_ACCESS_MEMORY_WRITE_BIT} : 0U;
    barrier.dstAccessMask =
        to_family == family ? unsigned{VK_ACCESS_MEMORY_READ_BIT} | unsigned{VK_ACCESS_MEMORY_WRITE_BIT} : 0U;
    barrier.oldLayout = from;
    barrier.newLayout = to;
    barrier.srcQueueFamilyIndex = from_family;
    barrier.dstQueueFamilyIndex = to_family;
    barrier.image = image;
    barrier.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    get<PFN_vkCmdPipelineBarrier>("vkCmdPipelineBarrier")(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                                                          VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 0, nullptr, 0, nullptr,
                                                          1, &barrier);
}

std::vector<std::string> Gpu::messages()
{
    const std::lock_guard lock(messages_mutex);
    return std::exchange(said, {});
}

void GpuTest::SetUp()
{
    const std::string suite = testing::UnitTest::GetInstance()->current_test_info()->test_suite_name();
    ASSERT_NE(suite.find("Vulkan"), std::string::npos) << "scripts/test runs tests of Vulkan apart, by this word";
    // A driver opens what it keeps (a render node, a cache) when it is made.
    std::string why_not;
    Gpu::find(why_not);
    Gpu::messages();
    devices::Test::SetUp();
}

void GpuTest::TearDown()
{
    for (const std::string& message : Gpu::messages())
        ADD_FAILURE() << message;
    devices::Test::TearDown();
}
