// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

#include <drm_mode.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The objects of a display (planes, CRTCs, connectors) and their properties (drm_mode.h).
namespace commonbuf::drm {

/// The most that is allocated for a count that the kernel gives: it is trusted to mean well, not
/// to be free of bugs.
inline constexpr std::uint32_t most_objects = 65536;

/// The address of an array, for ioctls that take it as a number.
template <typename T>
std::uint64_t address(std::vector<T>& array)
{
    return reinterpret_cast<std::uintptr_t>(array.data());
}

struct Property {
    std::uint32_t id = 0; ///< 0 if the object has no property of that name
    std::uint64_t value = 0;
};

using Properties = std::map<std::string, Property, std::less<>>;

/// As struct drm_mode_get_connector has it; 2 is disconnected, 3 unknown.
inline constexpr std::uint32_t connection_connected = 1;

/// Reads the ids and values of all properties of an object; `type` is one of DRM_MODE_OBJECT_*.
std::vector<std::pair<std::uint32_t, std::uint64_t>> property_values(const File& file, std::uint32_t object,
                                                                     std::uint32_t type);

/// Reads them by name.
Properties properties_of(const File& file, std::uint32_t object, std::uint32_t type);

Property property_of(const File& file, std::uint32_t object, std::uint32_t type, std::string_view name);

std::vector<std::uint32_t> plane_ids(const File& file);

/// The ids of CRTCs and connectors.
struct Pipes {
    std::vector<std::uint32_t> crtcs;
    std::vector<std::uint32_t> connectors;
};
Result<Pipes> pipes_of(const File& file);

struct ConnectorAnswer {
    drm_mode_get_connector info{};
    std::vector<drm_mode_modeinfo> modes;
    std::vector<std::uint32_t> encoders;
};

/// Reads a connector; nothing if it is gone. If the file is DRM master, the driver probes the
/// display first.
std::optional<ConnectorAnswer> get_connector(const File& file, std::uint32_t id);

/// Returns a bit for each CRTC that can drive some encoder of the connector.
std::uint32_t possible_crtcs(const File& file, const ConnectorAnswer& connector);

} // namespace commonbuf::drm
