// SPDX-License-Identifier: MIT
//
// allocinfo: which memory suits which devices on this machine, and why.
#include "commands.hpp"

#include <commonbuf/commonbuf.hpp>

#include <CLI/CLI.hpp>

#include <exception>
#include <iostream>

namespace {

using namespace allocinfo;

constexpr const char* footer = R"(Uses:
  v4l2:TARGET:capture    frames come out of a V4L2 device
  v4l2:TARGET:output     a V4L2 device reads frames
  drm:TARGET:scanout     a display shows the image
  vulkan:TARGET:ROLE     a GPU works on it; ROLE is sampled, storage,
                         color-attachment, input-attachment, transfer-source,
                         transfer-destination, or several with + between
  cpu:read|write|rw      this machine's CPU accesses the pixels
  TARGET is a path (/dev/video0, /dev/dri/renderD128) or @name
  (@vivid-000-vid-cap, @vkms, @llvmpipe); allocinfo devices lists both.

Heaps of devices, for --add-heap:
  gbm:TARGET:PURPOSE     images of GBM; scanout, render or scanout-render
  vulkan:TARGET:ROLE     memory of a Vulkan device
  v4l2:TARGET:capture|output   what a queue's driver allocates itself

Usage flags: camera-output, video-encoder, video-decoder, composer,
  cpu-read-rarely, cpu-read-often, cpu-write-rarely, cpu-write-often

Exit status: 0 done; 1 wrong usage; 2 no heap serves every use, or something
stands in the way; 3 a device cannot be used, or a file cannot be read or written.)";

