// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// What drm_fourcc.h and videodev2.h say of their formats, read from the text of the
/// headers themselves: codes from the #defines, the rest from the comments beside them.
namespace kernel_header {

/// A little-endian word: "[31:0] x:R:G:B 8:8:8:8".
struct Word {
    unsigned bits = 0;
    std::vector<std::string> channels; ///< from the highest bits down, without padding; Cb is U, Cr is V

    /// How many samples of its commonest channel it holds.
    unsigned samples() const;

    /// The channels in the order of memory, which begins with the lowest bits: "BGR".
    std::string in_memory() const;
    std::string in_word() const;
};

struct Subsampling {
    unsigned columns = 1;
    unsigned rows = 1;
};

struct Define {
    std::string name; ///< whole, for example "DRM_FORMAT_NV12"
    std::uint32_t code = 0;
    std::string comment; ///< behind it, on the same line
    std::string group;   ///< the last comment of its own lines before it

    /// One for packed formats, or one for each plane; empty where the header has none.
    std::vector<Word> words() const;
    std::optional<Subsampling> subsampling() const;
};

/// Every #define of the header whose value is a fourcc. Fails the running test when the
/// header cannot be read or a line that makes a code is not understood.
std::vector<Define> read_formats(const std::string& path);

/// Every #define made with fourcc_mod_code(VENDOR, number), with its value.
std::map<std::string, std::uint64_t> read_modifiers(const std::string& path);

/// Which header to read: the one that the build uses, or another one, to see what a newer
/// kernel brings: COMMONBUF_DRM_FOURCC_H, COMMONBUF_VIDEODEV2_H, COMMONBUF_VULKAN_CORE_H.
std::string drm_fourcc_h();
std::string videodev2_h();
std::string vulkan_core_h();

std::string read_file(const std::string& path);

} // namespace kernel_header
