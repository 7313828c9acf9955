// SPDX-License-Identifier: MIT
#include "base/text.hpp"

#include <commonbuf/resolve.hpp>
#ifdef COMMONBUF_HAVE_DRM
#include <commonbuf/drm/device.hpp>
#endif
#ifdef COMMONBUF_HAVE_V4L2
#include <commonbuf/v4l2/device.hpp>
#endif

#include <algorithm>
#include <utility>

namespace commonbuf {
namespace {

std::string operation(Purpose flag) { return text::format("find devices for {}", to_string(flag)); }

/// All flags for the CPU as one use.
Use cpu_use(Purpose purpose)
{
    const bool reads = (purpose & (Purpose::cpu_read_rarely | Purpose::cpu_read_often)) != Purpose::none;
    const bool writes = (purpose & (Purpose::cpu_write_rarely | Purpose::cpu_write_often)) != Purpose::none;
    const bool often = (purpose & (Purpose::cpu_read_often | Purpose::cpu_write_often)) != Purpose::none;
    const Access access = reads && writes ? Access::read_write : (reads ? Access::read : Access::write);
    return cpu(access, often ? CpuFrequency::frequent : CpuFrequency::rare);
}

class Resolving {
public:
    explicit Resolving(const Request& request) : request_(request) {}

    /// Takes a device, or notes why not.
    void consider(const Use& use)
    {
        if (const auto support = use.importer().support(request_); support)
            take(use);
        else
            leave_out(use.name(), support.error());
    }
    void take(const Use& use)
    {
        entry_.uses.push_back(use.name());
        if (std::ranges::find(resolution_.uses, use.name(), &Use::name) == resolution_.uses.end())
            resolution_.uses.push_back(use);
    }
    void leave_out(const std::string& name, const Error& error)
    {
        entry_.left_out.push_back({name, Verdict::refused(error)});
    }

    /// Ends one class of devices. Errors: not_present.
    Status finish(Purpose flag)
    {
        entry_.purpose = flag;
        if (entry_.uses.empty()) {
            std::string why = entry_.left_out.empty() ? "this machine has none" : "none of them takes the image: ";
            for (const UseVerdict& each : entry_.left_out)
                why += text::format("{}{}", &each == entry_.left_out.data() ? "" : "; ", each.verdict.reason);
            return Error::not_present(operation(flag), std::move(why),
                                      "allocinfo devices lists what there is; allocinfo constraints what it takes");
        }
        resolution_.purposes.push_back(std::exchange(entry_, {}));
        return {};
    }

    Resolution result() { return std::move(resolution_); }

private:
    const Request& request_;
    ResolvedPurpose entry_;
    Resolution resolution_;
};

#ifdef COMMONBUF_HAVE_V4L2
bool is_meant(const v4l2::NodeInfo& node, Purpose flag)
{
    switch (flag) {
    case Purpose::camera_output: return node.capture && !node.memory_to_memory && !node.metadata;
    case Purpose::video_encoder: return node.encodes;
    case Purpose::video_decoder: return node.decodes;
    default: return false;
    }
}

Status find_v4l2(Purpose flag, Resolving& resolving)
{
    for (const v4l2::NodeInfo& node : v4l2::nodes()) {
        if (node.obstacle) {
            resolving.leave_out("v4l2:" + node.path, *node.obstacle);
            continue;
        }
        if (!is_meant(node, flag))
            continue;
        const auto device = v4l2::Device::open(node.path);
        if (!device)
            resolving.leave_out("v4l2:" + node.path, device.error());
        else
            resolving.consider(flag == Purpose::video_encoder ? device->output() : device->capture());
    }
    return resolving.finish(flag);
}
#else
Status find_v4l2(Purpose flag, Resolving&)
{
    return Error::unsupported(operation(flag), "this build has no V4L2", "build with the meson option enabled");
}
#endif

#ifdef COMMONBUF_HAVE_DRM
Status find_displays(Resolving& resolving)
{
    for (const drm::NodeInfo& node : drm::nodes()) {
        if (node.render || (!node.obstacle && !node.modesetting))
            continue;
        const auto device = node.obstacle ? *node.obstacle : drm::Device::open(node.path);
        if (!device)
            resolving.leave_out("drm:" + node.path, device.error());
        else
            resolving.consider(device->scanout());
    }
    return resolving.finish(Purpose::composer);
}
#else
Status find_displays(Resolving&)
{
    return Error::unsupported(operation(Purpose::composer), "this build has no DRM",
                              "build with the meson option enabled");
}
#endif

Status find_gpus(Purpose flag, std::span<const Use> gpu, Resolving& resolving)
{
    if (gpu.empty())
        return Error::unsupported(operation(flag), "the library brings no GPU of its own", "give the uses of yours");
    for (const Use& use : gpu)
        resolving.consider(use);
    return resolving.finish(flag);
}

} // namespace

Result<Resolution> resolve(Purpose purpose, const Request& request, std::span<const Use> gpu)
{
    if (purpose == Purpose::none)
        return Error::invalid_argument("find devices for a purpose", "it has no flag");
    Resolving resolving(request);
    const auto find = [&](Purpose flag) {
        switch (flag) {
        case Purpose::camera_output:
        case Purpose::video_encoder:
        case Purpose::video_decoder: return find_v4l2(flag, resolving);
        case Purpose::gpu_texture:
        case Purpose::gpu_render_target: return find_gpus(flag, gpu, resolving);
        case Purpose::composer: return find_displays(resolving);
        default: resolving.take(cpu_use(purpose)); return resolving.finish(flag);
        }
    };
    for (const Purpose flag :
         {Purpose::camera_output, Purpose::video_encoder, Purpose::video_decoder, Purpose::gpu_texture,
          Purpose::gpu_render_target, Purpose::composer, Purpose::cpu_read_rarely, Purpose::cpu_read_often,
          Purpose::cpu_write_rarely, Purpose::cpu_write_often}) {
        if (!has(purpose, flag))
            continue;
        if (const Status found = find(flag); !found)
            return found.error();
    }
    return resolving.result();
}

} // namespace commonbuf
