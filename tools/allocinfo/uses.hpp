// SPDX-License-Identifier: MIT
#pragma once

#include "problem.hpp"
#include "words.hpp"

#include <commonbuf/commonbuf.hpp>
#ifdef ALLOCINFO_VULKAN
#include <commonbuf/vulkan.hpp>
#endif

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace allocinfo {

/// Opens the device that a word of the command line names, and gives its use. The word is
/// `v4l2:TARGET:capture|output`, `drm:TARGET:scanout|async-scanout|overlay|cursor|writeback|plane=ID`,
/// `vulkan:TARGET:sampled|storage|...` (several with + between) or `cpu:read|write|rw`; TARGET is a path or `@name`.
///
/// Errors: usage for a word that names no use; trouble for a device that cannot be opened.
Expected<commonbuf::Use> parse_use(std::string_view word);

/// The same for several words.
Expected<std::vector<commonbuf::Use>> parse_uses(const std::vector<std::string>& words);

/// Removes the "@" that marks a target as a name.
std::string_view without_at(std::string_view target);

#ifdef ALLOCINFO_VULKAN
/// commonbuf::vulkan::parse_image_usage() with an error. Errors: usage.
Expected<commonbuf::vulkan::ImageUsage> gpu_usage(std::string_view words);
#endif

/// Reads "XR24" or "XRGB8888". Errors: usage.
Expected<commonbuf::Format> parse_format_word(std::string_view word);

/// The flags of a usage by their names; none for no words. Errors: usage.
Expected<commonbuf::Purpose> parse_usage_words(const std::vector<std::string>& words);

/// Pixels.
struct Size {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
};

/// Reads "1280x720". Errors: usage.
Expected<Size> parse_size(std::string_view word);

/// Reads both, for one buffer. Several formats with commas between are alternatives, the best
/// first. Errors: usage.
Expected<commonbuf::Request> parse_image(std::string_view names, std::string_view size);

} // namespace allocinfo
