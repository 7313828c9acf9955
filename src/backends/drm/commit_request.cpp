// SPDX-License-Identifier: MIT
#include "backends/drm/commit_request.hpp"

#include "backends/drm/framebuffer.hpp"
#include "backends/drm/objects.hpp"
#include "base/text.hpp"
#include "os/drm_node.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

namespace commonbuf::drm {
namespace {

constexpr unsigned fraction = 16; // SRC_* are 16.16 fixed point

/// Returns the part of an image that is shown; nothing if it reaches beyond the image.
std::optional<SourceRect> part_of(const Layout& layout, const std::optional<SourceRect>& wanted)
{
    constexpr std::uint32_t largest = std::numeric_limits<std::uint16_t>::max();
    if (!wanted) {
        if (layout.width > largest || layout.height > largest)
            return std::nullopt;
        return SourceRect::pixels(0, 0, static_cast<std::uint16_t>(layout.width),
                                  static_cast<std::uint16_t>(layout.height));
    }
    const std::uint64_t right = std::uint64_t{wanted->x} + wanted->width;
    const std::uint64_t bottom = std::uint64_t{wanted->y} + wanted->height;
    if (right > std::uint64_t{layout.width} << fraction || bottom > std::uint64_t{layout.height} << fraction)
        return std::nullopt;
    return wanted;
}

std::uint64_t address_of(std::int32_t& number) { return reinterpret_cast<std::uintptr_t>(&number); }

} // namespace

Result<std::unique_ptr<CommitRequest>> CommitRequest::create(const Commit& commit)
{
    if (commit.mistake_)
        return *commit.mistake_;
    std::unique_ptr<CommitRequest> request(new CommitRequest(commit));
    if (const Status prepared = request->prepare(); !prepared)
        return prepared.error();
    return request;
}

CommitRequest::~CommitRequest()
{
    // The kernel keeps those that it uses.
    for (const std::uint32_t blob : blobs_)
        destroy_blob(state_.file(), blob);
}

void CommitRequest::set(const DisplayObject& object, std::string_view name, std::uint64_t value)
{
    // If a property is missing, the driver has no choice there.
    if (const PropertyInfo* property = object.find(name); property != nullptr)
        values_.push_back({object.id, property->id, value});
}

/// What the kernel would refuse with EINVAL, whatever the mistake.
Status CommitRequest::check_async() const
{
    if (!commit_.async_)
        return {};
    const std::string operation = "prepare a flip on " + state_.file().info().path + " that does not wait for vblank";
    const bool only_pictures = commit_.power_ == Commit::Power::as_it_is && !commit_.written_ &&
                               !commit_.shown_.empty() &&
                               std::all_of(commit_.shown_.begin(), commit_.shown_.end(),
                                           [](const Commit::Shown& one) { return one.buffer.has_value(); });
    if (!only_pictures)
        return Error::invalid_argument(operation, "such a flip replaces buffers and changes nothing else",
                                       "turn displays and planes on and off, and write back, in commits of their own");
    if (!state_.file().info().atomic_async_flips)
        return Error::unsupported(operation,
                                  "the driver has no such flips in atomic commits (DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP)");
    return {};
}

Status CommitRequest::check_event() const
{
    if (!commit_.event_ || !stays_off())
        return {};
    return Error::unsupported("prepare a commit to " + state_.file().info().path,
                              text::format("an event was asked for, and {} is off and stays off: nothing will be "
                                           "on its screen",
                                           state_.connector.name));
}

Status CommitRequest::prepare()
{
    if (Status flips = check_async(); !flips)
        return flips;
    power();
    for (const Commit::Shown& shown : commit_.shown_) {
        if (!shown.buffer || commit_.power_ == Commit::Power::off)
            hide(shown.plane);
        else if (Status done = show(shown); !done)
            return done;
    }
    // A new mode starts only with what it was asked for, and the kernel refuses planes on a CRTC
    // that is off. So the other planes are turned off.
    if (commit_.power_ != Commit::Power::as_it_is) {
        if (Status hidden = hide_others(); !hidden)
            return hidden;
    }
    Status written = commit_.written_ ? write_back(*commit_.written_) : Status();
    return written ? settings() : written;
}

void CommitRequest::power()
{
    if (commit_.power_ == Commit::Power::as_it_is)
        return;
    const bool on = commit_.power_ == Commit::Power::on;
    const std::uint32_t crtc = on ? state_.crtc.id : 0;
    set(state_.connector, "CRTC_ID", crtc);
    if (state_.writeback && (!on || commit_.written_))
        set(*state_.writeback, "CRTC_ID", crtc);
    set(state_.crtc, "MODE_ID", on ? state_.mode_blob : 0);
    set(state_.crtc, "ACTIVE", on ? 1 : 0);
    description_.push_back(on ? text::format("{} in mode {}", state_.connector.name, state_.mode.name)
                              : state_.connector.name + " off");
}

void CommitRequest::hide(std::uint32_t plane)
{
    const DisplayPlane& object = *state_.plane(plane);
    set(object, "FB_ID", 0);
    set(object, "CRTC_ID", 0);
    changed_.push_back(plane);
    description_.push_back(text::format("plane {} off", plane));
}

Status CommitRequest::hide_others()
{
    for (const DisplayPlane& plane : state_.planes) {
        const PropertyInfo* crtc = plane.find("CRTC_ID");
        if (crtc == nullptr || std::find(changed_.begin(), changed_.end(), plane.id) != changed_.end())
            continue;
        const auto values = property_values(state_.file(), plane.id, DRM_MODE_OBJECT_PLANE);
        if (!values && values.error().sys_errno != ENOENT) // what is gone shows nothing
            return values.error();
        const std::pair here(crtc->id, std::uint64_t{state_.crtc.id});
        if (values && std::find(values->begin(), values->end(), here) != values->end())
            hide(plane.id);
    }
    return {};
}

Status CommitRequest::show(const Commit::Shown& shown)
{
    const DisplayPlane& plane = *state_.plane(shown.plane);
    const Layout& layout = shown.buffer->layout();
    const auto source = part_of(layout, shown.source);
    if (!source)
        return Error::invalid_argument(
            "prepare a commit to " + state_.file().info().path,
            text::format("the part for plane {} reaches beyond the image of {}x{}, or the image beyond the 65535 "
                         "pixels that DRM can address",
                         plane.id, layout.width, layout.height));
    auto framebuffer = import_framebuffer(state_.device.file(), *shown.buffer);
    if (!framebuffer)
        return std::move(framebuffer.error());
    // Cursor planes do not scale.
    const CrtcRect whole = plane.type == PlaneType::cursor
                               ? CrtcRect{0, 0, source->width >> fraction, source->height >> fraction}
                               : CrtcRect{0, 0, state_.mode.width, state_.mode.height};
    const CrtcRect target = shown.target.value_or(whole);
    set(plane, "CRTC_ID", state_.crtc.id);
    set(plane, "FB_ID", framebuffer->id());
    set(plane, "SRC_X", source->x);
    set(plane, "SRC_Y", source->y);
    set(plane, "SRC_W", source->width);
    set(plane, "SRC_H", source->height);
    set(plane, "CRTC_X", static_cast<std::uint64_t>(std::int64_t{target.x}));
    set(plane, "CRTC_Y", static_cast<std::uint64_t>(std::int64_t{target.y}));
    set(plane, "CRTC_W", target.width);
    set(plane, "CRTC_H", target.height);
    changed_.push_back(plane.id);
    description_.push_back(text::format("{} plane {}: {}x{} of {} at {},{} with {}x{}", to_string(plane.type), plane.id,
                                        source->width >> fraction, source->height >> fraction, to_string(layout),
                                        target.x, target.y, target.width, target.height));
    return {};
}

Status CommitRequest::write_back(const Buffer& buffer)
{
    auto framebuffer = import_framebuffer(state_.device.file(), buffer);
    if (!framebuffer)
        return std::move(framebuffer.error());
    set(*state_.writeback, "CRTC_ID", state_.crtc.id);
    set(*state_.writeback, "WRITEBACK_FB_ID", framebuffer->id());
    description_.push_back("writeback into " + to_string(buffer.layout()));
    return {};
}

Status CommitRequest::settings()
{
    first_setting_ = values_.size();
    for (const Commit::Setting& setting : commit_.settings_) {
        std::uint64_t value = setting.value;
        if (setting.blob && !setting.blob->empty()) {
            const auto blob = create_blob(state_.file(), *setting.blob);
            if (!blob) {
                Error failure = blob.error();
                failure.detail = text::format("for the property {} of object {}", setting.name, setting.object);
                return failure;
            }
            blobs_.push_back(*blob);
            value = *blob;
        }
        values_.push_back({setting.object, setting.property, value});
        description_.push_back(setting.blob ? text::format("{} of object {}: a blob of {} bytes", setting.name,
                                                           setting.object, setting.blob->size())
                                            : text::format("{} of object {}: {}", setting.name, setting.object, value));
    }
    return {};
}

std::uint32_t CommitRequest::common_flags() const noexcept
{
    const bool modeset = commit_.modeset_ || commit_.power_ != Commit::Power::as_it_is;
    return (modeset ? unsigned{DRM_MODE_ATOMIC_ALLOW_MODESET} : 0U) |
           (commit_.async_ ? unsigned{DRM_MODE_PAGE_FLIP_ASYNC} : 0U);
}

int CommitRequest::ioctl(const std::vector<Value>& values, std::uint32_t flags) const
{
    // The kernel wants the values in groups, one for each object.
    std::vector<std::uint32_t> objects;
    std::vector<std::uint32_t> counts;
    std::vector<std::uint32_t> properties;
    std::vector<std::uint64_t> numbers;
    for (const Value& each : values) {
        if (objects.empty() || objects.back() != each.object) {
            objects.push_back(each.object);
            counts.push_back(0);
        }
        ++counts.back();
        properties.push_back(each.property);
        numbers.push_back(each.value);
    }
    drm_mode_atomic request{
        .flags = flags | common_flags(),
        .count_objs = static_cast<std::uint32_t>(objects.size()),
        .objs_ptr = address(objects),
        .count_props_ptr = address(counts),
        .props_ptr = address(properties),
        .prop_values_ptr = address(numbers),
        .user_data = commit_.event_.value_or(0),
    };
    return state_.file().ioctl(DRM_IOCTL_MODE_ATOMIC, &request);
}

Status CommitRequest::call(std::uint32_t flags, const char* operation) const
{
    const int error = ioctl(values_, flags);
    return error == 0 ? Status() : Status(failure(error, operation));
}

Status CommitRequest::test()
{
    if (Status event = check_event(); !event)
        return event;
    return call(DRM_MODE_ATOMIC_TEST_ONLY, "test a commit");
}

bool CommitRequest::stays_off() const
{
    const PropertyInfo* active = state_.crtc.find("ACTIVE");
    if (active == nullptr || commit_.power_ == Commit::Power::on)
        return false;
    const bool turned_on = std::any_of(values_.begin(), values_.end(), [&](const Value& each) {
        return each.object == state_.crtc.id && each.property == active->id && each.value != 0;
    });
    const auto now = property_values(state_.file(), state_.crtc.id, DRM_MODE_OBJECT_CRTC);
    return !turned_on && now &&
           std::find(now->begin(), now->end(), std::pair(active->id, std::uint64_t{0})) != now->end();
}

Result<CommitRequest::Fences> CommitRequest::attempt(int in_fence, bool out_fence)
{
    const std::vector<Value> without_fences = values_;
    for (const Commit::Shown& one : commit_.shown_) {
        if (in_fence >= 0 && one.buffer && commit_.power_ != Commit::Power::off)
            set(*state_.plane(one.plane), "IN_FENCE_FD", static_cast<std::uint64_t>(in_fence));
    }
    std::int32_t shown = -1;
    std::int32_t written = -1;
    if (out_fence)
        set(state_.crtc, "OUT_FENCE_PTR", address_of(shown));
    if (commit_.written_)
        set(*state_.writeback, "WRITEBACK_OUT_FENCE_PTR", address_of(written));
    // A flip at once is waited for inside the call: it may have no fence, and is over soon.
    const std::uint32_t flags = (commit_.event_ ? unsigned{DRM_MODE_PAGE_FLIP_EVENT} : 0U) |
                                (commit_.async_ ? 0U : unsigned{DRM_MODE_ATOMIC_NONBLOCK});
    const int error = ioctl(values_, flags);
    values_ = without_fences;
    Fences fences{UniqueFd(shown), UniqueFd(written)};
    if (error != 0)
        return failure(error, "make a commit");
    return fences;
}

Result<CommitRequest::Fences> CommitRequest::commit(int in_fence)
{
    auto made = attempt(in_fence, !commit_.async_);
    // The kernel has no fence or event for a CRTC that is and stays off. Asked only then: it is rare.
    if (made || commit_.async_ || made.error().sys_errno != EINVAL || !stays_off())
        return made;
    if (Status event = check_event(); !event)
        return event.error();
    return attempt(in_fence, false);
}

bool CommitRequest::may_be_for_the_fence(const Error& refusal) const
{
    switch (refusal.sys_errno) {
    case EPERM:
    case EINVAL:
    case EOPNOTSUPP: break;
    default: return false;
    }
    return refusal.category != Category::not_master && ioctl(values_, DRM_MODE_ATOMIC_TEST_ONLY) == 0;
}

/// Whether it is one picture, whole and unscaled, and nothing else.
bool CommitRequest::shows_plainly() const
{
    if (commit_.shown_.size() != 1 || commit_.written_ || !commit_.settings_.empty() || commit_.async_)
        return false;
    const Commit::Shown& one = commit_.shown_.front();
    if (!one.buffer || one.source)
        return false;
    const Layout& image = one.buffer->layout();
    const std::uint32_t width = one.target ? one.target->width : state_.mode.width;
    const std::uint32_t height = one.target ? one.target->height : state_.mode.height;
    return width == image.width && height == image.height;
}

bool CommitRequest::is_of_the_picture(const Error& refusal) const
{
    if (refusal.category != Category::unsupported || refusal.target != state_.file().info().path ||
        refusal.call != "DRM_IOCTL_MODE_ATOMIC" || commit_.buffers().size() != 1)
        return false;
    // A test does not look at memory (drm_atomic_helper_prepare_planes() does). What it takes was
    // refused for the memory.
    if (ioctl(values_, DRM_MODE_ATOMIC_TEST_ONLY) == 0)
        return true;
    // What it refuses may be a place, a scale, a mode, bandwidth, or a display that is off.
    return refusal.sys_errno == EINVAL && shows_plainly() && !stays_off() &&
           ioctl(values_, DRM_MODE_ATOMIC_TEST_ONLY | DRM_MODE_ATOMIC_ALLOW_MODESET) != 0;
}

Error CommitRequest::denied(Error failure) const
{
    if (os::is_drm_master(state_.file().fd()))
        return refusal(std::move(failure));
    failure.category = Category::not_master;
    failure.detail = "this file is not DRM master at present";
    failure.advice = "become master (DRM_IOCTL_SET_MASTER), or take the descriptor from logind, libseat or a lease";
    return failure;
}

/// Says what was refused. If the kernel takes the commit without one of the caller's own properties,
/// it is that one.
Error CommitRequest::refusal(Error failure) const
{
    const bool denied = failure.category == Category::permission_denied;
    failure.detail =
        denied ? "this file is DRM master; the driver itself denies the commit" : "the driver refuses the commit";
    const std::size_t settings = values_.size() - std::min(first_setting_, values_.size());
    const bool is_tested = settings > 0 && ioctl(values_, DRM_MODE_ATOMIC_TEST_ONLY) != 0;
    for (std::size_t i = 0; is_tested && i < commit_.settings_.size() && i < settings; ++i) {
        std::vector<Value> rest = values_;
        rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(first_setting_ + i));
        if (ioctl(rest, DRM_MODE_ATOMIC_TEST_ONLY) != 0)
            continue;
        const Commit::Setting& setting = commit_.settings_[i];
        failure.target = setting.name;
        failure.detail =
            text::format("the driver refuses this property of object {}, and takes the rest", setting.object);
        break;
    }
    if (!description_.empty())
        failure.detail += ": " + text::join(description_, "; ");
    return failure;
}

Error CommitRequest::failure(int error, const char* operation) const
{
    Error failure = Error::from_errno(error, state_.file().where("DRM_IOCTL_MODE_ATOMIC"));
    failure.operation = operation;
    switch (error) {
    case EACCES:
    case EPERM: return denied(std::move(failure));
    case ENOENT: return state_.lost(std::move(failure));
    case EBUSY: failure.detail = "another commit to this CRTC is not on the screen yet"; return failure;
    case ENODEV: failure.detail = "the card is gone"; return failure;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EIO:
        failure.detail = "the driver could not make the commit: " + text::join(description_, "; ");
        return failure;
    // ENOSPC among them: a part that reaches beyond the image, not a lack of memory.
    default: failure.category = Category::unsupported; return refusal(std::move(failure));
    }
}

} // namespace commonbuf::drm
