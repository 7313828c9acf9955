// SPDX-License-Identifier: MIT
//
// Prints documents for validate.py: what the commands of allocinfo print with --json on a fake
// machine, and what the library writes of values by themselves. Each has a line in front that
// names the part of the schema: "# plan", "# error".
#include "commands/command.hpp"
#include "fake/machine.hpp"

#include <drm_fourcc.h>
#include <linux/videodev2.h>

#include <cerrno>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace allocinfo;

int failures = 0;

void print_as(const char* part, const std::string& json) { std::cout << "# " << part << '\n' << json << '\n'; }

void run(const Command& command, Exit expected, Words words)
{
    std::cout << "# plan\n";
    words.json = true;
    if (const Exit status = command.run(words); status != expected) {
        std::cerr << command.name << " ends with " << status << " instead of " << expected << '\n';
        ++failures;
    }
}

Words plan_words(std::vector<std::string> uses, const std::string& format = "XR24")
{
    Words words;
    words.uses = std::move(uses);
    words.format = format;
    words.size = "64x32";
    return words;
}

void plans(const std::string& costs)
{
    const std::string camera = "v4l2:@fake-cam:capture";
    const std::string display = "drm:@fakedrm:scanout";
    run(plan_command, done, plan_words({camera, display}));
    Words words = plan_words({camera, "cpu:read"});
    words.prefer = {"region"};
    words.forbid = {"udmabuf"};
    run(plan_command, done, words);
    words = plan_words({display, "cpu:rw"});
    words.cpu_costs = costs;
    run(plan_command, done, words);
    words = plan_words({});
    words.usage = {"camera-output", "cpu-read-rarely"};
    run(plan_command, done, words);
    // The display has no NV12: no layout. Nothing has room for so much: no heap.
    run(plan_command, no_heap, plan_words({"cpu:read", display}, "NV12"));
    words = plan_words({camera, display});
    words.forbid = {"region", "udmabuf", "drm-dumb", "system"};
    run(plan_command, no_heap, words);
}

void parts()
{
    using namespace commonbuf;
    const Error error =
        Error::from_errno(EFAULT, {"VIDIOC_PREPARE_BUF", "/dev/video0"}, "not contiguous").with_sizes(4096, 1024);
    print_as("error", to_json(error));
    print_as("error", to_json(Error::unsupported("plan XR24", "nobody can")));
    print_as("verdict", to_json(Verdict::refused(error)));
    print_as("verdict", to_json(Verdict::proved("DRM_IOCTL_PRIME_FD_TO_HANDLE", "mapped")));
    print_as("constraints", to_json(Constraints()));
    Layout layout = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::per_plane);
    print_as("layout", to_json(layout));
    layout.modifier = I915_FORMAT_MOD_X_TILED;
    layout.format = Format(0x01020304);
    print_as("layout", to_json(layout));
    for (const auto& heap : find_heaps())
        print_as("heap", to_json(heap->info()));
}

} // namespace

int main(int /*count*/, char** arguments)
{
    const std::string costs = std::string(arguments[0]) + "-costs.json";
    std::ofstream(costs) << R"({"schema": 2, "command": "bench-access", "heaps": [
        {"heap": "system", "bytes": 4096, "read_ns_per_mib": 90000, "write_ns_per_mib": 1, "read_bracket_ns": 0,
         "write_bracket_ns": 0, "error": null},
        {"heap": "region", "bytes": 4096, "read_ns_per_mib": 10, "write_ns_per_mib": 1, "read_bracket_ns": 0,
         "write_bracket_ns": 0, "error": null}]})";
    fake::Machine machine;
    machine.add_heap("region", {.contiguous = true});
    machine.add_heap("system");
    machine.add_heap("closed");
    machine.forbid("/dev/dma_heap/closed");
    machine.add_camera("video0", {.needs_contiguous = true, .formats = {V4L2_PIX_FMT_XBGR32}});
    machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}});
    plans(costs);
    parts();
    return failures == 0 ? 0 : 1;
}
