// SPDX-License-Identifier: MIT
#include <commonbuf/drm/display.hpp>

#include "backends/drm/display.hpp"
#include "backends/drm/objects.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <iterator>
#include <string>

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
    const Mode* best = nullptr;
    for (const Mode& mode : connector.modes) {
        if (!any && (mode.width != request.width || mode.height != request.height))
            continue;
        if (best == nullptr ||
            (any ? mode.preferred && !best->preferred : mode.refresh_millihertz > best->refresh_millihertz))
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
    for (DisplayPlane& plane : all->planes) {
        if (has(plane.crtcs, state->crtc.id) && !has(request.not_planes, plane.id))
            state->planes.push_back(std::move(plane));
    }
    std::stable_sort(state->planes.begin(), state->planes.end(),
                     [](const DisplayPlane& a, const DisplayPlane& b) { return a.type < b.type; });
    if (state->planes.empty())
        return Error::unsupported("find a plane on " + file.info().path,
                                  text::format("CRTC {} has no plane that is free", state->crtc.id));
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
    const auto found = std::find_if(state_->planes.begin(), state_->planes.end(),
                                    [&](const DisplayPlane& plane) { return plane.shows(format, modifier); });
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