int run(int count, char** words)
{
    CLI::App app("Which memory suits which devices on this machine, and why.", "allocinfo");
    app.set_version_flag("--version", "allocinfo " COMMONBUF_VERSION);
    app.require_subcommand(1);
    app.footer(footer);
    bool json = false;
    const auto add_command = [&](const char* name, const char* purpose) {
        CLI::App* command = app.add_subcommand(name, purpose);
        command->add_flag("--json", json, "print data instead of text");
        return command;
    };

    std::vector<std::string> added_heaps;
    const auto take_heaps = [&added_heaps](CLI::App* command) {
        command->add_option("--add-heap", added_heaps, "a heap of a device, beside those of the machine; once for each")
            ->take_all()
            ->allow_extra_args(false)
            ->type_name("HEAP");
    };

    CLI::App* heaps_command = add_command("heaps", "list the heaps, and what stands in the way of each");
    take_heaps(heaps_command);
    heaps_command->footer(footer);
    CLI::App* devices_command = add_command("devices", "list the V4L2, DRM and Vulkan devices");
    std::string measured_size = "1280x720";
    devices_command
        ->add_option("--size", measured_size, "with --json: the image that devices are asked about (default 1280x720)")
        ->type_name("WxH");

    CLI::App* plan_command = add_command("plan", "choose a heap and a layout that all uses accept");
    PlanOptions wanted;
    plan_command->add_option("--use", wanted.uses, "what a device does with the image; once for each use")
        ->take_all()
        ->allow_extra_args(false)
        ->type_name("USE");
    plan_command
        ->add_option("--usage", wanted.usage, "what the image is for, instead of devices: camera-output,composer")
        ->delimiter(',')
        ->take_all()
        ->allow_extra_args(false)
        ->type_name("FLAG");
    plan_command
        ->add_option("--format", wanted.format, "four characters or a name: XR24, NV12, XRGB8888; the best first")
        ->required()
        ->type_name("FOURCC[,FOURCC]");
    plan_command->add_option("--prefer", wanted.prefer, "a heap or a kind of heap that stands above others")
        ->delimiter(',')
        ->take_all()
        ->allow_extra_args(false)
        ->type_name("HEAP");
    plan_command->add_option("--forbid", wanted.forbid, "a heap or a kind of heap that must not serve")
        ->delimiter(',')
        ->take_all()
        ->allow_extra_args(false)
        ->type_name("HEAP");
    plan_command->add_option("--remember", wanted.remember, "keep verdicts in this file until the next boot")
        ->type_name("FILE");
    plan_command->add_option("--size", wanted.size, "the image in pixels: 1280x720")->required()->type_name("WxH");
    plan_command->add_option("--count", wanted.count, "how many buffers must fit at once (default 1)")->type_name("N");
    plan_command->add_option("--html", wanted.html, "also write one page to this file; - is standard output")
        ->type_name("FILE");
    const CLI::Option* costs = plan_command
                                   ->add_option("--cpu-costs", wanted.cpu_costs,
                                                "what bench-access --save wrote: where the CPU is a use, "
                                                "heaps that are cheap for it stand above others")
                                   ->type_name("FILE");
    plan_command->add_flag("--measure-cpu", wanted.measure_cpu, "the same, measured now for this size")
        ->excludes(const_cast<CLI::Option*>(costs));
    take_heaps(plan_command);
    plan_command->footer(footer);
    CLI::App* verify_command =
        add_command("verify", "plan, let every device really work in that memory, and compare the bytes");
    VerifyWords verified;
    verify_command->add_option("--use", verified.uses, "what a device does with the image; once for each use")
        ->required()
        ->take_all()
        ->allow_extra_args(false)
        ->type_name("USE");
    verify_command->add_option("--format", verified.format, "four characters or a name")
        ->required()
        ->type_name("FOURCC");
    verify_command->add_option("--size", verified.size, "the image in pixels: 1280x720")->required()->type_name("WxH");
    verify_command->add_option("--count", verified.count, "how many buffers must fit at once (default 1)")
        ->type_name("N");
    verify_command->add_option("--frames", verified.frames, "how many frames to compare (default 30)")->type_name("N");
    take_heaps(verify_command);
    verify_command->footer(footer);

    CLI::App* constraints_command = add_command("constraints", "what one device asks of the layout and the memory");
    ConstraintsOptions asked;
    constraints_command->add_option("--use", asked.use, "what the device does with the image")
        ->required()
        ->type_name("USE");
    constraints_command->add_option("--format", asked.format, "one format (default: all that the device takes)")
        ->type_name("FOURCC");
    constraints_command->add_option("--size", asked.size, "the image in pixels (default 1280x720)")->type_name("WxH");
    constraints_command->footer(footer);

    const CLI::App* doctor_command = add_command("doctor", "what is wrong on this machine, and what to do about it");

    CLI::App* bench_command = add_command("bench-access", "measure what reading and writing by CPU costs in each heap");
    BenchAccessOptions bench;
    bench_command->add_option("--size", bench.bytes, "the buffer, such as 4M (default 8M)")
        ->transform(CLI::AsSizeValue(false))
        ->type_name("BYTES");
    bench_command->add_option("--heap", bench.heaps, "only this heap, or this kind of heap")
        ->delimiter(',')
        ->take_all()
        ->allow_extra_args(false)
        ->type_name("HEAP");
    take_heaps(bench_command);
    bench_command->add_option("--save", bench.save, "also write the data to this file, for plan --cpu-costs")
        ->type_name("FILE");

    CLI::App* timeline_command = add_command("timeline", "what a trace shows: a table, or a picture with -o");
    TimelineOptions shown;
    timeline_command->add_option("FILE", shown.file, "what a program wrote under COMMONBUF_TRACE=FILE")->required();
    timeline_command->add_option("-o,--output", shown.output, "draw an SVG into this file; - is standard output")
        ->type_name("FILE");
    timeline_command->add_option("--from", shown.from, "begin there (default: at the beginning)")->type_name("MS");
    timeline_command->add_option("--to", shown.to, "end there (default: about 12 frames of a picture, all of a table)")
        ->type_name("MS");

    try {
        app.parse(count, words);
    } catch (const CLI::Success& success) {
        return app.exit(success); // --help and --version
    } catch (const CLI::ParseError& error) {
        std::cerr << "allocinfo: " << error.what() << "; see allocinfo --help\n";
        return usage;
    }
    wanted.heaps = verified.heaps = bench.added = added_heaps;
    if (heaps_command->parsed())
        return list_heaps(added_heaps, json);
    if (devices_command->parsed())
        return list_devices(measured_size, json);
    if (constraints_command->parsed())
        return run_constraints(asked, json);
    if (doctor_command->parsed())
        return run_doctor(json);
    if (verify_command->parsed())
        return run_verify(verified, json);
    if (bench_command->parsed())
        return run_bench_access(bench, json);
    if (timeline_command->parsed())
        return run_timeline(shown, json);
    return run_plan(wanted, json);
}

} // namespace

int main(int count, char** words)
{
    try {
        const int status = run(count, words);
        std::cout.flush();
        if (!std::cout) {
            std::cerr << "allocinfo: the output cannot be written\n";
            return trouble;
        }
        return status;
    } catch (const std::exception& error) {
        std::cerr << "allocinfo: " << error.what() << '\n';
        return trouble;
    }
}
