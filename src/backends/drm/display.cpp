// SPDX-License-Identifier: MIT
#include <commonbuf/drm/display.hpp>

#include "backends/drm/display.hpp"
#include "backends/drm/objects.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace commonbuf::drm {
namespace {

bool has(const std::vector<std::uint32_t>& ids, std::uint32_t id)
{
    return std::find(ids.begin(), ids.end(), id) != ids.end();
}

/// Finds an object by id; nullptr if it is not among these.
template <typename Object>
const Object* find(const std::vector<Object>& objects, std::uint32_t id) noexcept
{
    const auto found = std::find_if(objects.begin(), objects.end(), [&](const Object& each) { return each.id == id; });
    return found != objects.end() ? &*found : nullptr;
}

Result<Connector> choose_connector(const File& file, const std::vector<Connector>& all, const DisplayRequest& request)
{
    std::vector<Connector> displays;
    std::copy_if(all.begin(), all.end(), std::back_inserter(displays),
                 [](const Connector& connector) { return !connector.writeback; });
    for (const Connector& connector : displays) {
        if (request.connector.empty() ? connector.connected : connector.name == request.connector)
            return connector;
    }
    const bool any = request.connector.empty();
    return Error::not_present(
        text::format("find {} on {}", any ? "a display" : "the connector " + request.connector, file.info().path),
        (any ? "nothing is connected to it; its connectors are " : "its connectors are ") +
            names_of(displays, &Connector::name));
}

Result<Crtc> choose_crtc(const File& file, const DisplayResources& all, const Connector& connector,
                         const DisplayRequest& request)
{
    const auto present = static_cast<std::uint32_t>(value_of(connector, "CRTC_ID"));
    std::vector<std::uint32_t> wanted = connector.crtcs;
    if (request.crtc) {
        wanted = {*request.crtc};
    } else if (find(all.crtcs, present) != nullptr) {
        wanted = {present};
    } else {
        for (const Connector& other : all.connectors)
            std::erase(wanted, static_cast<std::uint32_t>(value_of(other, "CRTC_ID")));
    }
    for (const std::uint32_t id : wanted) {
        if (const Crtc* found = find(all.crtcs, id); found != nullptr && has(connector.crtcs, id))
            return *found;
    }
    const bool none = connector.crtcs.empty() || request.crtc;
    return Error::of(none ? Category::unsupported : Category::busy,
                     text::format("find a CRTC for {} on {}", connector.name, file.info().path),
                     request.crtc ? text::format("CRTC {} cannot drive it", *request.crtc)
                     : none       ? "no CRTC can drive it"
                                  : "every CRTC that can drive it drives another connector");
}

Result<Mode> choose_mode(const Connector& connector, const DisplayRequest& request)
{
    if (request.mode)
        return *request.mode;
    const bool any = request.width == 0 && request.height == 0;
    const auto rank = [any](const Mode& mode) {
        return any ? std::tuple(mode.preferred, 0U, false)
                   : std::tuple(!mode.interlaced, mode.refresh_millihertz, mode.preferred);
    };
    const Mode* best = nullptr;
    for (const Mode& mode : connector.modes) {
        if (!any && (mode.width != request.width || mode.height != request.height))
            continue;
        if (best == nullptr || rank(mode) > rank(*best))
            best = &mode;
    }
    if (best != nullptr)
        return *best;
    return Error::unsupported("find a mode on " + connector.name,
                              any ? "it has none"
                                  : text::format("it has no mode of {}x{}; its modes are {}", request.width,
                                                 request.height, names_of(connector.modes, &Mode::name)),
                              any ? "" : "choose one of these, or give a mode of your own");
}

/// Chooses the planes of a CRTC, its primary plane first. Planes that show something on another
/// CRTC belong to another display.
Result<std::vector<DisplayPlane>> choose_planes(const File& file, const DisplayResources& all, const Crtc& crtc,
                                                const std::vector<std::uint32_t>& not_planes)
{
    const auto place =
        std::find_if(all.crtcs.begin(), all.crtcs.end(), [&](const Crtc& each) { return each.id == crtc.id; }) -
        all.crtcs.begin();
    // Drivers make a primary plane for each CRTC, in the order of the CRTCs, even where every CRTC
    // could show it.
    constexpr std::ptrdiff_t shown_here = -1;
    std::map<std::uint32_t, std::ptrdiff_t> distances; // of primary planes
    std::ptrdiff_t primaries = 0;
    bool is_taken = false;
    std::vector<DisplayPlane> planes;
    for (const DisplayPlane& plane : all.planes) {
        const std::uint64_t on = value_of(plane, "CRTC_ID");
        if (plane.type == PlaneType::primary) {
            distances[plane.id] = on == crtc.id ? shown_here : std::abs(primaries - place);
            ++primaries;
        }
        if (!has(plane.crtcs, crtc.id) || has(not_planes, plane.id))
            continue;
        if (on != 0 && on != crtc.id)
            is_taken = true;
        else
            planes.push_back(plane);
    }
    if (planes.empty())
        return Error::of(is_taken ? Category::busy : Category::unsupported, "find a plane on " + file.info().path,
                         text::format("CRTC {} has no plane that is free{}", crtc.id,
                                      is_taken ? ": those that it can show are on another CRTC" : ""));
    std::optional<std::uint32_t> own;
    for (const DisplayPlane& plane : planes) {
        if (plane.type == PlaneType::primary && (!own || distances[plane.id] < distances[*own]))
            own = plane.id;
    }
    const auto rank = [own](const DisplayPlane& plane) {
        switch (plane.type) {
        case PlaneType::primary: return plane.id == own ? 0 : 2;
        case PlaneType::overlay: return 1;
        case PlaneType::cursor: break;
        }
        return 3;
    };
    std::stable_sort(planes.begin(), planes.end(),
                     [&](const DisplayPlane& a, const DisplayPlane& b) { return rank(a) < rank(b); });
    return planes;
}

} // namespace

