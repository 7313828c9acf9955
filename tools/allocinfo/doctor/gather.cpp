// SPDX-License-Identifier: MIT
#include "facts.hpp"

#include <commonbuf/commonbuf.hpp>

#include <dirent.h>
#include <grp.h>
#include <linux/dma-buf.h>
#include <linux/videodev2.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <memory>

namespace allocinfo::doctor {
namespace {

using commonbuf::Category;
using commonbuf::Error;
using commonbuf::UniqueFd;

std::optional<std::uint64_t> to_number(const std::string& words)
{
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(words.data(), words.data() + words.size(), value);
    return error == std::errc() && end != words.data() ? std::optional(value) : std::nullopt;
}

std::string first_line(const std::string& path)
{
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

std::optional<std::uint64_t> number_in(const std::string& path) { return to_number(first_line(path)); }

std::vector<std::string> names_in(const std::string& folder)
{
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> handle(::opendir(folder.c_str()), &::closedir);
    while (const dirent* entry = handle ? ::readdir(handle.get()) : nullptr) {
        if (entry->d_name[0] != '.')
            names.emplace_back(entry->d_name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

/// A line of /proc/meminfo, in bytes.
std::optional<std::uint64_t> meminfo(const std::string& name)
{
    std::ifstream file("/proc/meminfo");
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with(name + ":"))
            continue;
        const auto digits = line.find_first_of("0123456789");
        const auto value = digits != std::string::npos ? to_number(line.substr(digits)) : std::nullopt;
        return value ? std::optional(*value * 1024) : std::nullopt;
    }
    return std::nullopt;
}

std::string user_name()
{
    const passwd* entry = ::getpwuid(::geteuid()); // one thread
    return entry != nullptr ? entry->pw_name : std::to_string(::geteuid());
}

std::string group_name(gid_t id)
{
    const group* entry = ::getgrgid(id);
    return entry != nullptr ? entry->gr_name : std::to_string(id);
}

void note_if_closed(Facts& facts, const std::string& path, const std::optional<Error>& obstacle)
{
    struct stat file {};
    const bool known =
        std::any_of(facts.closed.begin(), facts.closed.end(), [&](const Node& each) { return each.path == path; });
    if (!obstacle || obstacle->category != Category::permission_denied || known || ::stat(path.c_str(), &file) != 0)
        return;
    constexpr mode_t both = S_IRGRP | S_IWGRP;
    facts.closed.push_back({path, group_name(file.st_gid), (file.st_mode & both) == both, obstacle->message()});
}

/// Whether the fences of a dma-buf can be exported. A kernel that knows the call refuses it without
/// flags before it does anything (drivers/dma-buf/dma-buf.c).
std::optional<bool> can_export_sync_file(const std::vector<std::shared_ptr<commonbuf::Heap>>& heaps)
{
    // A page of plentiful memory does as well as one of scarce memory.
    for (const bool scarce : {false, true}) {
        for (const auto& heap : heaps) {
            if (heap->info().obstacle || heap->info().scarce != scarce)
                continue;
            const auto buffer = heap->allocate(4096);
            if (!buffer)
                continue;
            dma_buf_export_sync_file none{};
            if (::ioctl(buffer->get(), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &none) == 0) {
                const UniqueFd fence(none.fd);
                return true;
            }
            return errno != ENOTTY;
        }
    }
    return std::nullopt;
}

#ifdef ALLOCINFO_V4L2
/// Whether a queue takes dma-bufs. VIDIOC_CREATE_BUFS with a count of 0 creates nothing
/// and only checks the kind of memory (its page in the kernel's V4L2 documentation).
std::optional<bool> takes_dma_bufs(const commonbuf::v4l2::NodeInfo& node)
{
    const auto device = commonbuf::v4l2::Device::open(node.path);
    if (!device || (!node.capture && !node.output))
        return std::nullopt;
    v4l2_create_buffers none{};
    none.memory = V4L2_MEMORY_DMABUF;
    if (node.capture)
        none.format.type = node.metadata      ? V4L2_BUF_TYPE_META_CAPTURE
                           : node.multiplanar ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
                                              : V4L2_BUF_TYPE_VIDEO_CAPTURE;
    else
        none.format.type = node.metadata      ? V4L2_BUF_TYPE_META_OUTPUT
                           : node.multiplanar ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE
                                              : V4L2_BUF_TYPE_VIDEO_OUTPUT;
    if (::ioctl(device->fd(), VIDIOC_CREATE_BUFS, &none) == 0)
        return true;
    return errno == EINVAL ? std::optional(false) : std::nullopt;
}
#endif

void find_devices(Facts& facts)
{
#ifdef ALLOCINFO_V4L2
    for (const auto& node : commonbuf::v4l2::nodes())
        facts.devices.push_back({Device::Kind::v4l2, node.path, node.name,
                                 node.obstacle ? std::nullopt : takes_dma_bufs(node), node.obstacle});
#endif
#ifdef ALLOCINFO_DRM
    for (const auto& node : commonbuf::drm::nodes())
        facts.devices.push_back({Device::Kind::drm, node.path, node.name,
                                 node.obstacle ? std::nullopt : std::optional(node.imports), node.obstacle});
#endif
}

/// The number of the device behind a path; nothing for other files.
std::optional<dev_t> device_number(const std::string& path)
{
    struct stat file {};
    return ::stat(path.c_str(), &file) == 0 && S_ISCHR(file.st_mode) ? std::optional(file.st_rdev) : std::nullopt;
}

/// Finds the programs that have the devices open, as far as this user may see.
void find_holders(Facts& facts)
{
    for (const std::string& process : names_in("/proc")) {
        const auto id = to_number(process);
        if (!id || *id == static_cast<std::uint64_t>(::getpid()))
            continue;
        const std::string folder = "/proc/" + process;
        std::vector<std::string> held;
        for (const std::string& fd : names_in(folder + "/fd")) {
            // By its number: the other program may know the node by another name.
            std::string link = folder;
            link.append("/fd/").append(fd);
            const auto number = device_number(link);
            const auto device = std::find_if(facts.devices.begin(), facts.devices.end(), [&](const Device& each) {
                return number && device_number(each.path) == number;
            });
            if (device != facts.devices.end() && std::find(held.begin(), held.end(), device->path) == held.end())
                held.push_back(device->path);
        }
        for (std::string& path : held)
            facts.holders.push_back({std::move(path), *id, first_line(folder + "/comm")});
    }
}

void find_regions(Facts& facts)
{
    facts.cma_total = meminfo("CmaTotal");
    facts.cma_free = meminfo("CmaFree");
    const std::string folder = "/sys/kernel/mm/cma/";
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    for (const std::string& name : names_in(folder)) {
        const std::string files = folder + name;
        Region region;
        region.name = name;
        region.total = number_in(files + "/total_pages").value_or(0) * page;
        if (const auto pages = number_in(files + "/available_pages"))
            region.available = *pages * page;
        region.failures = number_in(files + "/alloc_pages_fail").value_or(0);
        facts.regions.push_back(std::move(region));
    }
}

} // namespace

Facts gather()
{
    Facts facts;
    utsname system{};
    if (::uname(&system) == 0)
        facts.kernel = system.release;
    facts.user = user_name();

    const auto heaps = commonbuf::find_heaps();
    for (const auto& heap : heaps)
        facts.heaps.push_back(heap->info());
    find_devices(facts);
    for (const auto& heap : facts.heaps)
        note_if_closed(facts, heap.path, heap.obstacle);
    for (const auto& device : facts.devices)
        note_if_closed(facts, device.path, device.obstacle);
    find_holders(facts);
    facts.sync_files = can_export_sync_file(heaps);
    facts.size_limit_mb = number_in("/sys/module/udmabuf/parameters/size_limit_mb");
    facts.list_limit = number_in("/sys/module/udmabuf/parameters/list_limit");
    find_regions(facts);
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0)
        facts.open_files = files.rlim_cur;
    facts.buffer_list = ::access("/sys/kernel/debug/dma_buf/bufinfo", R_OK) == 0;
    return facts;
}

} // namespace allocinfo::doctor
