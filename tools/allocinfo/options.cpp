// SPDX-License-Identifier: MIT
#include "options.hpp"

#include "text.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace allocinfo {
namespace {

using commonbuf::text::format;
using commonbuf::text::printable;

/// What is wrong with a value; empty if nothing is. The parser takes the next word of the command line whatever it
/// is, and would pass over an empty one.
std::string wrong_with(const std::string& value)
{
    if (value.empty())
        return "it has no value";
    if (value.starts_with("-") && value != "-")
        return format("'{}' is an option and not its value; write ./{} for a file of that name", printable(value),
                      printable(value));
    return {};
}

/// The words between commas. Errors: one of them is empty.
std::vector<std::string> split_words(const std::string& name, const std::vector<std::string>& values)
{
    std::vector<std::string> words;
    for (const std::string& value : values) {
        for (std::size_t begin = 0; begin <= value.size();) {
            const std::size_t end = std::min(value.find(',', begin), value.size());
            words.push_back(value.substr(begin, end - begin));
            if (words.back().empty())
                throw CLI::ValidationError(name, "a word between commas is empty");
            begin = end + 1;
        }
    }
    return words;
}

CLI::Validator is_value()
{
    return {[](const std::string& value) { return wrong_with(value); }, "", "value"};
}

} // namespace

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
        ->check(is_value())
        ->type_name("USE");
}

void Options::use()
{
    app_.add_option("--use", words_.uses, "what the device does with the image")
        ->required()
        ->expected(1)
        ->check(is_value())
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
        ->check(is_value())
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
        ->check(is_value())
        ->type_name("HEAP");
}

void Options::flag(const char* name, bool& value, const char* purpose) { app_.add_flag(name, value, purpose); }

void Options::word(const char* names, std::string& value, const char* type, const char* purpose, Need need)
{
    app_.add_option(names, value, purpose)->required(need == must)->check(is_value())->type_name(type);
}

void Options::list(const char* name, std::vector<std::string>& value, const char* type, const char* purpose)
{
    // Split here: the parser's own way drops empty words, and takes the next word of the command line instead.
    const auto take = [name = std::string(name), &value](const std::vector<std::string>& given) {
        value = split_words(name, given);
    };
    app_.add_option_function<std::vector<std::string>>(name, take, purpose)
        ->take_all()
        ->allow_extra_args(false)
        ->check(is_value())
        ->type_name(type);
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
