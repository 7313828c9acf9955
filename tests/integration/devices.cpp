// SPDX-License-Identifier: MIT
#include "devices.hpp"

#include <drm_fourcc.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <thread>

namespace devices {
namespace {

std::set<std::string> open_descriptors()
{
    std::set<std::string> result;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code error;
        const auto target = std::filesystem::read_symlink(entry.path(), error);
        // The folder that is being listed has a descriptor of its own.
        if (!error && target != "/proc/self/fd" && !target.string().ends_with("/fd"))
            result.insert(entry.path().filename().string() + " " + target.string());
    }
    return result;
}

} // namespace

std::string read_text(const std::string& path)
{
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

Camera camera(const std::string& name)
{
    auto device = cb::v4l2::Device::open("@" + name);
    if (!device)
        return {std::nullopt, device.error().message()};
    return {std::move(*device), {}};
}

namespace {

Camera vivid_by_allocator(unsigned wanted, const char* what)
{
    std::stringstream parameter(read_text("/sys/module/vivid/parameters/allocators"));
    if (parameter.str().empty())
        return {std::nullopt, "there is no vivid on this machine"};
    std::string number;
    for (unsigned i = 0; std::getline(parameter, number, ','); ++i) {
        if (std::stoul(number) != wanted)
            continue;
        char name[32];
        std::snprintf(name, sizeof name, "vivid-%03u-vid-cap", i);
        if (auto found = camera(name); found.device)
            return found;
    }
    return {std::nullopt, std::string("no vivid here ") + what};
}

} // namespace

Camera contiguous_camera() { return vivid_by_allocator(1, "needs contiguous memory"); }
Camera scattered_camera() { return vivid_by_allocator(0, "takes scattered memory"); }

namespace {

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

} // namespace

Fast::Fast(const cb::v4l2::Device& camera) : fd_(camera.fd())
{
    int before = 0;
    if (::ioctl(fd_, VIDIOC_G_INPUT, &before) != 0)
        return;
    v4l2_input input{};
    while (::ioctl(fd_, VIDIOC_ENUMINPUT, &input) == 0 && (input.capabilities & V4L2_IN_CAP_DV_TIMINGS) == 0)
        ++input.index;
    int wanted = static_cast<int>(input.index);
    if ((input.capabilities & V4L2_IN_CAP_DV_TIMINGS) == 0 || ::ioctl(fd_, VIDIOC_S_INPUT, &wanted) != 0)
        return;
    input_ = before;
    v4l2_dv_timings timings = fastest(fd_);
    EXPECT_EQ(::ioctl(fd_, VIDIOC_S_DV_TIMINGS, &timings), 0);
}

Fast::~Fast()
{
    if (input_ >= 0) {
        EXPECT_EQ(::ioctl(fd_, VIDIOC_S_INPUT, &input_), 0);
    }
}

std::shared_ptr<cb::Heap> usable_heap(bool scarce)
{
    for (const auto& heap : cb::find_heaps()) {
        const cb::HeapInfo& info = heap->info();
        if (!info.obstacle && info.same_as.empty() && info.scarce == scarce && info.kind != cb::HeapKind::drm_dumb)
            return heap;
    }
    return nullptr;
}

std::shared_ptr<cb::Heap> heap_called(const std::string& name)
{
    for (const auto& heap : cb::find_heaps()) {
        const cb::HeapInfo& info = heap->info();
        if (info.kind == cb::HeapKind::dma_heap && info.name == name && !info.obstacle)
            return heap;
    }
    return nullptr;
}

std::vector<cb::v4l2::Device> all(cb::v4l2::Role role)
{
    std::vector<cb::v4l2::Device> result;
    for (const auto& node : cb::v4l2::nodes()) {
        const bool has = role == cb::v4l2::Role::capture ? node.capture : node.output;
        if (node.obstacle || !has || node.memory_to_memory || !node.streaming)
            continue;
        if (auto device = cb::v4l2::Device::open(node.path))
            result.push_back(std::move(*device));
    }
    return result;
}

std::optional<cb::drm::Device> display(std::string& why_not)
{
    why_not = "this machine has no DRM card with displays";
    for (const auto& node : cb::drm::nodes()) {
        if (node.obstacle)
            why_not = node.obstacle->message();
        else if (node.modesetting && !node.connectors.empty())
            return *cb::drm::Device::open(node.path);
    }
    return std::nullopt;
}

std::optional<cb::Format> any_format(const cb::v4l2::NodeInfo& node, cb::v4l2::Role role)
{
    const auto& formats = role == cb::v4l2::Role::capture ? node.capture_formats : node.output_formats;
    const auto has = [&formats](cb::Format format) {
        const cb::FormatInfo* info = cb::format_info(format);
        return std::find(formats.begin(), formats.end(), info->v4l2_single) != formats.end();
    };
    for (const cb::Format format : {cb::Format(DRM_FORMAT_XRGB8888), cb::Format(DRM_FORMAT_NV12)}) {
        if (has(format))
            return format;
    }
    for (const cb::FormatInfo& info : cb::all_formats()) {
        if (info.v4l2_single != 0 && has(info.format))
            return info.format;
    }
    return std::nullopt;
}

cb::Request current_size(const cb::v4l2::Device& device, cb::v4l2::Role role, cb::Format format)
{
    const bool many = device.info().multiplanar;
    v4l2_format answer{};
    if (role == cb::v4l2::Role::capture)
        answer.type = many ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
    else
        answer.type = many ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
    if (::ioctl(device.fd(), VIDIOC_G_FMT, &answer) != 0)
        return {format, 0, 0};
    // Both APIs begin with width and height.
    return {format, answer.fmt.pix.width, answer.fmt.pix.height};
}

const cb::HeapVerdict* verdict(const cb::Report& report, const std::string& heap)
{
    const auto found = std::find_if(report.heaps.begin(), report.heaps.end(),
                                    [&heap](const cb::HeapVerdict& each) { return each.heap.name == heap; });
    return found != report.heaps.end() ? &*found : nullptr;
}

bool makes_memory(cb::Heap& heap)
{
    if (heap.info().obstacle)
        return false;
    const auto memory = heap.allocate(4096);
    return memory || memory.error().category != cb::Category::unsupported;
}

bool lost_writeback(const cb::drm::Device& display, const cb::Content& content)
{
    return display.info().driver == "vkms" && std::getenv("COMMONBUF_PATCHED_KERNEL") == nullptr &&
           content.reason.find("showed no frame before the deadline") != std::string::npos;
}

std::optional<unsigned> dma_buf_count()
{
    const std::string text = read_text("/sys/kernel/debug/dma_buf/bufinfo");
    std::smatch match;
    if (!std::regex_search(text, match, std::regex(R"(Total (\d+) objects)")))
        return std::nullopt;
    return static_cast<unsigned>(std::stoul(match[1]));
}

void Test::SetUp()
{
    descriptors_ = open_descriptors();
    dma_bufs_ = dma_buf_count();
}

void Test::TearDown()
{
    // The access checker keeps the fences of buffers that are gone, until it is asked after them.
    for (int i = 0; i < 50 && open_descriptors() != descriptors_; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        static_cast<void>(cb::checker_findings());
    }
    EXPECT_EQ(open_descriptors(), descriptors_);
    // The kernel frees some dma-bufs a moment later, from a work queue; even some that were
    // there before this test.
    std::optional<unsigned> now = dma_bufs_ ? dma_buf_count() : std::nullopt;
    for (int i = 0; i < 500 && now > dma_bufs_; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        now = dma_buf_count();
    }
    EXPECT_LE(now, dma_bufs_) << read_text("/sys/kernel/debug/dma_buf/bufinfo");
}

} // namespace devices
