// SPDX-License-Identifier: MIT
#include <commonbuf/drm/commit.hpp>

#include "backends/drm/commit_request.hpp"
#include "backends/drm/display.hpp"
#include "backends/drm/objects.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace commonbuf::drm {

// NOLINTNEXTLINE(performance-unnecessary-value-param): as it is declared
Commit::Commit(Display display, std::string name, Place where)
    : display_(display),
      name_(std::move(name)),
      where_(where)
{}

void Commit::mistake(std::string detail, std::string_view property)
{
    if (mistake_)
        return;
    mistake_ = Error::invalid_argument("prepare a commit to " + display_.device().info().path, std::move(detail));
    mistake_->target = property;
}

Commit::Shown& Commit::shown(const DisplayPlane& plane)
{
    if (display_.state().plane(plane.id) == nullptr)
        mistake(text::format("plane {} does not belong to the display", plane.id));
    const auto known =
        std::find_if(shown_.begin(), shown_.end(), [&](const Shown& one) { return one.plane == plane.id; });
    Shown& one = known != shown_.end() ? *known : shown_.emplace_back();
    one = {.plane = plane.id};
    return one;
}

Commit& Commit::show(const DisplayPlane& plane, const Buffer& buffer, const Fence& ready)
{
    shown(plane).buffer = buffer;
    return after(ready);
}

Commit& Commit::show(const DisplayPlane& plane, const Buffer& buffer, const Fence& ready, const SourceRect& source,
                     const CrtcRect& target)
{
    shown(plane) = {plane.id, buffer, source, target};
    return after(ready);
}

Commit& Commit::hide(const DisplayPlane& plane)
{
    shown(plane);
    return *this;
}

Commit& Commit::write_back(const Buffer& buffer)
{
    if (display_.writeback() == nullptr)
        mistake("the display has no writeback connector");
    written_ = buffer;
    return *this;
}

Commit& Commit::enable()
{
    power_ = Power::on;
    return *this;
}

Commit& Commit::disable()
{
    power_ = Power::off;
    return *this;
}

Commit& Commit::after(const Fence& fence)
{
    after_ = Fence::merge(std::array{after_, fence});
    return *this;
}

Commit& Commit::wait_by(FenceWait who) noexcept
{
    wait_ = who;
    return *this;
}

Commit& Commit::allow_modeset() noexcept
{
    modeset_ = true;
    return *this;
}

Commit& Commit::flip_async() noexcept
{
    async_ = true;
    return *this;
}

Commit& Commit::event(std::uint64_t user_data) noexcept
{
    event_ = user_data;
    return *this;
}

const PropertyInfo* Commit::settable(const DisplayObject& object, std::string_view property)
{
    const DisplayState& state = display_.state();
    const bool known = object.id == state.connector.id || object.id == state.crtc.id ||
                       (state.writeback && object.id == state.writeback->id) || state.plane(object.id) != nullptr;
    if (!known) {
        mistake(text::format("object {} does not belong to the display", object.id), property);
        return nullptr;
    }
    const PropertyInfo* info = object.find(property);
    if (info == nullptr)
        mistake(text::format("object {} has no such property: it has {}", object.id,
                             names_of(object.properties, &PropertyInfo::name)),
                property);
    return info;
}

Commit& Commit::set(const DisplayObject& object, const PropertyInfo& property, std::uint64_t value)
{
    if (!property.takes(value))
        mistake(text::format("object {} does not take {} for this property{}", object.id, value,
                             property.immutable ? ": nobody can set it" : ""),
                property.name);
    settings_.push_back({object.id, property.id, property.name, value, {}});
    return *this;
}

Commit& Commit::set(const DisplayObject& object, std::string_view property, std::uint64_t value)
{
    const PropertyInfo* info = settable(object, property);
    return info != nullptr ? set(object, *info, value) : *this;
}

Commit& Commit::set(const DisplayObject& object, std::string_view property, std::string_view value_name)
{
    const PropertyInfo* info = settable(object, property);
    if (info == nullptr)
        return *this;
    if (const auto value = info->named(value_name))
        return set(object, *info, *value);
    const auto name = [](const auto& named) { return named.first; };
    mistake(text::format("object {} has no value {} for this property: it has {}", object.id, value_name,
                         names_of(info->names, name, "no names")),
            property);
    return *this;
}

Commit& Commit::set(const DisplayObject& object, std::string_view property, std::span<const std::byte> blob)
{
    const PropertyInfo* info = settable(object, property);
    if (info == nullptr)
        return *this;
    if (info->kind != PropertyKind::blob || info->immutable)
        mistake(text::format("object {} takes no blob for this property", object.id), property);
    settings_.push_back({object.id, info->id, info->name, 0, std::vector<std::byte>(blob.begin(), blob.end())});
    return *this;
}

std::vector<Buffer> Commit::buffers() const
{
    std::vector<Buffer> all;
    for (const Shown& one : shown_) {
        if (one.buffer)
            all.push_back(*one.buffer);
    }
    if (written_)
        all.push_back(*written_);
    return all;
}

Result<TestResult> test_commits(std::span<const Commit> candidates)
{
    TestResult result;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const auto request = CommitRequest::create(candidates[i]);
        Status taken = request ? (*request)->test() : Status(request.error());
        if (taken) {
            result.accepted = i;
            return result;
        }
        if (taken.error().is_transient())
            return std::move(taken.error());
        result.refused.push_back(std::move(taken.error()));
    }
    return result;
}

} // namespace commonbuf::drm