DisplayState::~DisplayState()
{
    if (mode_blob != 0)
        destroy_blob(file(), mode_blob);
}

const DisplayPlane* DisplayState::plane(std::uint32_t id) const noexcept { return find(planes, id); }

std::chrono::nanoseconds DisplayState::refresh() const noexcept
{
    constexpr std::uint32_t usual = 60000;
    constexpr std::int64_t scale = 1000000000000;
    return std::chrono::nanoseconds(scale / (mode.refresh_millihertz != 0 ? mode.refresh_millihertz : usual));
}

Error DisplayState::lost(Error error) const
{
    // Connectors come and go, CRTCs do not: if ours is no longer listed, it is no longer leased.
    const auto pipes = pipes_of(file());
    const bool revoked = pipes && !has(pipes->crtcs, crtc.id);
    error.category = revoked ? Category::lease_revoked : Category::device_gone;
    error.detail = revoked ? "the lease behind this file was revoked"
                           : "an object of the display is gone, for example because its connector was unplugged";
    error.advice = revoked ? "ask for a new lease and open the display again" : "choose a display again";
    return error;
}

Result<Display> Display::choose(const Device& device, const DisplayRequest& request)
{
    auto all = display_resources(device);
    if (!all)
        return all.error();
    auto state = std::make_shared<DisplayState>(device);
    const File& file = state->file();
    auto connector = choose_connector(file, all->connectors, request);
    if (!connector)
        return connector.error();
    state->connector = std::move(*connector);
    auto crtc = choose_crtc(file, *all, state->connector, request);
    if (!crtc)
        return crtc.error();
    state->crtc = std::move(*crtc);
    auto mode = choose_mode(state->connector, request);
    if (!mode)
        return mode.error();
    state->mode = std::move(*mode);
    auto planes = choose_planes(file, *all, state->crtc, request.not_planes);
    if (!planes)
        return planes.error();
    state->planes = std::move(*planes);
    for (Connector& other : all->connectors) {
        if (other.writeback && !state->writeback && has(other.crtcs, state->crtc.id))
            state->writeback = std::move(other);
    }
    const auto blob = create_blob(file, state->mode.timings);
    if (!blob)
        return blob.error();
    state->mode_blob = *blob;
    return Display(std::move(state));
}

const Device& Display::device() const noexcept { return state_->device; }
const Connector& Display::connector() const noexcept { return state_->connector; }
const Crtc& Display::crtc() const noexcept { return state_->crtc; }
const Mode& Display::mode() const noexcept { return state_->mode; }
std::span<const DisplayPlane> Display::planes() const noexcept { return state_->planes; }
const DisplayPlane& Display::primary() const noexcept { return state_->planes.front(); }
const Connector* Display::writeback() const noexcept { return state_->writeback ? &*state_->writeback : nullptr; }

const DisplayPlane* Display::plane_for(Format format, Modifier modifier) const noexcept
{
    const auto shows = [&](const DisplayPlane& plane) {
        // An image without a modifier may lie in any way that the driver knows; a driver without
        // modifiers shows linear images, because dumb buffers are linear.
        return plane.shows(format, modifier) || (modifier == linear && plane.shows(format, implicit_modifier)) ||
               (modifier == implicit_modifier &&
                std::any_of(plane.formats.begin(), plane.formats.end(),
                            [format](const FormatModifier& each) { return each.format == format; }));
    };
    const auto found = std::find_if(state_->planes.begin(), state_->planes.end(), shows);
    return found != state_->planes.end() ? &*found : nullptr;
}

Result<bool> Display::connected() const
{
    // Without room for modes the kernel probes the connector.
    drm_mode_get_connector request{.connector_id = connector().id};
    const File& file = state_->file();
    if (const int error = file.ioctl(DRM_IOCTL_MODE_GETCONNECTOR, &request); error != 0) {
        Error result = Error::from_errno(error, file.where("DRM_IOCTL_MODE_GETCONNECTOR"));
        return result.category == Category::not_present ? state_->lost(std::move(result)) : std::move(result);
    }
    return request.connection == connection_connected;
}

} // namespace commonbuf::drm
