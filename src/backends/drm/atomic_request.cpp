// SPDX-License-Identifier: MIT
#include "backends/drm/atomic_request.hpp"

#include "backends/drm/objects.hpp"

#include <drm.h>
#include <drm_mode.h>

namespace commonbuf::drm {

void AtomicRequest::set(std::uint32_t object, std::uint32_t property, std::uint64_t value)
{
    if (objects_.empty() || objects_.back() != object) {
        objects_.push_back(object);
        counts_.push_back(0);
    }
    ++counts_.back();
    properties_.push_back(property);
    values_.push_back(value);
}

int AtomicRequest::commit(const File& file, std::uint32_t flags, std::uint64_t user_data)
{
    drm_mode_atomic request{};
    request.flags = flags;
    request.count_objs = static_cast<std::uint32_t>(objects_.size());
    request.objs_ptr = address(objects_);
    request.count_props_ptr = address(counts_);
    request.props_ptr = address(properties_);
    request.prop_values_ptr = address(values_);
    request.user_data = user_data;
    return file.ioctl(DRM_IOCTL_MODE_ATOMIC, &request);
}

} // namespace commonbuf::drm
