// SPDX-License-Identifier: MIT
#include "uses.hpp"

#include "gpus.hpp"

#include <linux/videodev2.h>
#include <sys/ioctl.h>

#include <algorithm>

namespace oracle {
namespace {

namespace cb = commonbuf;
using cb::v4l2::Role;

/// The mode with the most frames a second.
v4l2_dv_timings fastest(int fd)
{
    v4l2_dv_timings best{};
    double most = 0;
    v4l2_enum_dv_timings entry{};
    for (; ::ioctl(fd, VIDIOC_ENUM_DV_TIMINGS, &entry) == 0; ++entry.index) {
        const v4l2_bt_timings& bt = entry.timings.bt;
        const double width = bt.width + bt.hfrontporch + bt.hsync + bt.hbackporch;
        const double height = bt.height + bt.vfrontporch + bt.vsync + bt.vbackporch;
        const double rate = static_cast<double>(bt.pixelclock) / (width * height);
        if (bt.interlaced == 0 && rate > most) {
            most = rate;
            best = entry.timings;
        }
    }
    return best;
}

void hurry(int fd)
{
    v4l2_input input{};
    while (::ioctl(fd, VIDIOC_ENUMINPUT, &input) == 0 && (input.capabilities & V4L2_IN_CAP_DV_TIMINGS) == 0)
        ++input.index;
    int wanted = static_cast<int>(input.index);
    if ((input.capabilities & V4L2_IN_CAP_DV_TIMINGS) == 0 || ::ioctl(fd, VIDIOC_S_INPUT, &wanted) != 0)
        return;
    v4l2_dv_timings timings = fastest(fd);
    ::ioctl(fd, VIDIOC_S_DV_TIMINGS, &timings);
}

bool has_images(const std::vector<std::uint32_t>& formats)
{
    return std::any_of(formats.begin(), formats.end(),
                       [](std::uint32_t fourcc) { return cb::format_from_v4l2(fourcc) != nullptr; });
}

/// Whether a decoder takes what this machine's encoder makes.
bool has_stream(const cb::v4l2::NodeInfo& node)
{
    const auto& formats = node.output_formats;
    return std::find(formats.begin(), formats.end(), std::uint32_t{V4L2_PIX_FMT_FWHT}) != formats.end();
}

/// Whether a Vulkan device takes images of others at all.
bool imports(const allocinfo::GpuInfo& gpu)
{
    return gpu.requirements && std::none_of(gpu.requirements->all.begin(), gpu.requirements->all.end(),
                                            [](const cb::vulkan::Requirement& each) {
                                                return !each.available &&
                                                       (each.name == VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME ||
                                                        each.name == VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME);
                                            });
}

} // namespace

std::vector<NamedUse> find_uses(bool brief, std::vector<std::string>& left_out)
{
    std::vector<NamedUse> uses;
    for (const cb::v4l2::NodeInfo& node : cb::v4l2::nodes()) {
        if (node.obstacle || !node.streaming)
            continue;
        const bool capture = node.capture && has_images(node.capture_formats);
        const bool output = node.memory_to_memory && has_images(node.output_formats);
        if (node.driver == "vimc" || (node.memory_to_memory && !output && !has_stream(node))) {
            if (capture)
                left_out.push_back(node.name + ":capture");
            continue;
        }
        const auto device = cb::v4l2::Device::open(node.path);
        if (!device)
            continue;
        if (!node.memory_to_memory)
            hurry(device->fd());
        const auto writer = node.memory_to_memory ? truth::DeviceKind::m2m_sink : truth::DeviceKind::camera;
        if (capture)
            uses.push_back({device->capture(), {node.name + ":capture", writer, node.path, false, true}});
        if (output)
            uses.push_back(
                {device->output(), {node.name + ":output", truth::DeviceKind::m2m_source, node.path, true, false}});
    }
    for (const cb::drm::NodeInfo& node : cb::drm::nodes()) {
        if (node.obstacle || !node.modesetting || node.connectors.empty())
            continue;
        if (const auto device = cb::drm::Device::open(node.path))
            uses.push_back(
                {device->scanout(), {node.driver + ":scanout", truth::DeviceKind::display, node.path, true, false}});
    }
    for (const allocinfo::GpuInfo& gpu : allocinfo::gpus().value_or(std::vector<allocinfo::GpuInfo>{})) {
        const auto device = allocinfo::open_gpu(gpu.name);
        if (!device || !imports(gpu)) {
            left_out.push_back("vulkan:" + gpu.name);
            continue;
        }
        const auto add = [&](const cb::Use& use, bool reads, bool writes, VkImageUsageFlags usage) {
            uses.push_back({use, {use.name(), truth::DeviceKind::gpu, gpu.name, reads, writes, usage}});
        };
        add(device->storage(), true, true, VK_IMAGE_USAGE_STORAGE_BIT);
        if (brief)
            continue;
        add(device->sampled(), true, false, VK_IMAGE_USAGE_SAMPLED_BIT);
        add(device->color_attachment(), false, true, VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT);
    }
    uses.push_back({cb::cpu(cb::Access::read), {"cpu:read", truth::DeviceKind::cpu, {}, true, false}});
    uses.push_back({cb::cpu(cb::Access::write), {"cpu:write", truth::DeviceKind::cpu, {}, false, true}});
    return uses;
}

} // namespace oracle
