// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// The objects of a display (planes, CRTCs, connectors) and their properties (drm_mode.h).
namespace commonbuf::drm {

/// A kernel's count that we are about to allocate for. The kernel is trusted to mean
/// well, not to be free of bugs.
inline constexpr std::uint32_t most_objects = 65536;

/// An array of T for an ioctl that takes its address as a number.
template <typename T>
std::uint64_t address(std::vector<T>& array)
{
    return reinterpret_cast<std::uintptr_t>(array.data());
}

struct Property {
    std::uint32_t id = 0; ///< 0 where the object has none of that name
    std::uint64_t value = 0;
};

using Properties = std::map<std::string, Property, std::less<>>;

/// All properties of an object; `type` is one of DRM_MODE_OBJECT_*.
Properties properties_of(const File& file, std::uint32_t object, std::uint32_t type);

Property property_of(const File& file, std::uint32_t object, std::uint32_t type, std::string_view name);

std::vector<std::uint32_t> plane_ids(const File& file);

/// The content of a blob; empty for 0 and for blobs that are gone.
std::vector<std::byte> read_blob(const File& file, std::uint64_t id);

} // namespace commonbuf::drm
