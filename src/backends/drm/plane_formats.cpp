// SPDX-License-Identifier: MIT
//
// GETPLANE lists the formats of a plane. The properties IN_FORMATS and IN_FORMATS_ASYNC are blobs
// that pair formats with modifiers (struct drm_format_modifier_blob in drm_mode.h); SIZE_HINTS is one
// of sizes (struct drm_plane_size_hint).
#include "backends/drm/plane_formats.hpp"

#include "backends/drm/objects.hpp"
#include "backends/drm/resources.hpp"
#include "format/checked.hpp"
#include "os/drm_node.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

namespace commonbuf::drm {
namespace {

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

std::vector<FormatModifier> pairs_in(const std::vector<std::byte>& blob)
{
    std::vector<FormatModifier> formats;
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

Result<std::vector<FormatModifier>> listed(const File& file, const DisplayPlane& plane, std::string_view property)
{
    const auto blob = read_blob(file, value_of(plane, property));
    if (!blob)
        return blob.error();
    auto formats = pairs_in(*blob);
    std::sort(formats.begin(), formats.end());
    formats.erase(std::unique(formats.begin(), formats.end()), formats.end());
    return formats;
}

/// Returns the sizes that a cursor plane takes for sure.
Result<std::vector<ImageSize>> cursor_sizes(const File& file, const DisplayPlane& plane)
{
    struct Hint { // struct drm_plane_size_hint, which Debian 12's drm_mode.h does not have
        std::uint16_t width;
        std::uint16_t height;
    };
    const auto blob = read_blob(file, value_of(plane, "SIZE_HINTS"));
    if (!blob)
        return blob.error();
    std::vector<ImageSize> sizes;
    for (std::size_t at = 0; const auto hint = read_at<Hint>(*blob, at); at += sizeof(Hint))
        sizes.push_back({hint->width, hint->height});
    if (!sizes.empty())
        return sizes;
    // Drivers mean different things by these numbers, but promise that a cursor of this size works.
    const auto width = os::drm_capability(file.fd(), DRM_CAP_CURSOR_WIDTH, file.info().path);
    const auto height = os::drm_capability(file.fd(), DRM_CAP_CURSOR_HEIGHT, file.info().path);
    if (!width || !height)
        return width ? height.error() : width.error();
    constexpr std::uint64_t usual = 64; // of kernels that do not know the capability
    return std::vector{ImageSize{static_cast<std::uint32_t>(*width != 0 ? *width : usual),
                                 static_cast<std::uint32_t>(*height != 0 ? *height : usual)}};
}

} // namespace

Status read_formats(const File& file, const std::vector<std::uint32_t>& bare, DisplayPlane& plane)
{
    auto formats = listed(file, plane, "IN_FORMATS");
    auto async = listed(file, plane, "IN_FORMATS_ASYNC");
    if (!formats || !async)
        return formats ? async.error() : formats.error();
    plane.formats = std::move(*formats);
    plane.async_formats = std::move(*async);
    if (plane.formats.empty()) {
        for (const std::uint32_t fourcc : bare)
            plane.formats.push_back({fourcc, implicit_modifier});
        std::sort(plane.formats.begin(), plane.formats.end());
    }
    if (plane.type == PlaneType::cursor) {
        auto sizes = cursor_sizes(file, plane);
        if (!sizes)
            return sizes.error();
        plane.cursor_sizes = std::move(*sizes);
    }
    return {};
}

Result<ScanoutSupport> read_scanout_support(const File& file)
{
    // Without the first capability the kernel hides primary and cursor planes; without the second
    // it hides the cursors of virtual cards from files that have chosen atomic modesetting. Others
    // refuse it.
    for (const std::uint64_t capability :
         {std::uint64_t{DRM_CLIENT_CAP_UNIVERSAL_PLANES}, client_cap_cursor_plane_hotspot}) {
        drm_set_client_cap request{capability, 1};
        const int error = file.ioctl(DRM_IOCTL_SET_CLIENT_CAP, &request);
        if (error != 0 && error != EINVAL && error != EOPNOTSUPP)
            return Error::from_errno(error, file.where("DRM_IOCTL_SET_CLIENT_CAP"));
    }
    drm_mode_card_res resources{};
    if (const int error = file.ioctl(DRM_IOCTL_MODE_GETRESOURCES, &resources); error != 0)
        return no_displays(file, error);
    auto planes = read_planes(file);
    if (!planes)
        return planes.error();
    return ScanoutSupport{std::move(*planes), resources.max_width, resources.max_height};
}

} // namespace commonbuf::drm
