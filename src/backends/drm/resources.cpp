// SPDX-License-Identifier: MIT
//
// Connectors, CRTCs and planes with everything that the kernel says about them.
#include <commonbuf/drm/resources.hpp>

#include "backends/drm/objects.hpp"
#include "backends/drm/plane_formats.hpp"
#include "base/text.hpp"

#include <xf86drmMode.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <map>
#include <optional>

namespace commonbuf::drm {
namespace {

/// Text from the fixed arrays that hold the names of properties and values.
template <typename Array>
std::string text_of(const Array& name)
{
    return {std::data(name), ::strnlen(std::data(name), std::size(name))};
}

PropertyKind kind_of(std::uint32_t flags)
{
    switch (flags & (DRM_MODE_PROP_LEGACY_TYPE | DRM_MODE_PROP_EXTENDED_TYPE)) {
    case DRM_MODE_PROP_OBJECT: return PropertyKind::object;
    case DRM_MODE_PROP_SIGNED_RANGE: return PropertyKind::signed_range;
    case DRM_MODE_PROP_ENUM: return PropertyKind::enumeration;
    case DRM_MODE_PROP_BITMASK: return PropertyKind::bitmask;
    case DRM_MODE_PROP_BLOB: return PropertyKind::blob;
    default: return PropertyKind::range;
    }
}

/// Reads properties. Objects share them, so it asks for each description once.
class Reader {
public:
    explicit Reader(const File& file) : file_(file) {}

    void read(DisplayObject& object, std::uint32_t type)
    {
        for (const auto& [id, value] : property_values(file_, object.id, type)) {
            if (PropertyInfo* known = describe(id); known != nullptr) {
                object.properties.push_back(*known);
                object.properties.back().value = value;
            }
        }
    }

private:
    PropertyInfo* describe(std::uint32_t id)
    {
        const auto [place, fresh] = known_.try_emplace(id);
        if (fresh)
            place->second = ask(id);
        return place->second ? &*place->second : nullptr;
    }

    std::optional<PropertyInfo> ask(std::uint32_t id) const
    {
        using Request = drm_mode_get_property;
        std::vector<std::uint64_t> values;
        std::vector<drm_mode_property_enum> names; // the kernel has none for other kinds
        Request request{.prop_id = id};
        if (read_arrays(file_, DRM_IOCTL_MODE_GETPROPERTY, request,
                        Array{values, &Request::count_values, &Request::values_ptr},
                        Array{names, &Request::count_enum_blobs, &Request::enum_blob_ptr}) != 0)
            return std::nullopt;
        PropertyInfo info{.name = text_of(request.name),
                          .id = id,
                          .kind = kind_of(request.flags),
                          .immutable = (request.flags & DRM_MODE_PROP_IMMUTABLE) != 0};
        if (values.size() >= 2) {
            info.min = values[0];
            info.max = values[1];
        }
        for (const auto& entry : names)
            info.names.emplace_back(text_of(entry.name), entry.value);
        return info;
    }

