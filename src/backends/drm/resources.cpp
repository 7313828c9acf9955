// SPDX-License-Identifier: MIT
//
// Connectors, CRTCs and planes with everything that the kernel says about them.
#include "backends/drm/resources.hpp"

#include "backends/drm/objects.hpp"
#include "backends/drm/plane_formats.hpp"
#include "base/text.hpp"
#include "format/twins.hpp"

#include <xf86drmMode.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <map>

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

    /// Errors: not_present (the object is gone), device_gone, device_failed, out_of_memory.
    Status read(DisplayObject& object, std::uint32_t type)
    {
        const auto values = property_values(file_, object.id, type);
        if (!values)
            return values.error();
        for (const auto& [id, value] : *values) {
            auto known = known_.find(id);
            if (known == known_.end()) {
                auto answer = ask(id);
                if (!answer)
                    return answer.error();
                known = known_.emplace(id, std::move(*answer)).first;
            }
            object.properties.push_back(known->second);
            object.properties.back().value = value;
        }
        return {};
    }

private:
    Result<PropertyInfo> ask(std::uint32_t id) const
    {
        using Request = drm_mode_get_property;
        std::vector<std::uint64_t> values;
        std::vector<drm_mode_property_enum> names; // the kernel has none for other kinds
        Request request{.prop_id = id};
        const int error = read_arrays(file_, DRM_IOCTL_MODE_GETPROPERTY, request,
                                      Array{values, &Request::count_values, &Request::values_ptr},
                                      Array{names, &Request::count_enum_blobs, &Request::enum_blob_ptr});
        if (error != 0)
            return Error::from_errno(error, file_.where("DRM_IOCTL_MODE_GETPROPERTY"));
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
    std::map<std::uint32_t, PropertyInfo> known_;
};

