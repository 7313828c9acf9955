// SPDX-License-Identifier: MIT
#include "backends/drm/scanout_support.hpp"

#include "backends/drm/objects.hpp"
#include "backends/drm/plane_formats.hpp"

#include <drm.h>
#include <drm_mode.h>

#include <algorithm>

namespace commonbuf::drm {

Result<ScanoutSupport> read_scanout_support(const File& file)
{
    // Without this capability the kernel hides primary and cursor planes.
    drm_set_client_cap universal{DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1};
    file.ioctl(DRM_IOCTL_SET_CLIENT_CAP, &universal);

    drm_mode_card_res resources{};
    if (const int error = file.ioctl(DRM_IOCTL_MODE_GETRESOURCES, &resources); error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_MODE_GETRESOURCES"), "the node has no displays");
    ScanoutSupport support;
    support.max_width = resources.max_width;
    support.max_height = resources.max_height;
    for (const std::uint32_t plane : plane_ids(file)) {
        const auto formats = plane_formats(file, plane);
        support.formats.insert(support.formats.end(), formats.begin(), formats.end());
        const auto async = async_plane_formats(file, plane);
        support.async_formats.insert(support.async_formats.end(), async.begin(), async.end());
    }
    for (auto* list : {&support.formats, &support.async_formats}) {
        std::sort(list->begin(), list->end());
        list->erase(std::unique(list->begin(), list->end()), list->end());
    }
    return support;
}

} // namespace commonbuf::drm
