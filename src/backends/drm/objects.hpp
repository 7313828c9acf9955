// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

#include <drm_mode.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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

/// As struct drm_mode_get_connector has it; 2 is disconnected, 3 unknown.
inline constexpr std::uint32_t connection_connected = 1;

/// The ids and values of all properties of an object; `type` is one of DRM_MODE_OBJECT_*.
std::vector<std::pair<std::uint32_t, std::uint64_t>> property_values(const File& file, std::uint32_t object,
                                                                     std::uint32_t type);

/// The same by name.
Properties properties_of(const File& file, std::uint32_t object, std::uint32_t type);

Property property_of(const File& file, std::uint32_t object, std::uint32_t type, std::string_view name);

std::vector<std::uint32_t> plane_ids(const File& file);

/// The content of a blob; empty for 0 and for blobs that are gone.
std::vector<std::byte> read_blob(const File& file, std::uint64_t id);

/// A new blob with this content, which stays until it is destroyed or the file is closed.
Result<std::uint32_t> create_blob(const File& file, std::span<const std::byte> content);
void destroy_blob(const File& file, std::uint32_t id) noexcept;

/// The formats that a plane lists with their modifiers, unsorted.
std::vector<FormatModifier> plane_formats(const File& file, std::uint32_t plane);

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

/// Makes the driver look at the display where the file is master. Nothing where the connector
/// is gone.
std::optional<ConnectorAnswer> get_connector(const File& file, std::uint32_t id);

/// A bit for each CRTC that some encoder of the connector can be driven by.
std::uint32_t possible_crtcs(const File& file, const ConnectorAnswer& connector);

/// DRM_IOCTL_MODE_ATOMIC wants its values in groups, one for each object.
class AtomicRequest {
public:
    void set(std::uint32_t object, std::uint32_t property, std::uint64_t value);

    /// 0, or a positive errno value. `user_data` is for the event, where the flags ask for one.
    int commit(const File& file, std::uint32_t flags, std::uint64_t user_data = 0);

private:
    std::vector<std::uint32_t> objects_;
    std::vector<std::uint32_t> counts_;
    std::vector<std::uint32_t> properties_;
    std::vector<std::uint64_t> values_;
};

} // namespace commonbuf::drm
