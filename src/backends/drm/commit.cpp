// SPDX-License-Identifier: MIT
#include "backends/drm/commit_request.hpp"
#include "backends/drm/display.hpp"
#include "base/text.hpp"

#include <commonbuf/drm/commit.hpp>

#include <algorithm>
#include <utility>

namespace commonbuf::drm {

Commit::Commit(Display display, std::string name, Place where)
    : display_(std::move(display)),
      name_(std::move(name)),
      where_(where)
{}

void Commit::mistake(std::string detail)
{
    if (!mistake_)
        mistake_ = Error::invalid_argument(display_.state().file().where("prepare a commit"), std::move(detail));
}

Commit::Shown& Commit::shown(const DisplayPlane& plane)
{
    if (display_.state().plane(plane.id) == nullptr)
        mistake(text::format("plane {} is none of the display's", plane.id));
    const auto known =
        std::find_if(shown_.begin(), shown_.end(), [&](const Shown& one) { return one.plane == plane.id; });
    if (known == shown_.end())
        return shown_.emplace_back(Shown{plane.id, {}, {}, {}});
    *known = Shown{plane.id, {}, {}, {}};
    return *known;
}

Commit& Commit::show(const DisplayPlane& plane, const Buffer& buffer, const Fence& ready)
{
    shown(plane).buffer = buffer;
    return after(ready);
}

Commit& Commit::show(const DisplayPlane& plane, const Buffer& buffer, const Fence& ready, const Source& source,
                     const Target& target)
{
    Shown& one = shown(plane);
    one.buffer = buffer;
    one.source = source;
    one.target = target;
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

Commit& Commit::light()
{
    power_ = Power::on;
    return *this;
}

Commit& Commit::turn_off()
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
        mistake(text::format("object {} is none of the display's", object.id));
        return nullptr;
    }
    const PropertyInfo* info = object.find(property);
    if (info == nullptr) {
        std::vector<std::string> names;
        for (const PropertyInfo& one : object.properties)
            names.push_back(one.name);
        mistake(text::format("object {} has no property {}: it has {}", object.id, property,
                             names.empty() ? "none" : text::join(names, ", ")));
    }
    return info;
}

Commit& Commit::set(const DisplayObject& object, const PropertyInfo& property, std::uint64_t value)
{
    if (!property.takes(value))
        mistake(text::format("the property {} of object {} does not take {}{}", property.name, object.id, value,
                             property.immutable ? ": nobody can set it" : ""));
    settings_.push_back({object.id, property.id, value, {}});
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
    std::vector<std::string> names;
    for (const auto& [name, value] : info->names)
        names.push_back(name);
    mistake(text::format("the property {} of object {} has no value {}: it has {}", property, object.id, value_name,
                         names.empty() ? "no names" : text::join(names, ", ")));
    return *this;
}

Commit& Commit::set(const DisplayObject& object, std::string_view property, std::span<const std::byte> blob)
{
    const PropertyInfo* info = settable(object, property);
    if (info == nullptr)
        return *this;
    if (info->kind != PropertyKind::blob || info->immutable)
        mistake(text::format("the property {} of object {} takes no blob", property, object.id));
    settings_.push_back({object.id, info->id, 0, std::vector<std::byte>(blob.begin(), blob.end())});
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

Result<Judgement> judge(std::span<const Commit> candidates)
{
    Judgement judgement;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const auto request = CommitRequest::create(candidates[i]);
        Status taken = request ? (*request)->test() : Status(request.error());
        if (taken) {
            judgement.accepted = i;
            return judgement;
        }
        if (!is_refusal(taken.error()))
            return std::move(taken.error());
        judgement.refused.push_back(std::move(taken.error()));
    }
    return judgement;
}

} // namespace commonbuf::drm
