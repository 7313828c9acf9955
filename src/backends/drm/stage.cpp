// SPDX-License-Identifier: MIT
#include "backends/drm/stage.hpp"

#include "base/text.hpp"

#include <drm.h>
#include <drm_fourcc.h>
#include <poll.h>

#include <algorithm>
#include <cstring>
#include <thread>

namespace commonbuf::drm {

/// Values by the names of their properties.
class Stage::Request {
public:
    /// A property that the object does not have is left out: the driver has no choice there.
    void set(const Object& object, std::string_view name, std::uint64_t value)
    {
        if (const auto found = object.before.find(name); found != object.before.end())
            request_.set(object.id, found->second.id, value);
    }

    /// As the object was found.
    void put_back(const Object& object, std::string_view name)
    {
        if (const auto found = object.before.find(name); found != object.before.end())
            request_.set(object.id, found->second.id, found->second.value);
    }

    int commit(const File& file, std::uint32_t flags) { return request_.commit(file, flags); }

private:
    AtomicRequest request_;
};

namespace {

/// Linux up to 7.3: vkms stops composing in the clean-up of a writeback, which runs some time
/// after its fence has signalled, and loses one that was committed by then.
constexpr std::chrono::milliseconds vkms_clean_up(30);

constexpr std::array<std::string_view, 10> plane_properties{"FB_ID", "CRTC_ID", "SRC_X",  "SRC_Y",  "SRC_W",
                                                            "SRC_H", "CRTC_X",  "CRTC_Y", "CRTC_W", "CRTC_H"};

std::uint64_t value_of(const Properties& properties, std::string_view name)
{
    const auto found = properties.find(name);
    return found != properties.end() ? found->second.value : 0;
}

} // namespace

Result<Stage> Stage::create(std::shared_ptr<File> file, Format format, std::uint32_t width, std::uint32_t height)
{
    Stage stage(std::move(file));
    if (const Status chosen = stage.choose_display(width, height); !chosen)
        return chosen.error();
    if (const Status chosen = stage.choose_plane(format); !chosen)
        return chosen.error();
    stage.choose_writeback();
    stage.shown_width_ = std::min(width, stage.mode_width());
    stage.shown_height_ = std::min(height, stage.mode_height());
    const auto blob = stage.make_blob(&stage.mode_, sizeof stage.mode_);
    if (!blob)
        return blob.error();
    stage.mode_blob_ = *blob;
    return stage;
}

Result<std::uint32_t> Stage::make_blob(const void* data, std::size_t size) const
{
    return create_blob(*file_, {static_cast<const std::byte*>(data), size});
}

void Stage::choose_mode(const std::vector<drm_mode_modeinfo>& modes, std::uint32_t width, std::uint32_t height)
{
    const auto area = [](const drm_mode_modeinfo& mode) { return std::uint64_t{mode.hdisplay} * mode.vdisplay; };
    const auto fits = [&](const drm_mode_modeinfo& mode) { return mode.hdisplay >= width && mode.vdisplay >= height; };
    mode_ = *std::min_element(modes.begin(), modes.end(), [&](const auto& a, const auto& b) {
        if (fits(a) != fits(b))
            return fits(a);
        if (area(a) != area(b))
            return fits(a) ? area(a) < area(b) : area(a) > area(b);
        return a.vrefresh > b.vrefresh;
    });
}

/// No wire hangs on a virtual display: it takes the image's own size, at a high rate, and
/// has nothing else to paint. Where it does not, the listed mode stays.
void Stage::choose_free_mode(std::uint32_t width, std::uint32_t height)
{
    constexpr std::uint32_t largest = 8192;
    constexpr unsigned blank = 32;
    constexpr unsigned rate = 240;
    if (width > largest || height > largest)
        return;
    drm_mode_modeinfo mode{};
    mode.hdisplay = static_cast<__u16>(width);
    mode.hsync_start = static_cast<__u16>(width + blank / 4);
    mode.hsync_end = static_cast<__u16>(width + blank / 2);
    mode.htotal = static_cast<__u16>(width + blank);
    mode.vdisplay = static_cast<__u16>(height);
    mode.vsync_start = static_cast<__u16>(height + blank / 4);
    mode.vsync_end = static_cast<__u16>(height + blank / 2);
    mode.vtotal = static_cast<__u16>(height + blank);
    mode.vrefresh = rate;
    mode.clock = std::uint32_t{mode.htotal} * mode.vtotal / 1000 * rate + rate; // kHz
    mode.type = DRM_MODE_TYPE_USERDEF;
    const auto blob = make_blob(&mode, sizeof mode);
    if (!blob)
        return;
    Request request;
    request.set(connector_, "CRTC_ID", crtc_.id);
    request.set(crtc_, "MODE_ID", *blob);
    request.set(crtc_, "ACTIVE", 1);
    if (request.commit(*file_, DRM_MODE_ATOMIC_TEST_ONLY | DRM_MODE_ATOMIC_ALLOW_MODESET) == 0)
        mode_ = mode;
    destroy_blob(*file_, *blob);
}

Status Stage::choose_display(std::uint32_t width, std::uint32_t height)
{
    auto pipes = pipes_of(*file_);
    if (!pipes)
        return pipes.error();
    crtcs_ = std::move(pipes->crtcs);
    connectors_ = std::move(pipes->connectors);

    std::vector<std::uint64_t> taken;
    for (const std::uint32_t id : connectors_)
        taken.push_back(property_of(*file_, id, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID").value);
    for (const std::uint32_t id : connectors_) {
        const auto connector = get_connector(*file_, id);
        if (!connector || connector->info.connector_type == DRM_MODE_CONNECTOR_WRITEBACK ||
            connector->info.connection != connection_connected || connector->modes.empty())
            continue;
        Properties before = properties_of(*file_, id, DRM_MODE_OBJECT_CONNECTOR);
        const std::uint64_t present = value_of(before, "CRTC_ID");
        const std::uint32_t possible = possible_crtcs(*file_, *connector);
        for (std::uint32_t i = 0; i < std::min<std::size_t>(crtcs_.size(), 32); ++i) {
            const bool free = std::find(taken.begin(), taken.end(), crtcs_[i]) == taken.end();
            if (present != 0 ? crtcs_[i] != present : (possible >> i & 1U) == 0 || !free)
                continue;
            connector_ = {id, std::move(before)};
            crtc_ = {crtcs_[i], properties_of(*file_, crtcs_[i], DRM_MODE_OBJECT_CRTC)};
            crtc_index_ = i;
            mode_before_ = read_blob(*file_, value_of(crtc_.before, "MODE_ID"));
            choose_mode(connector->modes, width, height);
            if (connector->info.connector_type == DRM_MODE_CONNECTOR_VIRTUAL)
                choose_free_mode(width, height);
            return {};
        }
    }
    return Error::not_present("find a display on " + file_->info().path, "no display is connected and free");
}

Status Stage::choose_plane(Format format)
{
    bool primary = false;
    for (const std::uint32_t id : plane_ids(*file_)) {
        drm_mode_get_plane info{};
        info.plane_id = id;
        if (file_->ioctl(DRM_IOCTL_MODE_GETPLANE, &info) != 0)
            continue;
        std::vector<std::uint32_t> formats(std::min(info.count_format_types, most_objects));
        info.count_format_types = static_cast<std::uint32_t>(formats.size());
        info.format_type_ptr = address(formats);
        if (file_->ioctl(DRM_IOCTL_MODE_GETPLANE, &info) != 0)
            continue;
        Object plane{id, properties_of(*file_, id, DRM_MODE_OBJECT_PLANE)};
        const bool has = std::find(formats.begin(), formats.end(), format.fourcc) != formats.end() &&
                         (info.possible_crtcs >> crtc_index_ & 1U) != 0;
        const bool is_primary = value_of(plane.before, "type") == 1; // DRM_PLANE_TYPE_PRIMARY of the kernel
        if (has && (plane_.id == 0 || (is_primary && !primary))) {
            std::swap(plane, plane_);
            primary = is_primary;
        }
        if (plane.id != 0 && value_of(plane.before, "CRTC_ID") == crtc_.id)
            covers_.push_back(std::move(plane));
    }
    if (plane_.id == 0)
        return Error::unsupported("find a plane on " + file_->info().path,
                                  "no plane of the display's CRTC shows " + to_string(format));
    return {};
}

void Stage::choose_writeback()
{
    for (const std::uint32_t id : connectors_) {
        const auto connector = get_connector(*file_, id);
        if (!connector || connector->info.connector_type != DRM_MODE_CONNECTOR_WRITEBACK ||
            (possible_crtcs(*file_, *connector) >> crtc_index_ & 1U) == 0)
            continue;
        Object object{id, properties_of(*file_, id, DRM_MODE_OBJECT_CONNECTOR)};
        const auto blob = read_blob(*file_, value_of(object.before, "WRITEBACK_PIXEL_FORMATS"));
        std::vector<std::uint32_t> formats(blob.size() / sizeof(std::uint32_t));
        std::memcpy(formats.data(), blob.data(), formats.size() * sizeof(std::uint32_t));
        // Every plane's colours fit into the deepest; but most displays have this one alone.
        for (const std::uint32_t wanted : {DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_XBGR8888}) {
            if (std::find(formats.begin(), formats.end(), wanted) == formats.end())
                continue;
            writeback_ = std::move(object);
            writeback_format_ = wanted;
            return;
        }
    }
}

Status Stage::show(std::uint32_t framebuffer, std::uint32_t writeback, Deadline deadline)
{
    Request request;
    std::uint32_t flags = DRM_MODE_ATOMIC_NONBLOCK;
    int shown = -1;
    int written = -1;
    if (!lit_) {
        constexpr unsigned fraction = 16; // SRC_* are 16.16 fixed point
        flags |= DRM_MODE_ATOMIC_ALLOW_MODESET;
        for (const Object& cover : covers_) {
            request.set(cover, "FB_ID", 0);
            request.set(cover, "CRTC_ID", 0);
        }
        request.set(connector_, "CRTC_ID", crtc_.id);
        request.set(plane_, "CRTC_ID", crtc_.id);
        request.set(plane_, "SRC_X", 0);
        request.set(plane_, "SRC_Y", 0);
        request.set(plane_, "SRC_W", std::uint64_t{shown_width_} << fraction);
        request.set(plane_, "SRC_H", std::uint64_t{shown_height_} << fraction);
        request.set(plane_, "CRTC_X", 0);
        request.set(plane_, "CRTC_Y", 0);
        request.set(plane_, "CRTC_W", shown_width_);
        request.set(plane_, "CRTC_H", shown_height_);
    }
    request.set(plane_, "FB_ID", framebuffer);
    if (!lit_) {
        request.set(crtc_, "MODE_ID", mode_blob_);
        request.set(crtc_, "ACTIVE", 1);
    }
    request.set(crtc_, "OUT_FENCE_PTR", reinterpret_cast<std::uintptr_t>(&shown));
    if (writeback != 0) {
        if (!lit_)
            request.set(writeback_, "CRTC_ID", crtc_.id);
        request.set(writeback_, "WRITEBACK_FB_ID", writeback);
        request.set(writeback_, "WRITEBACK_OUT_FENCE_PTR", reinterpret_cast<std::uintptr_t>(&written));
    }
    if (writeback != 0)
        std::this_thread::sleep_until(clean_);
    const int error = request.commit(*file_, flags);
    const UniqueFd shown_fence(shown);
    const UniqueFd written_fence(written);
    if (error != 0)
        return Error::from_errno(error, file_->where("DRM_IOCTL_MODE_ATOMIC"), "the display does not show the frame");
    lit_ = true;
    for (const UniqueFd* fence : {&shown_fence, &written_fence}) {
        if (!*fence)
            continue;
        const auto done = os::wait(fence->get(), POLLIN, deadline, "the display's fence");
        if (!done)
            return done.error();
        if (!*done)
            return Error::timed_out("wait for the display", "it showed no frame before the deadline");
    }
    if (writeback != 0 && file_->info().driver == "vkms")
        clean_ = deadline_in(vkms_clean_up);
    return {};
}

void Stage::put_back() noexcept
{
    Request request;
    request.put_back(connector_, "CRTC_ID");
    std::uint32_t mode = 0;
    if (!mode_before_.empty())
        mode = make_blob(mode_before_.data(), mode_before_.size()).value_or(0);
    if (writeback_.id != 0)
        request.put_back(writeback_, "CRTC_ID");
    for (const std::string_view name : plane_properties)
        request.put_back(plane_, name);
    for (const Object& cover : covers_) {
        for (const std::string_view name : plane_properties)
            request.put_back(cover, name);
    }
    request.set(crtc_, "MODE_ID", mode);
    request.put_back(crtc_, "ACTIVE");
    if (request.commit(*file_, DRM_MODE_ATOMIC_ALLOW_MODESET) == 0)
        return;
    // What was shown may be gone, with the program that had shown it: then all is off.
    Request off;
    off.set(connector_, "CRTC_ID", 0);
    if (writeback_.id != 0)
        off.set(writeback_, "CRTC_ID", 0);
    off.set(plane_, "FB_ID", 0);
    off.set(plane_, "CRTC_ID", 0);
    off.set(crtc_, "MODE_ID", 0);
    off.set(crtc_, "ACTIVE", 0);
    off.commit(*file_, DRM_MODE_ATOMIC_ALLOW_MODESET);
}

Stage::~Stage()
{
    if (file_ != nullptr && lit_)
        put_back();
    // The blobs go with the file.
}

} // namespace commonbuf::drm
