// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"
#include "base/text.hpp"

#include <commonbuf/drm/resources.hpp>
#include <commonbuf/result.hpp>

#include <drm.h>
#include <drm_mode.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The objects of a display (planes, CRTCs, connectors), their properties and blobs (drm_mode.h).
namespace commonbuf::drm {

/// The address of an array, for ioctls that take it as a number.
template <typename T>
std::uint64_t address(std::vector<T>& array)
{
    return reinterpret_cast<std::uintptr_t>(array.data());
}

/// An array that an ioctl fills, and the members of its request for length and address.
template <typename Request, typename T>
struct Array {
    std::vector<T>& values;
    __u32 Request::*length;
    __u64 Request::*pointer;
};
template <typename Request, typename T>
Array(std::vector<T>&, __u32 Request::*, __u64 Request::*) -> Array<Request, T>;

/// Asks for the lengths of the arrays, and then again with room for them. Returns 0, or a positive
/// errno value.
template <typename Request, typename... T>
int read_arrays(const File& file, unsigned long call, Request& request, Array<Request, T>... arrays)
{
    // The kernel is trusted to mean well, not to be free of bugs.
    constexpr std::uint32_t most = 65536;
    Request lengths = request;
    if (const int error = file.ioctl(call, &lengths); error != 0)
        return error;
    const auto make_room = [&](auto& array) {
        request.*array.length = std::min(lengths.*array.length, most);
        array.values.resize(request.*array.length);
        request.*array.pointer = address(array.values);
    };
    (make_room(arrays), ...);
    const int error = file.ioctl(call, &request);
    (arrays.values.resize(std::min<std::size_t>(arrays.values.size(), request.*arrays.length)), ...);
    return error;
}

/// As struct drm_mode_get_connector has it; 2 is disconnected, 3 unknown.
inline constexpr std::uint32_t connection_connected = 1;

// Numbers that Debian 12's drm.h does not have.
inline constexpr std::uint64_t client_cap_cursor_plane_hotspot = 6; ///< since Linux 6.6
inline constexpr std::uint64_t cap_atomic_async_page_flip = 0x15;   ///< since Linux 6.8

/// Ids of properties, and their values.
using PropertyValues = std::vector<std::pair<std::uint32_t, std::uint64_t>>;

/// Reads the ids and values of all properties of an object; `type` is one of DRM_MODE_OBJECT_*.
/// Errors: not_present (the object is gone), device_gone,
/// device_failed, out_of_memory.
Result<PropertyValues> property_values(const File& file, std::uint32_t object, std::uint32_t type);

/// Returns a property that was read with its object; 0 if the object has none of that name.
std::uint64_t value_of(const DisplayObject& object, std::string_view name) noexcept;

/// Reads a blob; empty for 0. Errors: not_present (the blob is gone), device_gone, device_failed,
/// out_of_memory.
Result<std::vector<std::byte>> read_blob(const File& file, std::uint64_t id);

/// Makes a blob with this content, which stays until it is destroyed or the file is closed.
Result<std::uint32_t> create_blob(const File& file, std::span<const std::byte> content);
void destroy_blob(const File& file, std::uint32_t id) noexcept;

Result<std::vector<std::uint32_t>> plane_ids(const File& file);

/// The ids of CRTCs and connectors.
struct Pipes {
    std::vector<std::uint32_t> crtcs;
    std::vector<std::uint32_t> connectors;
};
/// Errors: those of no_displays().
Result<Pipes> pipes_of(const File& file);

/// The error of DRM_IOCTL_MODE_GETRESOURCES: unsupported or permission_denied for a node without
/// displays, device_gone, device_failed, out_of_memory.
Error no_displays(const File& file, int error);

/// Lists what an object has, for an error: each name once.
template <typename List, typename Name>
std::string names_of(const List& list, Name name_of, std::string_view none = "none")
{
    std::vector<std::string> names;
    for (const auto& each : list) {
        std::string name = std::invoke(name_of, each);
        if (std::find(names.begin(), names.end(), name) == names.end())
            names.push_back(std::move(name));
    }
    return names.empty() ? std::string(none) : text::join(names, ", ");
}

} // namespace commonbuf::drm
