// SPDX-License-Identifier: MIT
#pragma once

#include <linux/videodev2.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace commonbuf::content {

/// Finds a control of a V4L2 node by the driver's name of it.
std::optional<v4l2_queryctrl> find_control(int node, std::string_view name);

/// The value of an item of a menu by its name; nothing if the menu has no such item.
std::optional<std::int32_t> find_menu_item(int node, const v4l2_queryctrl& control, std::string_view item);

/// A control that has another value as long as this lives.
class HeldControl {
public:
    /// `node` is borrowed. An id of 0 is a control that the node does not have.
    HeldControl(int node, std::uint32_t id) noexcept : node_(node), id_(id) {}
    HeldControl(const HeldControl&) = delete;
    HeldControl& operator=(const HeldControl&) = delete;
    ~HeldControl();

    /// The control as it is set; nothing if the node has none.
    std::optional<v4l2_control> value() const;

    /// Sets the control. Whether that made a difference: false if it had the value before, or the
    /// driver refuses.
    bool set(std::int32_t wanted);

private:
    int node_;
    std::uint32_t id_;
    std::optional<std::int32_t> before_;
};

} // namespace commonbuf::content
