// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <CLI/CLI.hpp>

namespace allocinfo {

const char* const words_help = R"(Uses:
  v4l2:TARGET:capture    a V4L2 device writes frames
  v4l2:TARGET:output     a V4L2 device reads frames
  drm:TARGET:scanout     a display shows the image on its primary plane
  drm:TARGET:ROLE        ROLE is overlay or cursor (another type of plane),
                         plane=ID (one plane), async-scanout or async-plane=ID
                         (flips that do not wait for vblank), or writeback (a
                         display writes what it shows)
  vulkan:TARGET:ROLE     a GPU works on it; ROLE is sampled, storage,
                         color-attachment, input-attachment, transfer-source,
                         transfer-destination, or several with + between
  cpu:read|write|rw      the CPU accesses the pixels
  TARGET is a path (/dev/video0, /dev/dri/renderD128) or @name
  (@vivid-000-vid-cap, @vkms, @llvmpipe); allocinfo devices lists both.

Heaps of devices, for --add-heap:
  gbm:TARGET:PURPOSE     images of GBM; PURPOSE is scanout, render or scanout-render
  vulkan:TARGET:ROLE     memory of a Vulkan device
  v4l2:TARGET:capture|output   memory that the driver of a queue allocates

Usage flags: camera-output, video-encoder, video-decoder, composer,
  cpu-read-rarely, cpu-read-often, cpu-write-rarely, cpu-write-often

Exit status: 0 success; 1 wrong usage; 2 no heap serves every use, or something
stands in the way; 3 a device cannot be used, or a file cannot be read or written.)";

void Options::uses(Need need)
{
    app_.add_option("--use", words_.uses, "what a device does with the image; repeat it for each use")
        ->required(need == must)
        ->take_all()
        ->allow_extra_args(false)
        ->type_name("USE");
}

void Options::use()
{
    app_.add_option("--use", words_.uses, "what the device does with the image")
        ->required()
        ->expected(1)
        ->type_name("USE");
}

void Options::usage()
{
    list("--usage", words_.usage, "FLAG", "what the image is for, in place of devices: camera-output,composer");
}

void Options::formats()
{
    app_.add_option("--format", words_.format, "four characters or a name: XR24, NV12, XRGB8888; the best first")
        ->required()
        ->type_name("FOURCC[,FOURCC]");
}

void Options::format(Need need, const char* purpose) { word("--format", words_.format, "FOURCC", purpose, need); }

void Options::size(Need need, const char* purpose) { word("--size", words_.size, "WxH", purpose, need); }

void Options::count() { number("--count", words_.count, "how many buffers must fit at once (default 1)"); }

void Options::added_heaps()
{
    app_.add_option("--add-heap", words_.added_heaps,
                    "a heap of a device, beside those of the machine; repeat it for each heap")
        ->take_all()
        ->allow_extra_args(false)
        ->type_name("HEAP");
}

void Options::flag(const char* name, bool& value, const char* purpose) { app_.add_flag(name, value, purpose); }

void Options::word(const char* names, std::string& value, const char* type, const char* purpose, Need need)
{
    app_.add_option(names, value, purpose)->required(need == must)->type_name(type);
}

void Options::list(const char* name, std::vector<std::string>& value, const char* type, const char* purpose)
{
    app_.add_option(name, value, purpose)->delimiter(',')->take_all()->allow_extra_args(false)->type_name(type);
}

void Options::number(const char* name, std::uint32_t& value, const char* purpose)
{
    app_.add_option(name, value, purpose)->type_name("N");
}

void Options::bytes(const char* name, std::uint64_t& value, const char* purpose)
{
    app_.add_option(name, value, purpose)->transform(CLI::AsSizeValue(false))->type_name("BYTES");
}

void Options::milliseconds(const char* name, std::optional<double>& value, const char* purpose)
{
    app_.add_option(name, value, purpose)->type_name("MS");
}

void Options::only_one(const char* name, const char* other) { app_.get_option(name)->excludes(app_.get_option(other)); }

void Options::explain_words() { app_.footer(words_help); }

} // namespace allocinfo
