// SPDX-License-Identifier: MIT
#include "backends/drm/objects.hpp"

#include <drm.h>
#include <drm_mode.h>

#include <algorithm>
#include <cstring>

namespace commonbuf::drm {

std::vector<std::uint32_t> plane_ids(const File& file)
{
    drm_mode_get_plane_res request{};
    if (file.ioctl(DRM_IOCTL_MODE_GETPLANERESOURCES, &request) != 0)
        return {};
    std::vector<std::uint32_t> ids(std::min(request.count_planes, most_objects));
    request.count_planes = static_cast<std::uint32_t>(ids.size());
    request.plane_id_ptr = address(ids);
    if (file.ioctl(DRM_IOCTL_MODE_GETPLANERESOURCES, &request) != 0)
        return {};
    ids.resize(std::min<std::size_t>(ids.size(), request.count_planes));
    return ids;
}

std::vector<std::pair<std::uint32_t, std::uint64_t>> property_values(const File& file, std::uint32_t object,
                                                                     std::uint32_t type)
{
    drm_mode_obj_get_properties request{};
    request.obj_id = object;
    request.obj_type = type;
    if (file.ioctl(DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &request) != 0)
        return {};
    std::vector<std::uint32_t> ids(std::min(request.count_props, most_objects));
    std::vector<std::uint64_t> values(ids.size());
    request.count_props = static_cast<std::uint32_t>(ids.size());
    request.props_ptr = address(ids);
    request.prop_values_ptr = address(values);
    if (file.ioctl(DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &request) != 0)
        return {};
    std::vector<std::pair<std::uint32_t, std::uint64_t>> all;
    for (std::size_t i = 0; i < std::min<std::size_t>(ids.size(), request.count_props); ++i)
        all.emplace_back(ids[i], values[i]);
    return all;
}

Properties properties_of(const File& file, std::uint32_t object, std::uint32_t type)
{
    Properties properties;
    for (const auto& [id, value] : property_values(file, object, type)) {
        drm_mode_get_property property{};
        property.prop_id = id;
        if (file.ioctl(DRM_IOCTL_MODE_GETPROPERTY, &property) == 0)
            properties[{property.name, ::strnlen(property.name, sizeof property.name)}] = {id, value};
    }
    return properties;
}

Property property_of(const File& file, std::uint32_t object, std::uint32_t type, std::string_view name)
{
    const Properties all = properties_of(file, object, type);
    const auto found = all.find(name);
    return found != all.end() ? found->second : Property{};
}

Result<Pipes> pipes_of(const File& file)
{
    drm_mode_card_res counts{};
    if (const int error = file.ioctl(DRM_IOCTL_MODE_GETRESOURCES, &counts); error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_MODE_GETRESOURCES"), "the node has no displays");
    Pipes pipes;
    pipes.crtcs.resize(std::min(counts.count_crtcs, most_objects));
    pipes.connectors.resize(std::min(counts.count_connectors, most_objects));
    drm_mode_card_res request{};
    request.count_crtcs = static_cast<std::uint32_t>(pipes.crtcs.size());
    request.crtc_id_ptr = address(pipes.crtcs);
    request.count_connectors = static_cast<std::uint32_t>(pipes.connectors.size());
    request.connector_id_ptr = address(pipes.connectors);
    if (const int error = file.ioctl(DRM_IOCTL_MODE_GETRESOURCES, &request); error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_MODE_GETRESOURCES"));
    pipes.crtcs.resize(std::min<std::size_t>(pipes.crtcs.size(), request.count_crtcs));
    pipes.connectors.resize(std::min<std::size_t>(pipes.connectors.size(), request.count_connectors));
    return pipes;
}

std::optional<ConnectorAnswer> get_connector(const File& file, std::uint32_t id)
{
    // The first call makes the driver probe the display, and gives the counts.
    ConnectorAnswer connector;
    connector.info.connector_id = id;
    if (file.ioctl(DRM_IOCTL_MODE_GETCONNECTOR, &connector.info) != 0)
        return std::nullopt;
    connector.modes.resize(std::min(connector.info.count_modes, most_objects));
    connector.encoders.resize(std::min(connector.info.count_encoders, most_objects));
    drm_mode_get_connector again{};
    again.connector_id = id;
    again.count_modes = static_cast<std::uint32_t>(connector.modes.size());
    again.modes_ptr = address(connector.modes);
    again.count_encoders = static_cast<std::uint32_t>(connector.encoders.size());
    again.encoders_ptr = address(connector.encoders);
    if (file.ioctl(DRM_IOCTL_MODE_GETCONNECTOR, &again) != 0)
        return std::nullopt;
    connector.modes.resize(std::min<std::size_t>(connector.modes.size(), again.count_modes));
    connector.encoders.resize(std::min<std::size_t>(connector.encoders.size(), again.count_encoders));
    connector.info = again;
    return connector;
}

std::uint32_t possible_crtcs(const File& file, const ConnectorAnswer& connector)
{
    std::uint32_t possible = 0;
    for (const std::uint32_t id : connector.encoders) {
        drm_mode_get_encoder encoder{};
        encoder.encoder_id = id;
        if (file.ioctl(DRM_IOCTL_MODE_GETENCODER, &encoder) == 0)
            possible |= encoder.possible_crtcs;
    }
    return possible;
}

} // namespace commonbuf::drm
