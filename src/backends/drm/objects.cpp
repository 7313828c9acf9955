// SPDX-License-Identifier: MIT
#include "backends/drm/objects.hpp"

#include <cerrno>

namespace commonbuf::drm {

Result<std::vector<std::uint32_t>> plane_ids(const File& file)
{
    using Request = drm_mode_get_plane_res;
    std::vector<std::uint32_t> ids;
    Request request{};
    const int error = read_arrays(file, DRM_IOCTL_MODE_GETPLANERESOURCES, request,
                                  Array{ids, &Request::count_planes, &Request::plane_id_ptr});
    if (error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_MODE_GETPLANERESOURCES"));
    return ids;
}

Result<PropertyValues> property_values(const File& file, std::uint32_t object, std::uint32_t type)
{
    using Request = drm_mode_obj_get_properties;
    std::vector<std::uint32_t> ids;
    std::vector<std::uint64_t> values;
    Request request{.obj_id = object, .obj_type = type};
    PropertyValues all;
    const int error = read_arrays(file, DRM_IOCTL_MODE_OBJ_GETPROPERTIES, request,
                                  Array{ids, &Request::count_props, &Request::props_ptr},
                                  Array{values, &Request::count_props, &Request::prop_values_ptr});
    if (error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_MODE_OBJ_GETPROPERTIES"));
    for (std::size_t i = 0; i < ids.size(); ++i)
        all.emplace_back(ids[i], values[i]);
    return all;
}

std::uint64_t value_of(const DisplayObject& object, std::string_view name) noexcept
{
    const PropertyInfo* property = object.find(name);
    return property != nullptr ? property->value : 0;
}

Result<std::vector<std::byte>> read_blob(const File& file, std::uint64_t id)
{
    using Request = drm_mode_get_blob;
    std::vector<std::byte> blob;
    if (id == 0)
        return blob;
    Request request{.blob_id = static_cast<std::uint32_t>(id)};
    const int error =
        read_arrays(file, DRM_IOCTL_MODE_GETPROPBLOB, request, Array{blob, &Request::length, &Request::data});
    if (error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_MODE_GETPROPBLOB"));
    return blob;
}

Result<std::uint32_t> create_blob(const File& file, std::span<const std::byte> content)
{
    drm_mode_create_blob request{.data = reinterpret_cast<std::uintptr_t>(content.data()),
                                 .length = static_cast<std::uint32_t>(content.size())};
    if (const int error = file.ioctl(DRM_IOCTL_MODE_CREATEPROPBLOB, &request); error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_MODE_CREATEPROPBLOB"));
    return request.blob_id;
}

void destroy_blob(const File& file, std::uint32_t id) noexcept
{
    drm_mode_destroy_blob request{id};
    file.ioctl(DRM_IOCTL_MODE_DESTROYPROPBLOB, &request);
}

Error no_displays(const File& file, int error)
{
    Error result = Error::from_errno(error, file.where("DRM_IOCTL_MODE_GETRESOURCES"));
    if (error == EACCES || error == EINVAL || error == EOPNOTSUPP)
        result.detail = "the node has no displays";
    return result;
}

Result<Pipes> pipes_of(const File& file)
{
    using Request = drm_mode_card_res;
    Pipes pipes;
    Request request{};
    const int error = read_arrays(file, DRM_IOCTL_MODE_GETRESOURCES, request,
                                  Array{pipes.crtcs, &Request::count_crtcs, &Request::crtc_id_ptr},
                                  Array{pipes.connectors, &Request::count_connectors, &Request::connector_id_ptr});
    if (error != 0)
        return no_displays(file, error);
    return pipes;
}

} // namespace commonbuf::drm
