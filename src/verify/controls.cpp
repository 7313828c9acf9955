// SPDX-License-Identifier: MIT
#include "verify/controls.hpp"

#include "os/os.hpp"

#include <cstring>
#include <span>

namespace commonbuf::content {
namespace {

bool is_named(std::span<const __u8> field, std::string_view name)
{
    return field.size() > name.size() && std::memcmp(field.data(), name.data(), name.size()) == 0 &&
           field[name.size()] == 0;
}

} // namespace

std::optional<v4l2_queryctrl> find_control(int node, std::string_view name)
{
    // No driver has as many; one that never says EINVAL must not hold us.
    constexpr int most = 4096;
    v4l2_queryctrl control{};
    for (int i = 0; i < most; ++i) {
        control.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
        if (os::ioctl(node, VIDIOC_QUERYCTRL, &control) != 0)
            return std::nullopt;
        if (is_named(control.name, name))
            return control;
    }
    return std::nullopt;
}

std::optional<std::int32_t> find_menu_item(int node, const v4l2_queryctrl& control, std::string_view item)
{
    for (std::int32_t i = control.minimum; control.type == V4L2_CTRL_TYPE_MENU && i <= control.maximum; ++i) {
        v4l2_querymenu menu{};
        menu.id = control.id;
        menu.index = static_cast<__u32>(i);
        // Menus have gaps.
        if (os::ioctl(node, VIDIOC_QUERYMENU, &menu) == 0 && is_named(menu.name, item))
            return i;
    }
    return std::nullopt;
}

std::optional<v4l2_control> HeldControl::value() const
{
    v4l2_control control{id_, 0};
    return os::ioctl(node_, VIDIOC_G_CTRL, &control) == 0 ? std::optional(control) : std::nullopt;
}

bool HeldControl::set(std::int32_t wanted)
{
    const auto now = value();
    if (!now || now->value == wanted)
        return false;
    v4l2_control control{id_, wanted};
    if (os::ioctl(node_, VIDIOC_S_CTRL, &control) != 0)
        return false;
    if (!before_)
        before_ = now->value;
    return true;
}

HeldControl::~HeldControl()
{
    if (!before_)
        return;
    v4l2_control control{id_, *before_};
    os::ioctl(node_, VIDIOC_S_CTRL, &control);
}

} // namespace commonbuf::content
