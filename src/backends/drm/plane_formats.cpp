// SPDX-License-Identifier: MIT
//
// GETPLANE lists the formats of a plane. The property IN_FORMATS is a blob that pairs formats with
// modifiers (struct drm_format_modifier_blob in drm_mode.h).
#include "backends/drm/plane_formats.hpp"

#include "backends/drm/objects.hpp"
#include "format/checked.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <span>

namespace commonbuf::drm {
namespace {

std::vector<std::uint32_t> bare_formats(const File& file, std::uint32_t plane)
{
    using Request = drm_mode_get_plane;
    std::vector<std::uint32_t> formats;
    Request request{.plane_id = plane};
    const int error = read_arrays(file, DRM_IOCTL_MODE_GETPLANE, request,
                                  Array{formats, &Request::count_format_types, &Request::format_type_ptr});
    return error == 0 ? formats : std::vector<std::uint32_t>();
}

/// Reads the value of a plane's property; 0 if the plane has none of that name.
std::uint64_t property_of(const File& file, std::uint32_t plane, std::string_view name)
{
    for (const auto& [id, value] : property_values(file, plane, DRM_MODE_OBJECT_PLANE)) {
        drm_mode_get_property property{.prop_id = id};
        if (file.ioctl(DRM_IOCTL_MODE_GETPROPERTY, &property) == 0 &&
            name == std::string_view(property.name, ::strnlen(property.name, sizeof property.name)))
            return value;
    }
    return 0;
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
    const auto blob = read_blob(file, property_of(file, plane, property));
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

void sort(std::vector<FormatModifier>& formats)
{
    std::sort(formats.begin(), formats.end());
    formats.erase(std::unique(formats.begin(), formats.end()), formats.end());
}

void append(std::vector<FormatModifier>& all, const std::vector<FormatModifier>& more)
{
    all.insert(all.end(), more.begin(), more.end());
}

} // namespace

std::vector<FormatModifier> plane_formats(const File& file, std::uint32_t plane)
{
    std::vector<FormatModifier> formats = listed(file, plane, "IN_FORMATS");
    if (formats.empty()) {
        for (const std::uint32_t fourcc : bare_formats(file, plane))
            formats.push_back({fourcc, implicit_modifier});
    }
    sort(formats);
    return formats;
}

Result<ScanoutSupport> read_scanout_support(const File& file)
{
    // Without this capability the kernel hides primary and cursor planes.
    drm_set_client_cap universal{DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1};
    file.ioctl(DRM_IOCTL_SET_CLIENT_CAP, &universal);

    drm_mode_card_res resources{};
    if (const int error = file.ioctl(DRM_IOCTL_MODE_GETRESOURCES, &resources); error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_MODE_GETRESOURCES"), "the node has no displays");
    ScanoutSupport support{.max_width = resources.max_width, .max_height = resources.max_height};
    for (const std::uint32_t plane : plane_ids(file)) {
        append(support.formats, plane_formats(file, plane));
        append(support.async_formats, listed(file, plane, "IN_FORMATS_ASYNC"));
    }
    sort(support.formats);
    sort(support.async_formats);
    return support;
}

} // namespace commonbuf::drm
