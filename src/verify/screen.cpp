// SPDX-License-Identifier: MIT
#include "verify/screen.hpp"

#include "base/text.hpp"
#include "os/os.hpp"

#include <commonbuf/drm/commit.hpp>
#include <commonbuf/drm/display.hpp>

#include <drm.h>
#include <drm_fourcc.h>
#include <drm_mode.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>

namespace commonbuf::content {
namespace {

/// How long a driver may clean up after a writeback whose fence has signalled. Linux up to 7.3: vkms
/// stops composing in there, and loses a writeback that was committed before. No driver says when
/// its clean-up is over, so all get the pause.
constexpr std::chrono::milliseconds clean_up(30);

constexpr std::array<std::string_view, 10> plane_properties{"FB_ID", "CRTC_ID", "SRC_X",  "SRC_Y",  "SRC_W",
                                                            "SRC_H", "CRTC_X",  "CRTC_Y", "CRTC_W", "CRTC_H"};

std::uint64_t value_of(const drm::DisplayObject& object, std::string_view name)
{
    const drm::PropertyInfo* property = object.find(name);
    return property != nullptr ? property->value : 0;
}

/// Reads a mode's blob; empty for 0 and for a blob that is gone.
std::vector<std::byte> read_mode(const drm::Device& card, std::uint64_t id)
{
    std::vector<std::byte> mode(sizeof(drm_mode_modeinfo));
    drm_mode_get_blob request{.blob_id = static_cast<std::uint32_t>(id),
                              .length = static_cast<std::uint32_t>(mode.size()),
                              .data = reinterpret_cast<std::uintptr_t>(mode.data())};
    const bool there = id != 0 && os::ioctl_again(card.fd(), DRM_IOCTL_MODE_GETPROPBLOB, &request) == 0 &&
                       request.length == mode.size();
    return there ? mode : std::vector<std::byte>();
}

const drm::Mode& best_mode(const std::vector<drm::Mode>& modes, std::uint32_t width, std::uint32_t height)
{
    const auto cost = [&](const drm::Mode& mode) {
        const bool fits = mode.width >= width && mode.height >= height;
        const std::int64_t area = std::int64_t{mode.width} * mode.height;
        return std::tuple(!fits, fits ? area : -area, -std::int64_t{mode.refresh_millihertz});
    };
    return *std::ranges::min_element(modes, {}, cost);
}

/// Makes a mode of the picture's own size, at a high rate. A virtual display has no cable: it takes
/// that, and has nothing else to paint.
std::optional<drm::Mode> free_mode(const drm::Connector& connector, std::uint32_t width, std::uint32_t height)
{
    constexpr std::uint32_t largest = 8192;
    constexpr unsigned blank = 32;
    constexpr unsigned rate = 240;
    if (!connector.name.starts_with("Virtual") || width > largest || height > largest)
        return std::nullopt;
    const drm_mode_modeinfo info{
        .clock = (width + blank) * (height + blank) / 1000 * rate + rate, // kHz
        .hdisplay = static_cast<__u16>(width),
        .hsync_start = static_cast<__u16>(width + blank / 4),
        .hsync_end = static_cast<__u16>(width + blank / 2),
        .htotal = static_cast<__u16>(width + blank),
        .vdisplay = static_cast<__u16>(height),
        .vsync_start = static_cast<__u16>(height + blank / 4),
        .vsync_end = static_cast<__u16>(height + blank / 2),
        .vtotal = static_cast<__u16>(height + blank),
        .vrefresh = rate,
        .type = DRM_MODE_TYPE_USERDEF,
    };
    drm::Mode mode{.name = text::format("{}x{}", width, height),
                   .width = width,
                   .height = height,
                   .refresh_millihertz = rate * 1000};
    static_assert(sizeof info == sizeof mode.timings);
    std::memcpy(mode.timings.data(), &info, sizeof info);
    return mode;
}

const drm::DisplayPlane* plane_for(const drm::Display& display, const drm::UsedPlanes& used, Format format)
{
    const auto planes = display.planes();
    const auto shows = [format](const drm::FormatModifier& each) { return each.format == format; };
    const auto found = std::find_if(planes.begin(), planes.end(), [&](const drm::DisplayPlane& plane) {
        return (used.plane ? plane.id == used.plane : plane.type == used.type) &&
               std::any_of(plane.formats.begin(), plane.formats.end(), shows);
    });
    return found != planes.end() ? &*found : nullptr;
}

/// Shows as much of the picture as the mode has room for.
void show(drm::Commit& commit, const drm::DisplayPlane& plane, const Buffer& picture)
{
    const drm::Mode& mode = commit.display().mode();
    const std::uint32_t width = std::min(picture.layout().width, mode.width);
    const std::uint32_t height = std::min(picture.layout().height, mode.height);
    const auto part =
        drm::SourceRect::pixels(0, 0, static_cast<std::uint16_t>(width), static_cast<std::uint16_t>(height));
    commit.show(plane, picture, {}, part, {0, 0, width, height});
}

/// Whether the kernel would light the display with this picture (TEST_ONLY).
bool can_show(const drm::Display& display, const drm::UsedPlanes& used, const Buffer& picture)
{
    const drm::DisplayPlane* plane = plane_for(display, used, picture.layout().format);
    if (plane == nullptr)
        return false;
    drm::Commit commit(display, "verify");
    show(commit.enable(), *plane, picture);
    const auto answer = drm::test_commits(std::span(&commit, 1));
    return answer && answer->accepted;
}

Result<drm::Display> choose_display(const drm::Device& card, const drm::DisplayResources& all,
                                    const drm::UsedPlanes& used, const Buffer& picture)
{
    const Layout& image = picture.layout();
    for (const drm::Connector& connector : all.connectors) {
        if (connector.writeback || !connector.connected || connector.modes.empty())
            continue;
        drm::DisplayRequest request{.connector = connector.name};
        request.mode = free_mode(connector, image.width, image.height);
        if (request.mode) {
            if (auto display = drm::Display::choose(card, request); display && can_show(*display, used, picture))
                return display;
        }
        request.mode = best_mode(connector.modes, image.width, image.height);
        if (auto display = drm::Display::choose(card, request))
            return display;
    }
    return Error::not_present("find a display on " + card.info().path, "no display is connected and free");
}

/// Sets a property as it was found. If the object does not have it, the driver has no choice there.
void restore(drm::Commit& commit, const drm::DisplayObject& object, std::string_view name)
{
    if (const drm::PropertyInfo* property = object.find(name); property != nullptr && !property->immutable)
        commit.set(object, name, property->value);
}

} // namespace

Result<Screen> Screen::choose(const drm::Device& card, const drm::UsedPlanes& used, const Buffer& picture)
{
    const auto all = drm::display_resources(card);
    if (!all)
        return all.error();
    auto display = choose_display(card, *all, used, picture);
    if (!display)
        return display.error();
    const drm::DisplayPlane* plane = plane_for(*display, used, picture.layout().format);
    if (plane == nullptr)
        return Error::unsupported("find a plane on " + card.info().path,
                                  "no plane of the display's CRTC shows " + to_string(picture.layout().format));
    const auto crtc = std::find_if(all->crtcs.begin(), all->crtcs.end(),
                                   [&](const drm::Crtc& each) { return each.id == display->crtc().id; });
    auto queue = drm::CommitQueue::create(*display);
    if (!queue)
        return queue.error();
    return Screen(std::move(*queue), *plane, picture.layout(), static_cast<std::uint32_t>(crtc - all->crtcs.begin()));
}

Screen::Screen(drm::CommitQueue queue, const drm::DisplayPlane& plane, const Layout& picture, std::uint32_t crtc_index)
    : queue_(std::move(queue)),
      plane_(&plane),
      crtc_index_(crtc_index),
      shown_width_(std::min(picture.width, display().mode().width)),
      shown_height_(std::min(picture.height, display().mode().height)),
      mode_before_(read_mode(display().device(), value_of(display().crtc(), "MODE_ID")))
{}

std::optional<Format> Screen::writeback_format() const noexcept
{
    const drm::Connector* connector = display().writeback();
    if (connector == nullptr)
        return std::nullopt;
    // Every plane's colours fit into the deepest, but most displays have only this one.
    for (const Format wanted : {DRM_FORMAT_XRGB8888, DRM_FORMAT_ARGB8888, DRM_FORMAT_XBGR8888}) {
        const auto& known = connector->write_formats;
        if (std::find(known.begin(), known.end(), wanted) != known.end())
            return wanted;
    }
    return std::nullopt;
}

Status Screen::show(const Buffer& picture, const Buffer* written, Deadline deadline)
{
    drm::Commit next(display(), "verify");
    if (!lit_)
        next.enable();
    content::show(next, *plane_, picture);
    if (written != nullptr) {
        std::this_thread::sleep_until(settled_);
        next.write_back(*written);
    }
    Status done = commit(std::move(next), deadline, true);
    if (done && written != nullptr)
        settled_ = deadline_in(clean_up);
    return done;
}

Status Screen::commit(drm::Commit commit, Deadline deadline, bool shows)
{
    const auto done = queue_.commit(std::move(commit), deadline);
    if (!done)
        return done.error();
    lit_ = shows;
    for (const Fence& fence : {done->shown, done->written}) {
        if (Status over = fence.wait(deadline); !over)
            return over.error().category == Category::timed_out
                       ? Error::timed_out("wait for the display", "it showed no frame before the deadline")
                       : std::move(over.error());
    }
    return {};
}

void Screen::put_back()
{
    const drm::Display& here = display();
    drm::Commit back(here, "verify");
    back.allow_modeset();
    restore(back, here.connector(), "CRTC_ID");
    if (here.writeback() != nullptr)
        restore(back, *here.writeback(), "CRTC_ID");
    for (const drm::DisplayPlane& plane : here.planes()) {
        if (plane.id != plane_->id && value_of(plane, "CRTC_ID") != here.crtc().id)
            continue;
        for (const std::string_view name : plane_properties)
            restore(back, plane, name);
    }
    back.set(here.crtc(), "MODE_ID", std::span<const std::byte>(mode_before_));
    restore(back, here.crtc(), "ACTIVE");
    constexpr std::chrono::seconds patience(5);
    if (commit(std::move(back), deadline_in(patience), false))
        return;
    // What was shown may be gone, with the program that had shown it: then all is off.
    drm::Commit off(here, "verify");
    off.disable();
    static_cast<void>(commit(std::move(off), deadline_in(patience), false));
}

Screen::~Screen()
{
    if (queue_ && lit_)
        put_back();
}

} // namespace commonbuf::content