    const File& file_;
    std::map<std::uint32_t, std::optional<PropertyInfo>> known_;
};

Mode mode_of(const drm_mode_modeinfo& info)
{
    Mode mode;
    mode.name = text_of(info.name);
    mode.width = info.hdisplay;
    mode.height = info.vdisplay;
    mode.preferred = (info.type & DRM_MODE_TYPE_PREFERRED) != 0;
    const std::uint64_t pixels = std::uint64_t{info.htotal} * info.vtotal;
    constexpr std::uint64_t scale = 1000000; // the clock is in kHz
    if (pixels > 0)
        mode.refresh_millihertz = static_cast<std::uint32_t>((info.clock * scale + pixels / 2) / pixels);
    static_assert(sizeof info == sizeof mode.timings);
    std::memcpy(mode.timings.data(), &info, sizeof info);
    return mode;
}

std::vector<std::uint32_t> chosen(std::uint32_t bits, const std::vector<std::uint32_t>& crtcs)
{
    std::vector<std::uint32_t> result;
    for (std::size_t i = 0; i < std::min<std::size_t>(crtcs.size(), 32); ++i) {
        if ((bits >> i & 1U) != 0)
            result.push_back(crtcs[i]);
    }
    return result;
}

std::vector<Format> formats_in(const std::vector<std::byte>& blob)
{
    std::vector<std::uint32_t> codes(blob.size() / sizeof(std::uint32_t));
    std::copy_n(blob.begin(), codes.size() * sizeof(std::uint32_t), std::as_writable_bytes(std::span(codes)).begin());
    return {codes.begin(), codes.end()};
}

std::optional<Connector> read_connector(const File& file, std::uint32_t id, const std::vector<std::uint32_t>& crtcs,
                                        Reader& reader)
{
    using Request = drm_mode_get_connector;
    std::vector<drm_mode_modeinfo> modes;
    std::vector<std::uint32_t> encoders;
    Request answer{.connector_id = id};
    // If the file is DRM master, the driver probes the display when it is asked for the lengths.
    if (read_arrays(file, DRM_IOCTL_MODE_GETCONNECTOR, answer, Array{modes, &Request::count_modes, &Request::modes_ptr},
                    Array{encoders, &Request::count_encoders, &Request::encoders_ptr}) != 0)
        return std::nullopt;
    std::uint32_t possible = 0;
    for (const std::uint32_t encoder_id : encoders) {
        drm_mode_get_encoder encoder{.encoder_id = encoder_id};
        if (file.ioctl(DRM_IOCTL_MODE_GETENCODER, &encoder) == 0)
            possible |= encoder.possible_crtcs;
    }
    Connector connector;
    connector.id = id;
    const char* type = ::drmModeGetConnectorTypeName(answer.connector_type);
    connector.name = text::format("{}-{}", type != nullptr ? type : "Unknown", answer.connector_type_id);
    connector.writeback = answer.connector_type == DRM_MODE_CONNECTOR_WRITEBACK;
    connector.connected = !connector.writeback && answer.connection == connection_connected;
    std::transform(modes.begin(), modes.end(), std::back_inserter(connector.modes), mode_of);
    connector.crtcs = chosen(possible, crtcs);
    reader.read(connector, DRM_MODE_OBJECT_CONNECTOR);
    if (connector.writeback)
        connector.write_formats = formats_in(read_blob(file, value_of(connector, "WRITEBACK_PIXEL_FORMATS")));
    return connector;
}

std::optional<DisplayPlane> read_plane(const File& file, std::uint32_t id, const std::vector<std::uint32_t>& crtcs,
                                       Reader& reader)
{
    drm_mode_get_plane answer{.plane_id = id};
    if (file.ioctl(DRM_IOCTL_MODE_GETPLANE, &answer) != 0)
        return std::nullopt;
    DisplayPlane plane;
    plane.id = id;
    plane.crtcs = chosen(answer.possible_crtcs, crtcs);
    reader.read(plane, DRM_MODE_OBJECT_PLANE);
    // The numbers of enum drm_plane_type are not part of the interface; the names are.
    const PropertyInfo* type = plane.find("type");
    if (type != nullptr && type->named("Primary") == type->value)
        plane.type = PlaneType::primary;
    else if (type != nullptr && type->named("Cursor") == type->value)
        plane.type = PlaneType::cursor;
    plane.formats = plane_formats(file, id);
    return plane;
}

/// Without the first two capabilities the kernel hides planes and their properties, without the
/// third writeback connectors. A card that has none of those refuses the third.
Status show_everything(const File& file)
{
    constexpr std::array<std::uint64_t, 3> capabilities{DRM_CLIENT_CAP_UNIVERSAL_PLANES, DRM_CLIENT_CAP_ATOMIC,
                                                        DRM_CLIENT_CAP_WRITEBACK_CONNECTORS};
    for (const std::uint64_t capability : capabilities) {
        drm_set_client_cap request{capability, 1};
        const int error = file.ioctl(DRM_IOCTL_SET_CLIENT_CAP, &request);
        if (error == 0 || capability != DRM_CLIENT_CAP_ATOMIC)
            continue;
        Error result = Error::from_errno(error, file.where("DRM_IOCTL_SET_CLIENT_CAP"),
                                         "the driver has no atomic modesetting (DRM_CLIENT_CAP_ATOMIC)");
        if (result.category != Category::device_gone)
            result.category = Category::unsupported;
        return result;
    }
    return {};
}

} // namespace

const PropertyInfo* DisplayObject::find(std::string_view name) const noexcept
{
    const auto found = std::find_if(properties.begin(), properties.end(),
                                    [&](const PropertyInfo& property) { return property.name == name; });
    return found != properties.end() ? &*found : nullptr;
}

std::string_view to_string(PlaneType type) noexcept
{
    switch (type) {
    case PlaneType::primary: return "primary";
    case PlaneType::overlay: return "overlay";
    case PlaneType::cursor: break;
    }
    return "cursor";
}

bool DisplayPlane::shows(Format format, Modifier modifier) const noexcept
{
    return std::binary_search(formats.begin(), formats.end(), FormatModifier{format, modifier});
}

Result<DisplayResources> display_resources(const Device& device)
{
    const File& file = *device.file();
    if (const Status shown = show_everything(file); !shown)
        return shown.error();
    const auto pipes = pipes_of(file);
    if (!pipes)
        return pipes.error();
    Reader reader(file);
    DisplayResources all;
    for (const std::uint32_t id : pipes->connectors) {
        if (auto connector = read_connector(file, id, pipes->crtcs, reader))
            all.connectors.push_back(std::move(*connector));
    }
    for (const std::uint32_t id : pipes->crtcs) {
        all.crtcs.emplace_back().id = id;
        reader.read(all.crtcs.back(), DRM_MODE_OBJECT_CRTC);
    }
    for (const std::uint32_t id : plane_ids(file)) {
        if (auto plane = read_plane(file, id, pipes->crtcs, reader))
            all.planes.push_back(std::move(*plane));
    }
    return all;
}

} // namespace commonbuf::drm
