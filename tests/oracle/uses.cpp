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
        if (node.driver == "vimc" || (node.memory_to_memory && !output)) {
            if (capture)
                left_out.push_back(node.name + ":capture");
            continue;
        }
        const auto device = cb::v4l2::Device::open(node.path);
        if (!device)
            continue;
        if (!node.memory_to_memory)
            hurry(device->fd());
        if (capture)
            uses.push_back({node.name + ":capture", device->capture()});
        if (output)
            uses.push_back({node.name + ":output", device->output()});
    }
    for (const cb::drm::NodeInfo& node : cb::drm::nodes()) {
        if (node.obstacle || !node.modesetting || node.connectors.empty())
            continue;
        if (const auto device = cb::drm::Device::open(node.path))
            uses.push_back({node.driver + ":scanout", device->scanout()});
    }
    for (const allocinfo::GpuInfo& gpu : allocinfo::gpus().value_or(std::vector<allocinfo::GpuInfo>{})) {
        const auto device = allocinfo::open_gpu(gpu.name);
        if (!device || !imports(gpu)) {
            left_out.push_back("vulkan:" + gpu.name);
            continue;
        }
        // Storage is compared both ways, reading and writing.
        uses.push_back({device->storage().name(), device->storage()});
        if (brief)
            continue;
        for (const cb::Use& use : {device->sampled(), device->color_attachment()})
            uses.push_back({use.name(), use});
    }
    uses.push_back({"cpu:read", cb::cpu(cb::Access::read)});
    uses.push_back({"cpu:write", cb::cpu(cb::Access::write)});
    return uses;
}

} // namespace oracle
