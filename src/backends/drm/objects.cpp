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

Properties properties_of(const File& file, std::uint32_t object, std::uint32_t type)
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
    Properties properties;
    for (std::size_t i = 0; i < std::min<std::size_t>(ids.size(), request.count_props); ++i) {
        drm_mode_get_property property{};
        property.prop_id = ids[i];
        if (file.ioctl(DRM_IOCTL_MODE_GETPROPERTY, &property) == 0)
            properties[{property.name, ::strnlen(property.name, sizeof property.name)}] = {ids[i], values[i]};
    }
    return properties;
}

Property property_of(const File& file, std::uint32_t object, std::uint32_t type, std::string_view name)
{
    const Properties all = properties_of(file, object, type);
    const auto found = all.find(name);
    return found != all.end() ? found->second : Property{};
}

std::vector<std::byte> read_blob(const File& file, std::uint64_t id)
{
    drm_mode_get_blob request{};
    request.blob_id = static_cast<std::uint32_t>(id);
    if (id == 0 || file.ioctl(DRM_IOCTL_MODE_GETPROPBLOB, &request) != 0)
        return {};
    std::vector<std::byte> blob(std::min(request.length, most_objects));
    request.length = static_cast<std::uint32_t>(blob.size());
    request.data = address(blob);
    if (file.ioctl(DRM_IOCTL_MODE_GETPROPBLOB, &request) != 0)
        return {};
    return blob;
}

} // namespace commonbuf::drm
