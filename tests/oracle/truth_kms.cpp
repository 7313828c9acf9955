// SPDX-License-Identifier: MIT
#include "truth_kms.hpp"

#include <drm.h>
#include <drm_fourcc.h>
#include <drm_mode.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

namespace truth {
namespace {

std::uint64_t address(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

struct Connector {
    drm_mode_get_connector info{};
    std::vector<std::uint32_t> encoders;
};

Connector read_connector(int fd, std::uint32_t id)
{
    Connector connector;
    connector.info.connector_id = id;
    call(fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector.info, "DRM_IOCTL_MODE_GETCONNECTOR");
    connector.encoders.resize(connector.info.count_encoders);
    drm_mode_get_connector again{};
    again.connector_id = id;
    again.count_encoders = connector.info.count_encoders;
    again.encoders_ptr = address(connector.encoders.data());
    drm_mode_modeinfo mode{}; // one mode: asking for none would look for all of them again
    again.count_modes = 1;
    again.modes_ptr = address(&mode);
    call(fd, DRM_IOCTL_MODE_GETCONNECTOR, &again, "DRM_IOCTL_MODE_GETCONNECTOR");
    return connector;
}

/// A CRTC for each bit.
std::uint32_t possible_crtcs(int fd, const Connector& connector)
{
    std::uint32_t bits = 0;
    for (const std::uint32_t id : connector.encoders) {
        drm_mode_get_encoder encoder{};
        encoder.encoder_id = id;
        if (attempt(fd, DRM_IOCTL_MODE_GETENCODER, &encoder) == 0)
            bits |= encoder.possible_crtcs;
    }
    return bits;
}

} // namespace

Card::Card(const std::string& path, std::uint32_t fourcc) : path_(path), fd_(open_node(path))
{
    for (const __u64 name : {__u64{DRM_CLIENT_CAP_UNIVERSAL_PLANES}, __u64{DRM_CLIENT_CAP_ATOMIC},
                             __u64{DRM_CLIENT_CAP_WRITEBACK_CONNECTORS}}) {
        drm_set_client_cap capability{name, 1};
        attempt(fd(), DRM_IOCTL_SET_CLIENT_CAP, &capability);
    }
    attempt(fd(), DRM_IOCTL_SET_MASTER, nullptr);
    drm_get_cap capability{DRM_CAP_ADDFB2_MODIFIERS, 0};
    modifiers_ = attempt(fd(), DRM_IOCTL_GET_CAP, &capability) == 0 && capability.value != 0;

    drm_mode_card_res counts{};
    call(fd(), DRM_IOCTL_MODE_GETRESOURCES, &counts, "DRM_IOCTL_MODE_GETRESOURCES on " + path_);
    std::vector<std::uint32_t> crtcs(counts.count_crtcs);
    std::vector<std::uint32_t> connectors(counts.count_connectors);
    drm_mode_card_res resources{};
    resources.count_crtcs = counts.count_crtcs;
    resources.crtc_id_ptr = address(crtcs.data());
    resources.count_connectors = counts.count_connectors;
    resources.connector_id_ptr = address(connectors.data());
    call(fd(), DRM_IOCTL_MODE_GETRESOURCES, &resources, "DRM_IOCTL_MODE_GETRESOURCES on " + path_);
    find_connectors(crtcs, connectors);
    find_plane(fourcc);
}

KmsObject Card::object(std::uint32_t id, std::uint32_t type) const
{
    drm_mode_obj_get_properties counts{};
    counts.obj_id = id;
    counts.obj_type = type;
    call(fd(), DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &counts, "DRM_IOCTL_MODE_OBJ_GETPROPERTIES");
    std::vector<std::uint32_t> ids(counts.count_props);
    std::vector<std::uint64_t> values(counts.count_props);
    counts.props_ptr = address(ids.data());
    counts.prop_values_ptr = address(values.data());
    call(fd(), DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &counts, "DRM_IOCTL_MODE_OBJ_GETPROPERTIES");
    KmsObject result;
    result.id = id;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        drm_mode_get_property property{};
        property.prop_id = ids[i];
        if (attempt(fd(), DRM_IOCTL_MODE_GETPROPERTY, &property) != 0)
            continue;
        result.properties[property.name] = ids[i];
        result.values[property.name] = values[i];
    }
    return result;
}

void Card::find_connectors(const std::vector<std::uint32_t>& crtcs, const std::vector<std::uint32_t>& connectors)
{
    constexpr std::uint32_t connected = 1; // drm_connector.h
    std::vector<Connector> writebacks;
    std::uint32_t crtc = 0;
    for (const std::uint32_t id : connectors) {
        Connector connector = read_connector(fd(), id);
        if (connector.info.connector_type == DRM_MODE_CONNECTOR_WRITEBACK) {
            writebacks.push_back(std::move(connector));
            continue;
        }
        const std::uint32_t bits = possible_crtcs(fd(), connector);
        if (connector_.id != 0 || connector.info.connection != connected || bits == 0)
            continue;
        for (crtc = 0; (bits >> crtc & 1U) == 0;)
            ++crtc;
        connector_ = object(id, DRM_MODE_OBJECT_CONNECTOR);
    }
    if (connector_.id == 0 || crtc >= crtcs.size())
        throw Unknowable(path_ + " has no display");
    crtc_bit_ = 1U << crtc;
    crtc_ = object(crtcs[crtc], DRM_MODE_OBJECT_CRTC);
    for (const Connector& connector : writebacks) {
        if (writeback_.id == 0 && (possible_crtcs(fd(), connector) & crtc_bit_) != 0)
            writeback_ = object(connector.info.connector_id, DRM_MODE_OBJECT_CONNECTOR);
    }
}

void Card::find_plane(std::uint32_t fourcc)
{
    drm_mode_get_plane_res counts{};
    call(fd(), DRM_IOCTL_MODE_GETPLANERESOURCES, &counts, "DRM_IOCTL_MODE_GETPLANERESOURCES on " + path_);
    std::vector<std::uint32_t> planes(counts.count_planes);
    counts.plane_id_ptr = address(planes.data());
    call(fd(), DRM_IOCTL_MODE_GETPLANERESOURCES, &counts, "DRM_IOCTL_MODE_GETPLANERESOURCES on " + path_);
    constexpr std::uint64_t cursor = 2; // drm_plane.h: overlay, primary, cursor
    constexpr std::uint64_t primary = 1;
    for (const std::uint32_t id : planes) {
        drm_mode_get_plane info{};
        info.plane_id = id;
        call(fd(), DRM_IOCTL_MODE_GETPLANE, &info, "DRM_IOCTL_MODE_GETPLANE on " + path_);
        std::vector<std::uint32_t> formats(info.count_format_types);
        info.format_type_ptr = address(formats.data());
        call(fd(), DRM_IOCTL_MODE_GETPLANE, &info, "DRM_IOCTL_MODE_GETPLANE on " + path_);
        if ((info.possible_crtcs & crtc_bit_) == 0 ||
            std::find(formats.begin(), formats.end(), fourcc) == formats.end())
            continue;
        KmsObject plane = object(id, DRM_MODE_OBJECT_PLANE);
        const std::uint64_t type = plane.values["type"];
        if (type != cursor && (plane_.id == 0 || type == primary))
            plane_ = std::move(plane);
    }
    if (plane_.id == 0)
        throw Refused("no plane of " + path_ + " shows " + letters(fourcc));
}

std::uint32_t Card::add_framebuffer(const Layout& layout, const std::vector<std::uint32_t>& handles) const
{
    drm_mode_fb_cmd2 request{};
    request.width = layout.width;
    request.height = layout.height;
    request.pixel_format = layout.fourcc;
    request.flags = modifiers_ ? DRM_MODE_FB_MODIFIERS : 0;
    constexpr std::size_t most = 4;
    for (std::size_t i = 0; i < layout.planes.size() && i < most; ++i) {
        const Plane& plane = layout.planes[i];
        if (plane.offset > UINT32_MAX)
            throw Refused("a framebuffer's planes begin below 4 GiB");
        request.handles[i] = handles[plane.memory];
        request.pitches[i] = plane.stride;
        request.offsets[i] = static_cast<std::uint32_t>(plane.offset);
        request.modifier[i] = modifiers_ ? layout.modifier : 0;
    }
    call(fd(), DRM_IOCTL_MODE_ADDFB2, &request, "DRM_IOCTL_MODE_ADDFB2 on " + path_);
    return request.fb_id;
}

void Card::remove_framebuffer(std::uint32_t id) const { attempt(fd(), DRM_IOCTL_MODE_RMFB, &id); }

std::uint32_t Card::make_mode(std::uint32_t width, std::uint32_t height) const
{
    // Of the picture's own size, and fast: no wire hangs on a virtual display.
    constexpr std::uint32_t blank = 32;
    constexpr std::uint32_t rate = 240;
    drm_mode_modeinfo mode{};
    mode.hdisplay = static_cast<std::uint16_t>(width);
    mode.hsync_start = static_cast<std::uint16_t>(width + blank / 4);
    mode.hsync_end = static_cast<std::uint16_t>(width + blank / 2);
    mode.htotal = static_cast<std::uint16_t>(width + blank);
    mode.vdisplay = static_cast<std::uint16_t>(height);
    mode.vsync_start = static_cast<std::uint16_t>(height + blank / 4);
    mode.vsync_end = static_cast<std::uint16_t>(height + blank / 2);
    mode.vtotal = static_cast<std::uint16_t>(height + blank);
    mode.vrefresh = rate;
    mode.clock = std::uint32_t{mode.htotal} * mode.vtotal / 1000 * rate + rate; // kHz
    mode.type = DRM_MODE_TYPE_USERDEF;
    drm_mode_create_blob blob{address(&mode), sizeof mode, 0};
    call(fd(), DRM_IOCTL_MODE_CREATEPROPBLOB, &blob, "DRM_IOCTL_MODE_CREATEPROPBLOB on " + path_);
    return blob.blob_id;
}

void Card::commit(const std::vector<Change>& changes, std::uint32_t flags) const
{
    std::vector<std::uint32_t> objects;
    std::vector<std::uint32_t> counts;
    std::vector<std::uint32_t> properties;
    std::vector<std::uint64_t> values;
    for (const Change& change : changes) {
        const auto found = change.object.properties.find(change.property);
        if (found == change.object.properties.end())
            throw Unknowable(path_ + " has no property " + change.property);
        if (objects.empty() || objects.back() != change.object.id) {
            objects.push_back(change.object.id);
            counts.push_back(0);
        }
        ++counts.back();
        properties.push_back(found->second);
        values.push_back(change.value);
    }
    drm_mode_atomic request{};
    request.flags = flags;
    request.count_objs = static_cast<std::uint32_t>(objects.size());
    request.objs_ptr = address(objects.data());
    request.count_props_ptr = address(counts.data());
    request.props_ptr = address(properties.data());
    request.prop_values_ptr = address(values.data());
    call(fd(), DRM_IOCTL_MODE_ATOMIC, &request, "DRM_IOCTL_MODE_ATOMIC on " + path_);
}

void Card::show(std::uint32_t framebuffer, std::uint32_t width, std::uint32_t height, std::uint32_t written)
{
    constexpr unsigned fixed_point = 16;
    std::vector<Change> changes{
        {plane_, "FB_ID", framebuffer},
        {plane_, "CRTC_ID", crtc_.id},
        {plane_, "SRC_X", 0},
        {plane_, "SRC_Y", 0},
        {plane_, "SRC_W", std::uint64_t{width} << fixed_point},
        {plane_, "SRC_H", std::uint64_t{height} << fixed_point},
        {plane_, "CRTC_X", 0},
        {plane_, "CRTC_Y", 0},
        {plane_, "CRTC_W", width},
        {plane_, "CRTC_H", height},
    };
    std::int32_t fence = -1;
    if (!lit_) {
        changes.push_back({crtc_, "MODE_ID", make_mode(width, height)});
        changes.push_back({crtc_, "ACTIVE", 1});
        changes.push_back({connector_, "CRTC_ID", crtc_.id});
    }
    if (written != 0) {
        std::this_thread::sleep_until(settled_);
        changes.push_back({writeback_, "CRTC_ID", crtc_.id});
        changes.push_back({writeback_, "WRITEBACK_FB_ID", written});
        changes.push_back({writeback_, "WRITEBACK_OUT_FENCE_PTR", address(&fence)});
    }
    commit(changes, DRM_MODE_ATOMIC_ALLOW_MODESET);
    lit_ = true;
    if (written == 0)
        return;
    const Fd done(fence);
    constexpr int patience = 10000;
    if (!wait_for(done.get(), POLLIN, patience))
        throw Unknowable("the display's writeback never ends");
    // vkms of Linux up to 7.3 loses a writeback that comes while it cleans up after the last one.
    settled_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(30);
}

void Card::turn_off()
{
    if (!lit_)
        return;
    std::vector<Change> changes{
        {plane_, "FB_ID", 0},  {plane_, "CRTC_ID", 0}, {connector_, "CRTC_ID", 0},
        {crtc_, "MODE_ID", 0}, {crtc_, "ACTIVE", 0},
    };
    if (writeback_.id != 0)
        changes.push_back({writeback_, "CRTC_ID", 0});
    commit(changes, DRM_MODE_ATOMIC_ALLOW_MODESET);
    lit_ = false;
}

DumbPicture::DumbPicture(const Card& card, const Shape& shape, std::uint32_t width, std::uint32_t height) : card_(card)
{
    // One plane: a picture of this geometry, which is what some drivers make it. Several: bytes.
    const bool one = shape.planes.size() == 1;
    const auto row = static_cast<std::uint32_t>(shape.row_bytes(0, width));
    constexpr std::uint32_t most_rows = 3; // all planes are at most three times the first
    drm_mode_create_dumb made{};
    made.bpp = one ? shape.planes[0].bytes * 8 / shape.planes[0].hsub : 8;
    made.width = one ? width : row;
    made.height = one ? height : height * most_rows;
    call(card.fd(), DRM_IOCTL_MODE_CREATE_DUMB, &made, "DRM_IOCTL_MODE_CREATE_DUMB");
    handle_ = made.handle;
    layout_ = {shape.fourcc, DRM_FORMAT_MOD_LINEAR, width, height, {}, {made.size}};
    std::uint64_t offset = 0;
    for (std::size_t i = 0; i < shape.planes.size(); ++i) {
        const std::uint32_t stride = shape.stride(i, made.pitch);
        layout_.planes.push_back({0, stride, offset});
        offset += std::uint64_t{stride} * shape.rows(i, height);
    }
    drm_mode_map_dumb map{};
    map.handle = handle_;
    call(card.fd(), DRM_IOCTL_MODE_MAP_DUMB, &map, "DRM_IOCTL_MODE_MAP_DUMB");
    mapping_ = std::make_unique<Mapping>(card.fd(), made.size, map.offset);
    framebuffer_ = card.add_framebuffer(layout_, {handle_});
}

DumbPicture::~DumbPicture()
{
    card_.remove_framebuffer(framebuffer_);
    mapping_.reset();
    drm_mode_destroy_dumb gone{handle_};
    attempt(card_.fd(), DRM_IOCTL_MODE_DESTROY_DUMB, &gone);
}

} // namespace truth
