// SPDX-License-Identifier: MIT
//
// GETPLANE lists the formats of a plane. The property IN_FORMATS is a blob that pairs formats with
// modifiers (struct drm_format_modifier_blob in drm_mode.h).
#include "backends/drm/plane_formats.hpp"

#include "backends/drm/blob.hpp"
#include "backends/drm/objects.hpp"

#include "format/checked.hpp"

#include <drm.h>
#include <drm_mode.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

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

/// Reads a T from a blob; nothing if it reaches past the end.
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

std::vector<FormatModifier> listed(const File& file, std::uint32_t plane, std::string_view property)
{
    std::vector<FormatModifier> formats;
    const auto blob = read_blob(file, property_of(file, plane, DRM_MODE_OBJECT_PLANE, property).value);
    const auto header = read_at<drm_format_modifier_blob>(blob, 0);
    if (!header)
        return formats;
    for (std::uint32_t i = 0; i < header->count_modifiers; ++i) {
        const auto entry = read_at<drm_format_modifier>(blob, header->modifiers_offset +
                                                                  std::uint64_t{i} * sizeof(drm_format_modifier));
        if (!entry)
            return formats;
        // Each entry covers up to 64 formats, from its offset on.
        for (std::uint64_t bits = entry->formats; bits != 0; bits &= bits - 1) {
            const auto index = entry->offset + static_cast<std::uint64_t>(std::countr_zero(bits));
            const auto fourcc = read_at<std::uint32_t>(blob, header->formats_offset + index * sizeof(std::uint32_t));
            if (fourcc && index < header->count_formats)
                formats.push_back({*fourcc, entry->modifier});
        }
    }
    return formats;
}

std::vector<FormatModifier> sorted(std::vector<FormatModifier> formats)
{
    std::sort(formats.begin(), formats.end());
    formats.erase(std::unique(formats.begin(), formats.end()), formats.end());
    return formats;
}

} // namespace

std::vector<FormatModifier> plane_formats(const File& file, std::uint32_t plane)
{
    std::vector<FormatModifier> formats = listed(file, plane, "IN_FORMATS");
    if (formats.empty()) {
        for (const std::uint32_t fourcc : bare_formats(file, plane))
            formats.push_back({fourcc, implicit_modifier});
    }
    return sorted(std::move(formats));
}

std::vector<FormatModifier> async_plane_formats(const File& file, std::uint32_t plane)
{
    return sorted(listed(file, plane, "IN_FORMATS_ASYNC"));
}

} // namespace commonbuf::drm
