// SPDX-License-Identifier: MIT
#include "backends/drm/blob.hpp"

#include "backends/drm/objects.hpp"

#include <drm.h>
#include <drm_mode.h>

#include <algorithm>

namespace commonbuf::drm {

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

Result<std::uint32_t> create_blob(const File& file, std::span<const std::byte> content)
{
    drm_mode_create_blob request{};
    request.data = reinterpret_cast<std::uintptr_t>(content.data());
    request.length = static_cast<std::uint32_t>(content.size());
    if (const int error = file.ioctl(DRM_IOCTL_MODE_CREATEPROPBLOB, &request); error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_MODE_CREATEPROPBLOB"));
    return request.blob_id;
}

void destroy_blob(const File& file, std::uint32_t id) noexcept
{
    drm_mode_destroy_blob request{id};
    file.ioctl(DRM_IOCTL_MODE_DESTROYPROPBLOB, &request);
}

} // namespace commonbuf::drm
