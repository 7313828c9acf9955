// SPDX-License-Identifier: MIT
#include "facts.hpp"

#include "text.hpp"

#include <algorithm>
#include <charconv>

namespace allocinfo::doctor {
namespace {

using commonbuf::Category;
using commonbuf::HeapInfo;
using commonbuf::HeapKind;
using commonbuf::text::format;
using commonbuf::text::join;

constexpr std::uint64_t mebibyte = 1U << 20U;
constexpr const char* rules_file = "/etc/udev/rules.d/70-commonbuf.rules";

/// Reads "6.12.9-amd64" as {6, 12}. Other text gives zeros.
std::pair<unsigned, unsigned> version_of(const std::string& release)
{
    std::pair<unsigned, unsigned> version;
    const char* end = release.data() + release.size();
    const auto major = std::from_chars(release.data(), end, version.first);
    if (major.ptr != end && *major.ptr == '.')
        std::from_chars(major.ptr + 1, end, version.second);
    return version;
}

std::string mib(std::uint64_t bytes) { return format("{} MiB", bytes / mebibyte); }

bool usable(const HeapInfo& heap) { return !heap.obstacle; }

const HeapInfo* find(const Facts& facts, HeapKind kind)
{
    const auto heap =
        std::find_if(facts.heaps.begin(), facts.heaps.end(), [&](const HeapInfo& each) { return each.kind == kind; });
    return heap != facts.heaps.end() ? &*heap : nullptr;
}

Finding kernel_version(const Facts& facts)
{
    Finding finding{Severity::ok, "kernel", "uname", "Linux " + facts.kernel, {}, {}};
    const auto version = version_of(facts.kernel);
    if (version < std::pair(5U, 6U)) {
        finding.severity = Severity::warning;
        finding.found += ": dma-heaps came with 5.6";
        finding.advice = "use a newer kernel";
    }
    return finding;
}

Finding any_heap(const Facts& facts)
{
    Finding finding{Severity::ok, "heaps", "/dev/dma_heap, /dev/udmabuf, /dev/dri", {}, {}, {}};
    std::vector<std::string> names;
    for (const HeapInfo& heap : facts.heaps) {
        if (usable(heap))
            names.push_back(heap.name);
    }
    if (!names.empty()) {
        finding.found = "can be used: " + join(names, ", ");
        return finding;
    }
    finding.severity = Severity::problem;
    finding.found = facts.heaps.empty() ? "this machine has no heaps" : "no heap can be used by this user";
    finding.advice = "follow the advice for one of the heaps; udmabuf needs the least";
    return finding;
}

Finding dma_heaps(const Facts& facts)
{
    Finding finding{Severity::ok, "dma-heaps", "/dev/dma_heap", {}, {}, {}};
    std::vector<std::string> names;
    bool has_system = false;
    for (const HeapInfo& heap : facts.heaps) {
        if (heap.kind == HeapKind::dma_heap) {
            names.push_back(heap.name);
            has_system = has_system || heap.name == "system";
        }
    }
    if (names.empty()) {
        finding.severity = Severity::warning;
        finding.found = "there are none";
        finding.advice = "build the kernel with CONFIG_DMABUF_HEAPS, CONFIG_DMABUF_HEAPS_SYSTEM and "
                         "CONFIG_DMABUF_HEAPS_CMA; in a container, pass /dev/dma_heap in";
        return finding;
    }
    finding.found = join(names, ", ");
    if (!has_system) {
        finding.severity = Severity::note;
        finding.found += "; there is no system heap, so every dma-heap here is scarce";
        finding.advice = "build the kernel with CONFIG_DMABUF_HEAPS_SYSTEM";
    }
    return finding;
}

void udmabuf(const Facts& facts, std::vector<Finding>& findings)
{
    const HeapInfo* heap = find(facts, HeapKind::udmabuf);
    if (heap == nullptr || (heap->obstacle && heap->obstacle->category == Category::not_present)) {
        findings.push_back({Severity::warning,
                            "udmabuf",
                            "/dev/udmabuf",
                            "it is not there: ordinary memory cannot be shared without a dma-heap, and whether a "
                            "device takes scattered memory is harder to prove",
                            "load the module, or build the kernel with CONFIG_UDMABUF",
                            {"modprobe udmabuf"}});
        return;
    }
    if (heap->obstacle && heap->obstacle->category != Category::permission_denied)
        findings.push_back({Severity::warning, "udmabuf", "/dev/udmabuf", heap->obstacle->message(), {}, {}});
    else
        findings.push_back({Severity::ok, "udmabuf", "/dev/udmabuf", "it is there", {}, {}});

    // Images of 3840x2160 and of 7680x4320 in 32 bits a pixel, in whole MiB.
    constexpr std::uint64_t needs_4k = 32 * mebibyte;
    constexpr std::uint64_t needs_8k = 127 * mebibyte;
    const std::string limits = "/sys/module/udmabuf/parameters";
    if (facts.size_limit_mb) {
        Finding finding{Severity::ok,
                        "udmabuf-size",
                        limits + "/size_limit_mb",
                        format("a buffer may have {} MiB", *facts.size_limit_mb),
                        {},
                        {}};
        if (*facts.size_limit_mb < needs_8k / mebibyte) {
            const bool small = *facts.size_limit_mb < needs_4k / mebibyte;
            finding.severity = small ? Severity::warning : Severity::note;
            finding.found += format("; an {} image in XRGB8888 takes {}", small ? "ordinary 4K" : "8K",
                                    mib(small ? needs_4k : needs_8k));
            finding.advice = "raise the limit for such images; udmabuf.size_limit_mb=256 on the kernel's "
                             "command line keeps it";
            finding.commands = {format("echo 256 > {}/size_limit_mb", limits)};
        }
        findings.push_back(std::move(finding));
    }
    // The library proves with up to 256 pieces that a device takes scattered memory.
    if (facts.list_limit && *facts.list_limit < 256)
        findings.push_back({Severity::warning,
                            "udmabuf-list",
                            limits + "/list_limit",
                            format("a buffer may have {} pieces; whether devices take scattered memory is proved "
                                   "with up to 256",
                                   *facts.list_limit),
                            "set it back to the kernel's 1024",
                            {format("echo 1024 > {}/list_limit", limits)}});
}

Finding sync_files(const Facts& facts)
{
    Finding finding{Severity::ok, "sync-files", "DMA_BUF_IOCTL_EXPORT_SYNC_FILE", {}, {}, {}};
    if (!facts.sync_files) {
        finding.severity = Severity::note;
        finding.found = "not known: no heap gave a buffer to ask";
    } else if (*facts.sync_files) {
        finding.found = "implicit fences can be exported and imported";
    } else {
        finding.severity = Severity::warning;
        finding.found = "the kernel cannot export or import a dma-buf's fences; 6.0 brought it";
        finding.advice = "use Linux 6.0 or newer for devices with implicit fences";
    }
    return finding;
}

/// The udev rule that gives a kind of node to a group.
struct Access {
    const char* topic;
    const char* begins;
    const char* match;
    const char* subsystem;
    const char* group; ///< the usual one
};
constexpr std::array accesses{
    Access{"permissions-dma-heaps", "/dev/dma_heap/", R"(SUBSYSTEM=="dma_heap")", "dma_heap", "video"},
    Access{"permissions-udmabuf", "/dev/udmabuf", R"(SUBSYSTEM=="misc", KERNEL=="udmabuf")", "misc", "kvm"},
    Access{"permissions-displays", "/dev/dri/card", R"(SUBSYSTEM=="drm", KERNEL=="card*")", "drm", "video"},
    Access{"permissions-render", "/dev/dri/renderD", R"(SUBSYSTEM=="drm", KERNEL=="renderD*")", "drm", "render"},
    Access{"permissions-video", "/dev/video", R"(SUBSYSTEM=="video4linux")", "video4linux", "video"},
};

/// One finding for all nodes of a kind: one rule gives them to the user.
void permissions(const Facts& facts, std::vector<Finding>& findings)
{
    for (const Access& access : accesses) {
        std::vector<std::string> paths;
        const Node* example = nullptr;
        const Node* lets_nobody = nullptr;
        for (const Node& node : facts.closed) {
            if (!node.path.starts_with(access.begins))
                continue;
            paths.push_back(node.path);
            example = example != nullptr ? example : &node;
            if (!node.group_may_open || node.group == "root")
                lets_nobody = &node;
        }
        if (example == nullptr)
            continue;
        Finding finding{Severity::warning, access.topic, join(paths, ", "), {}, {}, {}};
        finding.found = (lets_nobody != nullptr ? lets_nobody : example)->message;
        std::string group = example->group;
        if (lets_nobody != nullptr) {
            group = access.group;
            finding.commands = {
                format(R"(echo '{}, GROUP="{}", MODE="0660"' >> {})", access.match, group, rules_file),
                "udevadm control --reload",
                format("udevadm trigger --subsystem-match={} --action=change", access.subsystem),
            };
            finding.advice = format("let the group {} in by a udev rule, and add the user {} to it", group, facts.user);
            if (std::string_view(access.begins) == "/dev/dma_heap/")
                finding.advice += "; memory of dma-heaps counts towards no user's limits, so choose a trusted group";
        } else {
            finding.advice = format("add the user {} to the group {}, and log in again", facts.user, group);
        }
        finding.commands.push_back(format("usermod -aG {} {}", group, facts.user));
        findings.push_back(std::move(finding));
    }
}

void duplicates(const Facts& facts, std::vector<Finding>& findings)
{
    for (const HeapInfo& heap : facts.heaps) {
        if (!heap.same_as.empty())
            findings.push_back({Severity::note,
                                "duplicate-heap",
                                heap.path,
                                format("{} and {} are one region under two names", heap.name, heap.same_as),
                                format("write {} in programs; the other name goes with later kernels", heap.same_as),
                                {}});
    }
}

Finding cma(const Facts& facts)
{
    Finding finding{Severity::ok, "cma", "/proc/meminfo", {}, {}, {}};
    const std::uint64_t total = facts.cma_total.value_or(0);
    if (total == 0) {
        finding.severity = Severity::note;
        finding.found = "there is no contiguous memory set aside (CMA)";
        finding.advice =
            "devices that need contiguous memory get none, for example simple cameras and displays without an "
            "IOMMU: boot with cma=64M or name regions in the device tree";
        return finding;
    }
    const std::uint64_t free = facts.cma_free.value_or(0);
    finding.found = format("{} of {} are free", mib(free), mib(total));
    if (free < total / 10) {
        finding.severity = Severity::warning;
        finding.found += "; ordinary programs' pages count as free, so these are held by devices";
        finding.advice = "close programs that hold buffers, or enlarge the region (cma= on the kernel's command line)";
    }
    return finding;
}

void regions(const Facts& facts, std::vector<Finding>& findings)
{
    for (const Region& region : facts.regions) {
        Finding finding{Severity::ok, "cma-region", "/sys/kernel/mm/cma/" + region.name, {}, {}, {}};
        finding.found = region.available ? format("{} of {} are free", mib(*region.available), mib(region.total))
                                         : mib(region.total);
        if (region.available && *region.available < region.total / 10) {
            finding.severity = Severity::warning;
            finding.advice = "close programs that hold its buffers, or enlarge the region";
        } else if (region.failures > 0) {
            finding.severity = Severity::note;
            finding.found += format("; {} pages could not be allocated since the start", region.failures);
            finding.advice = "the region was full, or in pieces, at some time: enlarge it if programs failed";
        }
        findings.push_back(std::move(finding));
    }
}

Finding open_files(const Facts& facts)
{
    // A few pools of buffers with several memories, their fences and their imports.
    constexpr std::uint64_t enough = 512;
    Finding finding{Severity::ok, "open-files", "RLIMIT_NOFILE", {}, {}, {}};
    finding.found = format("a program may have {} files open", facts.open_files);
    if (facts.open_files < enough) {
        finding.severity = Severity::warning;
        finding.found += "; each memory of a buffer and each fence is one";
        finding.advice = "raise the limit (ulimit -n 1024)";
        finding.commands = {"ulimit -n 1024"};
    }
    return finding;
}

Finding debugging(const Facts& facts)
{
    if (facts.buffer_list)
        return {Severity::ok,
                "debugfs",
                "/sys/kernel/debug/dma_buf/bufinfo",
                "every dma-buf and who holds it can be listed",
                {},
                {}};
    return {Severity::note,
            "debugfs",
            "/sys/kernel/debug/dma_buf/bufinfo",
            "it cannot be read: who holds which dma-buf cannot be looked up",
            "mount debugfs as root to find a leak; the kernel needs CONFIG_DEBUG_FS",
            {"mount -t debugfs none /sys/kernel/debug"}};
}

void devices(const Facts& facts, std::vector<Finding>& findings)
{
    if (facts.devices.empty())
        findings.push_back({Severity::note,
                            "devices",
                            "/dev/video*, /dev/dri",
                            "there are no V4L2 and no DRM devices",
                            "in a container, pass the nodes in",
                            {}});
    std::vector<std::string> fine;
    for (const Device& device : facts.devices) {
        const std::string title = device.name.empty() ? device.path : format("{} ({})", device.path, device.name);
        if (device.obstacle && device.obstacle->category == Category::permission_denied)
            continue; // permissions() tells
        if (device.obstacle)
            findings.push_back({Severity::warning,
                                "device",
                                title,
                                device.obstacle->message(),
                                device.obstacle->category == Category::busy ? "end the program that has it open" : "",
                                {}});
        else if (device.imports == false)
            findings.push_back({Severity::note,
                                "device",
                                title,
                                "it cannot import dma-bufs",
                                device.kind == Device::Kind::drm
                                    ? "share the other way: its own dumb buffers are a heap"
                                    : "it cannot be a use of a plan",
                                {}});
        else
            fine.push_back(device.path);
    }
    if (!fine.empty())
        findings.push_back(
            {Severity::ok, "devices", "/dev/video*, /dev/dri", "can be asked: " + join(fine, ", "), {}, {}});
    for (const Holder& holder : facts.holders)
        findings.push_back({Severity::note,
                            "held",
                            holder.path,
                            format("process {} ({}) has it open", holder.process, holder.program),
                            "a queue or a display cannot be tried while another program owns it",
                            {}});
}

} // namespace

std::vector<Finding> diagnose(const Facts& facts)
{
    std::vector<Finding> findings{kernel_version(facts), any_heap(facts), dma_heaps(facts)};
    udmabuf(facts, findings);
    permissions(facts, findings);
    duplicates(facts, findings);
    findings.push_back(cma(facts));
    regions(facts, findings);
    findings.push_back(sync_files(facts));
    devices(facts, findings);
    findings.push_back(open_files(facts));
    findings.push_back(debugging(facts));
    std::stable_sort(findings.begin(), findings.end(),
                     [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
    return findings;
}

} // namespace allocinfo::doctor
