// SPDX-License-Identifier: MIT
#pragma once

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

/// The use that a word of the command line names: `v4l2:TARGET:capture|output`,
/// `drm:TARGET:scanout`, `vulkan:TARGET:sampled|storage|...` (several with + between) or
/// `cpu:read|write|rw`; TARGET is a path or `@name`. Opens the device.
///
/// Errors: invalid_argument without errno for a word that names no use; otherwise
/// what opening the device gives.
commonbuf::Result<commonbuf::Use> parse_use(std::string_view word);

/// A target as a name: without the "@" that marks it as one.
std::string_view without_at(std::string_view target);

#ifdef ALLOCINFO_VULKAN
/// commonbuf::vulkan::parse_image_usage() with an error. Errors: invalid_argument.
commonbuf::Result<commonbuf::vulkan::ImageUsage> gpu_usage(std::string_view words);
#endif

/// "XR24" or "XRGB8888". Errors: invalid_argument.
commonbuf::Result<commonbuf::Format> parse_format_word(std::string_view word);

/// The flags of a usage by their names; none for no words. Errors: invalid_argument.
commonbuf::Result<commonbuf::Purpose> parse_usage_words(const std::vector<std::string>& words);

/// That the command line names no use at all.
commonbuf::Error no_use();

/// Pixels.
struct Size {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
};

/// "1280x720". Errors: invalid_argument.
commonbuf::Result<Size> parse_size(std::string_view word);

/// Both, for one buffer; several formats with commas between are alternatives, the best
/// first. Errors: invalid_argument.
commonbuf::Result<commonbuf::Request> parse_image(std::string_view format, std::string_view size);

} // namespace allocinfo
