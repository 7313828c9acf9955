// SPDX-License-Identifier: MIT
#include "fake/display.hpp"

#include <drm.h>
#include <drm_fourcc.h>
#include <drm_mode.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>

namespace fake {
namespace {

constexpr std::uint32_t in_formats_blob = 77; // the card's
constexpr std::uint32_t writeback_blob = 78;
// Of a plane, with its id added.
constexpr std::uint32_t plane_formats_blob = 100000;
constexpr std::uint32_t plane_async_blob = 200000;
constexpr std::uint32_t plane_sizes_blob = 300000;

// Newer than Debian 12's drm.h.
constexpr std::uint64_t client_cap_cursor_plane_hotspot = 6;

int failed(int error)
{
    errno = error;
    return -1;
}

template <typename T>
T* at(std::uint64_t address)
{
    return reinterpret_cast<T*>(static_cast<std::uintptr_t>(address));
}

struct Property {
    const char* name;
    std::uint32_t flags;
    std::vector<std::uint64_t> values;
    std::vector<std::pair<const char*, std::uint64_t>> names;
};

const std::vector<Property>& properties()
{
    constexpr std::uint64_t most = UINT32_MAX;
    constexpr std::uint64_t least_signed = 0xffffffff80000000;
    static const std::vector<Property> all{
        {"CRTC_ID", DRM_MODE_PROP_OBJECT, {DRM_MODE_OBJECT_CRTC}, {}},
        {"MODE_ID", DRM_MODE_PROP_BLOB, {}, {}},
        {"ACTIVE", DRM_MODE_PROP_RANGE, {0, 1}, {}},
        {"OUT_FENCE_PTR", DRM_MODE_PROP_RANGE, {0, UINT64_MAX}, {}},
        {"GAMMA_LUT", DRM_MODE_PROP_BLOB, {}, {}},
        {"type", DRM_MODE_PROP_ENUM | DRM_MODE_PROP_IMMUTABLE, {}, {{"Overlay", 0}, {"Primary", 1}, {"Cursor", 2}}},
        {"IN_FORMATS", DRM_MODE_PROP_BLOB | DRM_MODE_PROP_IMMUTABLE, {}, {}},
        {"FB_ID", DRM_MODE_PROP_OBJECT, {DRM_MODE_OBJECT_FB}, {}},
        {"IN_FENCE_FD", DRM_MODE_PROP_SIGNED_RANGE, {UINT64_MAX, 0x7fffffff}, {}},
        {"SRC_X", DRM_MODE_PROP_RANGE, {0, most}, {}},
        {"SRC_Y", DRM_MODE_PROP_RANGE, {0, most}, {}},
        {"SRC_W", DRM_MODE_PROP_RANGE, {0, most}, {}},
        {"SRC_H", DRM_MODE_PROP_RANGE, {0, most}, {}},
        {"CRTC_X", DRM_MODE_PROP_SIGNED_RANGE, {least_signed, 0x7fffffff}, {}},
        {"CRTC_Y", DRM_MODE_PROP_SIGNED_RANGE, {least_signed, 0x7fffffff}, {}},
        {"CRTC_W", DRM_MODE_PROP_RANGE, {0, 0x7fffffff}, {}},
        {"CRTC_H", DRM_MODE_PROP_RANGE, {0, 0x7fffffff}, {}},
        {"rotation", DRM_MODE_PROP_BITMASK, {}, {{"rotate-0", 0}, {"rotate-180", 2}}},
        {"alpha", DRM_MODE_PROP_RANGE, {0, 0xffff}, {}},
        {"WRITEBACK_FB_ID", DRM_MODE_PROP_OBJECT, {DRM_MODE_OBJECT_FB}, {}},
        {"WRITEBACK_OUT_FENCE_PTR", DRM_MODE_PROP_RANGE, {0, UINT64_MAX}, {}},
        {"WRITEBACK_PIXEL_FORMATS", DRM_MODE_PROP_BLOB | DRM_MODE_PROP_IMMUTABLE, {}, {}},
        {"IN_FORMATS_ASYNC", DRM_MODE_PROP_BLOB | DRM_MODE_PROP_IMMUTABLE, {}, {}},
        {"SIZE_HINTS", DRM_MODE_PROP_BLOB | DRM_MODE_PROP_IMMUTABLE, {}, {}},
        {"HOTSPOT_X", DRM_MODE_PROP_SIGNED_RANGE, {least_signed, 0x7fffffff}, {}},
        {"HOTSPOT_Y", DRM_MODE_PROP_SIGNED_RANGE, {least_signed, 0x7fffffff}, {}},
    };
    return all;
}

constexpr std::uint32_t first_property = 100;

std::uint32_t id_of(const std::string& name)
{
    const auto found =
        std::find_if(properties().begin(), properties().end(), [&](const Property& one) { return one.name == name; });
    return first_property + static_cast<std::uint32_t>(found - properties().begin());
}

drm_mode_modeinfo mode(const ModeModel& model)
{
    drm_mode_modeinfo info{};
    info.hdisplay = model.width;
    info.vdisplay = model.height;
    info.htotal = 1000;
    info.vtotal = 100;
    info.vscan = model.vscan;
    info.clock = model.rate * 100;
    info.flags = model.flags;
    info.type = model.preferred ? DRM_MODE_TYPE_PREFERRED : 0;
    std::strcpy(info.name, (std::to_string(model.width) + "x" + std::to_string(model.height)).c_str());
    return info;
}

std::vector<std::byte> bytes_of(const std::vector<std::uint16_t>& numbers)
{
    std::vector<std::byte> bytes(numbers.size() * sizeof(std::uint16_t));
    std::memcpy(bytes.data(), numbers.data(), bytes.size());
    return bytes;
}

/// Copies as the kernel does: where there is room for all, or not at all.
template <typename T, typename Count>
void give(const std::vector<T>& all, std::uint64_t to, Count& room)
{
    if (to != 0 && room >= all.size())
        std::copy(all.begin(), all.end(), at<T>(to));
    room = static_cast<Count>(all.size());
}

} // namespace

std::vector<std::byte> formats_blob(const std::vector<std::uint32_t>& formats, const std::vector<std::uint64_t>& tiles)
{
    std::vector<drm_format_modifier> modifiers(1 + tiles.size());
    for (std::size_t i = 0; i < modifiers.size(); ++i) {
        modifiers[i].formats = (std::uint64_t{1} << formats.size()) - 1;
        modifiers[i].modifier = i == 0 ? DRM_FORMAT_MOD_LINEAR : tiles[i - 1];
    }
    drm_format_modifier_blob header{};
    header.version = 1;
    header.count_formats = static_cast<std::uint32_t>(formats.size());
    header.formats_offset = sizeof header;
    header.count_modifiers = static_cast<std::uint32_t>(modifiers.size());
    const std::size_t codes = formats.size() * sizeof(std::uint32_t);
    header.modifiers_offset = static_cast<std::uint32_t>(sizeof header + codes);
    std::vector<std::byte> blob(sizeof header + codes + modifiers.size() * sizeof modifiers.front());
    std::memcpy(blob.data(), &header, sizeof header);
    std::memcpy(blob.data() + sizeof header, formats.data(), codes);
    std::memcpy(blob.data() + header.modifiers_offset, modifiers.data(), modifiers.size() * sizeof modifiers.front());
    return blob;
}

const PlaneModel* Displays::plane(std::uint32_t id) const
{
    const auto found =
        std::find_if(model_.planes.begin(), model_.planes.end(), [&](const PlaneModel& each) { return each.id == id; });
    return found != model_.planes.end() ? &*found : nullptr;
}

std::vector<std::string> Displays::names_of(std::uint32_t object) const
{
    switch (object) {
    case second_connector:
    case connector: return {"CRTC_ID"};
    case writeback: return {"CRTC_ID", "WRITEBACK_FB_ID", "WRITEBACK_OUT_FENCE_PTR", "WRITEBACK_PIXEL_FORMATS"};
    case second_crtc:
    case crtc: return {"MODE_ID", "ACTIVE", "OUT_FENCE_PTR", "GAMMA_LUT"};
    default: break;
    }
    const PlaneModel* found = plane(object);
    if (found == nullptr)
        return {};
    std::vector<std::string> names{"type",   "IN_FORMATS", "FB_ID",  "CRTC_ID",  "IN_FENCE_FD",
                                   "SRC_X",  "SRC_Y",      "SRC_W",  "SRC_H",    "CRTC_X",
                                   "CRTC_Y", "CRTC_W",     "CRTC_H", "rotation", "alpha"};
    if (!found->async_formats.empty())
        names.emplace_back("IN_FORMATS_ASYNC");
    if (!found->size_hints.empty())
        names.emplace_back("SIZE_HINTS");
    if (found->type == 2 && model_.virtual_cursor) {
        names.emplace_back("HOTSPOT_X");
        names.emplace_back("HOTSPOT_Y");
    }
    return names;
}

bool Displays::is_active(std::uint32_t crtc_id) const
{
    const auto now = model_.now.find(crtc_id);
    if (now == model_.now.end() || !now->second.contains("ACTIVE"))
        return model_.is_lit;
    return now->second.at("ACTIVE") != 0;
}

std::optional<int> Displays::ask_planes(unsigned long request, void* argument) const
{
    switch (request) {
    case DRM_IOCTL_MODE_GETPLANERESOURCES: {
        auto& planes = *static_cast<drm_mode_get_plane_res*>(argument);
        std::vector<std::uint32_t> ids;
        for (const PlaneModel& each : model_.planes) {
            const bool hidden = each.type == 2 && model_.virtual_cursor && atomic_ && !hotspot_;
            if (!hidden && (model_.present || each.type == 1))
                ids.push_back(each.id);
        }
        give(ids, planes.plane_id_ptr, planes.count_planes);
        return 0;
    }
    case DRM_IOCTL_MODE_GETPLANE: {
        auto& answer = *static_cast<drm_mode_get_plane*>(argument);
        const PlaneModel* found = plane(answer.plane_id);
        if (found == nullptr)
            return failed(ENOENT);
        answer.possible_crtcs = model_.present ? found->crtcs : 0;
        give(found->formats.empty() ? card_.formats : found->formats, answer.format_type_ptr,
             answer.count_format_types);
        return 0;
    }
    case DRM_IOCTL_MODE_OBJ_GETPROPERTIES: return get_properties(*static_cast<drm_mode_obj_get_properties*>(argument));
    case DRM_IOCTL_MODE_GETPROPERTY: return get_property(*static_cast<drm_mode_get_property*>(argument));
    case DRM_IOCTL_MODE_GETPROPBLOB: {
        auto& blob = *static_cast<drm_mode_get_blob*>(argument);
        std::vector<std::byte> content;
        if (const PlaneModel* found = plane(blob.blob_id - plane_formats_blob))
            content = formats_blob(found->formats);
        else if (const PlaneModel* async = plane(blob.blob_id - plane_async_blob))
            content = formats_blob(async->async_formats);
        else if (const PlaneModel* sizes = plane(blob.blob_id - plane_sizes_blob))
            content = bytes_of(sizes->size_hints);
        else
            return std::nullopt;
        give(content, blob.data, blob.length);
        return 0;
    }
    default: return std::nullopt;
    }
}

int Displays::get_connector(drm_mode_get_connector& request) const
{
    if (model_.lease_revoked)
        return failed(ENOENT);
    const bool second = request.connector_id == second_connector && model_.heads > 1;
    if (request.connector_id != connector && !second && (request.connector_id != writeback || !model_.writeback))
        return failed(ENOENT);
    const bool virtual_one = request.connector_id == writeback;
    // As drm_mode_getconnector(): who has no room for modes wants fresh ones.
    if (request.count_modes == 0 && !virtual_one)
        ++model_.probes;
    request.connector_type = virtual_one ? DRM_MODE_CONNECTOR_WRITEBACK : DRM_MODE_CONNECTOR_HDMIA;
    request.connector_type_id = second ? 2 : 1;
    request.connection = !virtual_one && model_.connected ? 1 : 2;
    std::vector<drm_mode_modeinfo> modes;
    if (!virtual_one)
        std::transform(model_.modes.begin(), model_.modes.end(), std::back_inserter(modes), mode);
    give(modes, request.modes_ptr, request.count_modes);
    give(std::vector<std::uint32_t>{second        ? 63U
                                    : virtual_one ? 62U
                                                  : 61U},
         request.encoders_ptr, request.count_encoders);
    return 0;
}

int Displays::get_properties(drm_mode_obj_get_properties& request) const
{
    const auto names = names_of(request.obj_id);
    std::vector<std::uint32_t> ids;
    std::vector<std::uint64_t> values;
    for (const std::string& name : names) {
        ids.push_back(id_of(name));
        std::uint64_t value = 0;
        const PlaneModel* of = plane(request.obj_id);
        if (name == "type")
            value = of->type;
        else if (name == "IN_FORMATS")
            value = !card_.modifiers ? 0 : of->formats.empty() ? in_formats_blob : plane_formats_blob + of->id;
        else if (name == "IN_FORMATS_ASYNC")
            value = plane_async_blob + of->id;
        else if (name == "SIZE_HINTS")
            value = plane_sizes_blob + of->id;
        else if (name == "ACTIVE")
            value = is_active(request.obj_id) ? 1 : 0;
        else if (name == "WRITEBACK_PIXEL_FORMATS")
            value = writeback_blob;
        else if (const auto object = model_.now.find(request.obj_id); object != model_.now.end()) {
            if (const auto found = object->second.find(name); found != object->second.end())
                value = found->second;
        }
        values.push_back(value);
    }
    std::uint32_t room = request.count_props;
    give(values, request.prop_values_ptr, room);
    give(ids, request.props_ptr, request.count_props);
    return names.empty() ? failed(ENOENT) : 0;
}

int Displays::get_property(drm_mode_get_property& request) const
{
    const std::uint32_t index = request.prop_id - first_property;
    if (index >= properties().size())
        return failed(ENOENT);
    const Property& property = properties()[index];
    std::strcpy(request.name, property.name);
    request.flags = property.flags;
    give(property.values, request.values_ptr, request.count_values);
    std::vector<drm_mode_property_enum> names;
    for (const auto& [name, value] : property.names) {
        drm_mode_property_enum entry{};
        entry.value = value;
        std::strcpy(entry.name, name);
        names.push_back(entry);
    }
    give(names, request.enum_blob_ptr, request.count_enum_blobs);
    return 0;
}

/// As drm_atomic_set_property() and drm_atomic_check_only() do.
int Displays::check(std::uint32_t flags, const DisplayModel::Values& values) const
{
    const bool async = (flags & DRM_MODE_PAGE_FLIP_ASYNC) != 0;
    if (async && !model_.async_flips)
        return EINVAL;
    for (const auto& [object, settings] : values) {
        const auto before = model_.now.find(object);
        for (const auto& [name, value] : settings) {
            if (name == "IN_FENCE_FD" && value != UINT64_MAX && model_.fence_error != 0)
                return model_.fence_error;
            if (!async || (plane(object) != nullptr && (name == "FB_ID" || name == "IN_FENCE_FD")))
                continue;
            const bool known = before != model_.now.end() && before->second.contains(name);
            if (name == "OUT_FENCE_PTR" || value != (known ? before->second.at(name) : 0))
                return EINVAL;
        }
    }
    for (const std::uint32_t id : {crtc, second_crtc}) {
        const auto mine = values.find(id);
        const bool touched = mine != values.end();
        const bool asks = (flags & DRM_MODE_PAGE_FLIP_EVENT) != 0 ||
                          (touched && mine->second.contains("OUT_FENCE_PTR") && mine->second.at("OUT_FENCE_PTR") != 0);
        const bool after = touched && mine->second.contains("ACTIVE") ? mine->second.at("ACTIVE") != 0 : is_active(id);
        if ((touched || id == crtc) && asks && !is_active(id) && !after)
            return EINVAL;
    }
    return 0;
}

int Displays::commit(Machine& machine, const drm_mode_atomic& request)
{
    const bool test = (request.flags & DRM_MODE_ATOMIC_TEST_ONLY) != 0;
    DisplayModel::Made made{request.flags, {}, {}};
    const auto* objects = at<std::uint32_t>(request.objs_ptr);
    const auto* counts = at<std::uint32_t>(request.count_props_ptr);
    const auto* ids = at<std::uint32_t>(request.props_ptr);
    const auto* values = at<std::uint64_t>(request.prop_values_ptr);
    for (std::uint32_t i = 0; i < request.count_objs; ++i) {
        const auto names = names_of(objects[i]);
        if (names.empty())
            return failed(ENOENT);
        for (std::uint32_t p = 0; p < counts[i]; ++p, ++ids, ++values) {
            const auto name =
                std::find_if(names.begin(), names.end(), [&](const auto& one) { return id_of(one) == *ids; });
            if (name == names.end())
                return failed(ENOENT);
            made.values[objects[i]][*name] = *values;
            if (*name != "IN_FENCE_FD" || *values == UINT64_MAX)
                continue;
            const auto file = std::dynamic_pointer_cast<SyncFile>(machine.file(static_cast<int>(*values)));
            if (file == nullptr)
                return failed(EINVAL);
            made.in_fence = file->fences().front();
        }
    }
    if (!model_.master)
        return failed(EACCES);
    if (model_.lease_revoked)
        return failed(ENOENT);
    if (const int error = model_.refusal ? model_.refusal(made.values) : 0; error != 0)
        return failed(error);
    if (const int error = check(request.flags, made.values); error != 0)
        return failed(error);
    if (test) {
        if ((request.flags & DRM_MODE_PAGE_FLIP_EVENT) != 0)
            return failed(EINVAL);
        model_.tests.push_back(std::move(made.values));
        return 0;
    }
    if (model_.commit_error != 0)
        return failed(model_.commit_error);
    if (model_.shown != nullptr && model_.shown->status == 0)
        return failed(EBUSY);
    const auto fence = [&](std::uint32_t object, const char* name) {
        std::shared_ptr<FenceModel> work;
        if (const std::uint64_t pointer = made.values[object][name]; pointer != 0) {
            work = Machine::add_fence(name);
            work->status = model_.ends_at_once ? 1 : 0;
            *at<std::int32_t>(pointer) = machine.sync_file(work);
        }
        return work;
    };
    model_.shown = fence(crtc, "OUT_FENCE_PTR");
    if (model_.writeback)
        model_.written = fence(writeback, "WRITEBACK_OUT_FENCE_PTR");
    if ((request.flags & DRM_MODE_PAGE_FLIP_EVENT) != 0) {
        drm_event_vblank event{};
        event.base = {DRM_EVENT_FLIP_COMPLETE, sizeof event};
        event.user_data = request.user_data;
        event.crtc_id = crtc;
        event.tv_sec = 2;
        event.tv_usec = 3;
        const auto* bytes = reinterpret_cast<const std::byte*>(&event);
        model_.events.insert(model_.events.end(), bytes, bytes + sizeof event);
    }
    for (const auto& [object, settings] : made.values) {
        for (const auto& [name, value] : settings)
            model_.now[object][name] = value;
    }
    model_.commits.push_back(std::move(made));
    return 0;
}

std::optional<int> Displays::ioctl(Machine& machine, unsigned long request, void* argument)
{
    if (!model_.present)
        return ask_planes(request, argument);
    if (model_.gone && request != DRM_IOCTL_GEM_CLOSE && request != DRM_IOCTL_MODE_RMFB)
        return failed(ENODEV);
    switch (request) {
    case DRM_IOCTL_SET_CLIENT_CAP: {
        const auto& capability = *static_cast<drm_set_client_cap*>(argument);
        if (capability.capability == DRM_CLIENT_CAP_ATOMIC && !model_.atomic)
            return failed(EOPNOTSUPP);
        if (capability.capability == DRM_CLIENT_CAP_ATOMIC)
            atomic_ = true;
        if (capability.capability == client_cap_cursor_plane_hotspot) {
            if (!model_.virtual_cursor || !atomic_)
                return failed(model_.virtual_cursor ? EINVAL : EOPNOTSUPP);
            hotspot_ = true;
        }
        return 0;
    }
    case DRM_IOCTL_AUTH_MAGIC: return failed(model_.master ? EINVAL : EACCES);
    case DRM_IOCTL_MODE_GETRESOURCES: {
        auto& resources = *static_cast<drm_mode_card_res*>(argument);
        if (model_.lease_revoked) {
            resources = {};
            return 0;
        }
        std::vector<std::uint32_t> crtcs{crtc};
        std::vector<std::uint32_t> connectors{connector};
        if (model_.writeback)
            connectors.push_back(writeback);
        if (model_.heads > 1) {
            crtcs.push_back(second_crtc);
            connectors.push_back(second_connector);
        }
        give(crtcs, resources.crtc_id_ptr, resources.count_crtcs);
        give(connectors, resources.connector_id_ptr, resources.count_connectors);
        resources.max_width = resources.max_height = 8192;
        return 0;
    }
    case DRM_IOCTL_MODE_GETCONNECTOR: return get_connector(*static_cast<drm_mode_get_connector*>(argument));
    case DRM_IOCTL_MODE_GETENCODER: {
        auto& encoder = *static_cast<drm_mode_get_encoder*>(argument);
        encoder.possible_crtcs = encoder.encoder_id == 63 ? 2 : 1;
        return 0;
    }
    case DRM_IOCTL_MODE_GETPROPBLOB: {
        auto& blob = *static_cast<drm_mode_get_blob*>(argument);
        if (blob.blob_id != writeback_blob)
            return ask_planes(request, argument);
        give(std::vector<std::uint32_t>{DRM_FORMAT_XRGB8888}, blob.length >= 4 ? blob.data : 0, blob.length);
        blob.length = sizeof(std::uint32_t);
        return 0;
    }
    case DRM_IOCTL_MODE_CREATEPROPBLOB: {
        auto& blob = *static_cast<drm_mode_create_blob*>(argument);
        blob.blob_id = model_.next_blob++;
        blobs_.insert(blob.blob_id);
        model_.blobs[blob.blob_id].assign(at<std::byte>(blob.data), at<std::byte>(blob.data) + blob.length);
        return 0;
    }
    case DRM_IOCTL_MODE_DESTROYPROPBLOB: {
        const std::uint32_t id = static_cast<drm_mode_destroy_blob*>(argument)->blob_id;
        if (blobs_.erase(id) == 0) {
            machine.complain("destroyed a blob that is not there");
            return failed(ENOENT);
        }
        model_.blobs.erase(id);
        return 0;
    }
    case DRM_IOCTL_MODE_ATOMIC: return commit(machine, *static_cast<drm_mode_atomic*>(argument));
    default: return ask_planes(request, argument);
    }
}

short Displays::ready(short events) const { return !model_.present || !model_.events.empty() ? events : short{0}; }

ssize_t Displays::read(void* buffer, std::size_t size) const
{
    if (model_.events.empty())
        return failed(EAGAIN);
    const std::size_t taken = std::min(size, model_.events.size());
    std::memcpy(buffer, model_.events.data(), taken);
    model_.events.erase(model_.events.begin(), model_.events.begin() + static_cast<std::ptrdiff_t>(taken));
    return static_cast<ssize_t>(taken);
}

void Displays::closed(Machine& machine) const
{
    if (!blobs_.empty() && !model_.gone)
        machine.complain(std::to_string(blobs_.size()) + " blobs are left");
}

} // namespace fake
