// SPDX-License-Identifier: MIT
//
// Which formats and modifiers the planes of a device show: GETPLANERESOURCES,
// GETPLANE, and the IN_FORMATS property, a blob that pairs formats with modifiers
// (struct drm_format_modifier_blob in drm_mode.h).
#include "backends/drm/file.hpp"
#include "backends/drm/objects.hpp"

#include "format/checked.hpp"

#include <drm.h>
#include <drm_mode.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace commonbuf::drm {
namespace {

std::vector<std::uint32_t> bare_formats(const File& file, std::uint32_t plane)
{
    drm_mode_get_plane request{};
    request.plane_id = plane;
    if (file.ioctl(DRM_IOCTL_MODE_GETPLANE, &request) != 0)
        return {};
    std::vector<std::uint32_t> formats(std::min(request.count_format_types, most_objects));
    request.count_format_types = static_cast<std::uint32_t>(formats.size());
    request.format_type_ptr = address(formats);
    if (file.ioctl(DRM_IOCTL_MODE_GETPLANE, &request) != 0)
        return {};
    formats.resize(std::min<std::size_t>(formats.size(), request.count_format_types));
    return formats;
}

/// Reads a T out of a blob; nothing when it goes past the end.
template <typename T>
std::optional<T> read_at(std::span<const std::byte> blob, std::uint64_t offset)
{
    const checked::Number end = checked::add(offset, sizeof(T));
    if (!end || *end > blob.size())
        return std::nullopt;
    T value{};
    std::memcpy(&value, blob.data() + offset, sizeof value);
    return value;
}

void append_in_formats(std::span<const std::byte> blob, std::vector<FormatModifier>& formats)
{
    const auto header = read_at<drm_format_modifier_blob>(blob, 0);
    if (!header)
        return;
    for (std::uint32_t i = 0; i < header->count_modifiers; ++i) {
        const auto entry = read_at<drm_format_modifier>(blob, header->modifiers_offset +
                                                                  std::uint64_t{i} * sizeof(drm_format_modifier));
        if (!entry)
            return;
        // Each entry covers up to 64 formats, from its offset on.
        for (std::uint64_t bits = entry->formats; bits != 0; bits &= bits - 1) {
            const auto index = entry->offset + static_cast<std::uint64_t>(std::countr_zero(bits));
            const auto fourcc = read_at<std::uint32_t>(blob, header->formats_offset + index * sizeof(std::uint32_t));
            if (fourcc && index < header->count_formats)
                formats.push_back({*fourcc, entry->modifier});
        }
    }
}

} // namespace

std::vector<FormatModifier> plane_formats(const File& file, std::uint32_t plane)
{
    std::vector<FormatModifier> formats;
    append_in_formats(read_blob(file, property_of(file, plane, DRM_MODE_OBJECT_PLANE, "IN_FORMATS").value), formats);
    if (formats.empty()) {
        for (const std::uint32_t fourcc : bare_formats(file, plane))
            formats.push_back({fourcc, implicit_modifier});
    }
    return formats;
}

Result<ScanoutSupport> read_scanout_support(const File& file)
{
    // Without this the kernel hides primary and cursor planes.
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
        append_in_formats(read_blob(file, property_of(file, plane, DRM_MODE_OBJECT_PLANE, "IN_FORMATS_ASYNC").value),
                          support.async_formats);
    }
    for (auto* list : {&support.formats, &support.async_formats}) {
        std::sort(list->begin(), list->end());
        list->erase(std::unique(list->begin(), list->end()), list->end());
    }
    return support;
}

} // namespace commonbuf::drm