Mode mode_of(const drm_mode_modeinfo& info)
{
    Mode mode;
    mode.name = text_of(info.name);
    mode.width = info.hdisplay;
    mode.height = info.vdisplay;
    mode.preferred = (info.type & DRM_MODE_TYPE_PREFERRED) != 0;
    mode.interlaced = (info.flags & DRM_MODE_FLAG_INTERLACE) != 0;
    // As drm_mode_vrefresh() of the kernel: fields count, and rows that are shown several times take
    // as long each time.
    std::uint64_t pixels = std::uint64_t{info.htotal} * info.vtotal;
    if ((info.flags & DRM_MODE_FLAG_DBLSCAN) != 0)
        pixels *= 2;
    if (info.vscan > 1)
        pixels *= info.vscan;
    constexpr std::uint64_t scale = 1000000; // the clock is in kHz
    const std::uint64_t clock = info.clock * scale * (mode.interlaced ? 2 : 1);
    if (pixels > 0)
        mode.refresh_millihertz = static_cast<std::uint32_t>((clock + pixels / 2) / pixels);
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

Result<Connector> read_connector(const File& file, std::uint32_t id, const std::vector<std::uint32_t>& crtcs,
                                 Reader& reader)
{
    using Request = drm_mode_get_connector;
    std::vector<drm_mode_modeinfo> modes;
    std::vector<std::uint32_t> encoders;
    Request answer{.connector_id = id};
    // If the file is DRM master, the driver probes the display when it is asked for the lengths.
    if (const int error = read_arrays(file, DRM_IOCTL_MODE_GETCONNECTOR, answer,
                                      Array{modes, &Request::count_modes, &Request::modes_ptr},
                                      Array{encoders, &Request::count_encoders, &Request::encoders_ptr});
        error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_MODE_GETCONNECTOR"));
    std::uint32_t possible = 0;
    for (const std::uint32_t encoder_id : encoders) {
        drm_mode_get_encoder encoder{.encoder_id = encoder_id};
        const int error = file.ioctl(DRM_IOCTL_MODE_GETENCODER, &encoder);
        if (error != 0 && error != ENOENT)
            return Error::from_errno(error, file.where("DRM_IOCTL_MODE_GETENCODER"));
        possible |= error == 0 ? encoder.possible_crtcs : 0;
    }
    Connector connector;
    connector.id = id;
    const char* type = ::drmModeGetConnectorTypeName(answer.connector_type);
    connector.name = text::format("{}-{}", type != nullptr ? type : "Unknown", answer.connector_type_id);
    connector.writeback = answer.connector_type == DRM_MODE_CONNECTOR_WRITEBACK;
    connector.connected = !connector.writeback && answer.connection == connection_connected;
    std::transform(modes.begin(), modes.end(), std::back_inserter(connector.modes), mode_of);
    connector.crtcs = chosen(possible, crtcs);
    if (Status read = reader.read(connector, DRM_MODE_OBJECT_CONNECTOR); !read)
        return read.error();
    if (connector.writeback) {
        const auto blob = read_blob(file, value_of(connector, "WRITEBACK_PIXEL_FORMATS"));
        if (!blob)
            return blob.error();
        connector.write_formats = formats_in(*blob);
    }
    return connector;
}

Result<DisplayPlane> read_plane(const File& file, std::uint32_t id, const std::vector<std::uint32_t>& crtcs,
                                Reader& reader)
{
    using Request = drm_mode_get_plane;
    std::vector<std::uint32_t> formats;
    Request answer{.plane_id = id};
    if (const int error = read_arrays(file, DRM_IOCTL_MODE_GETPLANE, answer,
                                      Array{formats, &Request::count_format_types, &Request::format_type_ptr});
        error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_MODE_GETPLANE"));
    DisplayPlane plane;
    plane.id = id;
    plane.crtcs = chosen(answer.possible_crtcs, crtcs);
    if (Status read = reader.read(plane, DRM_MODE_OBJECT_PLANE); !read)
        return read.error();
    // The numbers of enum drm_plane_type are not part of the interface; the names are.
    const PropertyInfo* type = plane.find("type");
    if (type != nullptr && type->named("Primary") == type->value)
        plane.type = PlaneType::primary;
    else if (type != nullptr && type->named("Cursor") == type->value)
        plane.type = PlaneType::cursor;
    if (Status read = read_formats(file, formats, plane); !read)
        return read.error();
    return plane;
}

Result<std::vector<DisplayPlane>> read_planes(const File& file, const std::vector<std::uint32_t>& crtcs, Reader& reader)
{
    const auto ids = plane_ids(file);
    if (!ids)
        return ids.error();
    std::vector<DisplayPlane> planes;
    for (const std::uint32_t id : *ids) {
        auto plane = read_plane(file, id, crtcs, reader);
        if (!plane)
            return plane.error();
        planes.push_back(std::move(*plane));
    }
    return planes;
}

/// Without the first two capabilities the kernel hides planes and their properties, without the
/// third writeback connectors, without the fourth the cursor planes of virtual cards. A card that
/// has no such objects refuses the last two.
Status show_everything(const File& file)
{
    constexpr std::array<std::uint64_t, 4> capabilities{DRM_CLIENT_CAP_UNIVERSAL_PLANES, DRM_CLIENT_CAP_ATOMIC,
                                                        DRM_CLIENT_CAP_WRITEBACK_CONNECTORS,
                                                        client_cap_cursor_plane_hotspot};
    for (const std::uint64_t capability : capabilities) {
        drm_set_client_cap request{capability, 1};
        const int error = file.ioctl(DRM_IOCTL_SET_CLIENT_CAP, &request);
        const bool refused = error == EINVAL || error == EOPNOTSUPP;
        if (error == 0 || (refused && capability != DRM_CLIENT_CAP_ATOMIC))
            continue;
        Error result = Error::from_errno(error, file.where("DRM_IOCTL_SET_CLIENT_CAP"));
        if (refused) {
            result.category = Category::unsupported;
            result.detail = "the driver has no atomic modesetting (DRM_CLIENT_CAP_ATOMIC)";
        }
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
    const auto lists = [&](Modifier each) {
        return std::binary_search(formats.begin(), formats.end(), FormatModifier{format, each});
    };
    return lists(modifier) || lists(without_column_height(modifier));
}

Result<std::vector<Connector>> read_writeback_connectors(const File& file)
{
    if (const Status shown = show_everything(file); !shown)
        return shown.error();
    const auto pipes = pipes_of(file);
    if (!pipes)
        return pipes.error();
    Reader reader(file);
    std::vector<Connector> found;
    for (const std::uint32_t id : pipes->connectors) {
        // With room for a mode the kernel does not probe the display, which takes long.
        drm_mode_modeinfo mode{};
        drm_mode_get_connector head{};
        head.modes_ptr = reinterpret_cast<std::uintptr_t>(&mode);
        head.connector_id = id;
        head.count_modes = 1;
        if (file.ioctl(DRM_IOCTL_MODE_GETCONNECTOR, &head) == 0 && head.connector_type != DRM_MODE_CONNECTOR_WRITEBACK)
            continue;
        auto connector = read_connector(file, id, pipes->crtcs, reader);
        if (connector && connector->writeback)
            found.push_back(std::move(*connector));
        else if (!connector && connector.error().sys_errno != ENOENT)
            return connector.error();
    }
    return found;
}

Result<std::vector<DisplayPlane>> read_planes(const File& file)
{
    const auto pipes = pipes_of(file);
    if (!pipes)
        return pipes.error();
    Reader reader(file);
    return read_planes(file, pipes->crtcs, reader);
}

Result<DisplayResources> display_resources(const Device& device) { return read_resources(*device.file()); }

Result<DisplayResources> read_resources(const File& file)
{
    if (const Status shown = show_everything(file); !shown)
        return shown.error();
    const auto pipes = pipes_of(file);
    if (!pipes)
        return pipes.error();
    Reader reader(file);
    DisplayResources all;
    for (const std::uint32_t id : pipes->connectors) {
        auto connector = read_connector(file, id, pipes->crtcs, reader);
        if (connector)
            all.connectors.push_back(std::move(*connector));
        else if (connector.error().sys_errno != ENOENT) // connectors of docks come and go
            return connector.error();
    }
    for (const std::uint32_t id : pipes->crtcs) {
        Crtc crtc;
        crtc.id = id;
        if (Status read = reader.read(crtc, DRM_MODE_OBJECT_CRTC); !read)
            return read.error();
        all.crtcs.push_back(std::move(crtc));
    }
    auto planes = read_planes(file, pipes->crtcs, reader);
    if (!planes)
        return planes.error();
    all.planes = std::move(*planes);
    return all;
}

} // namespace commonbuf::drm
