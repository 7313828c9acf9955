// SPDX-License-Identifier: MIT
#pragma once

#include "backends/v4l2/node.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace commonbuf::v4l2 {

/// A control by the driver's name of it; nothing where the node has none.
std::optional<v4l2_queryctrl> find_control(const Node& node, std::string_view name);

/// The value of an item of a menu by its name; nothing where the menu has none.
std::optional<std::int32_t> find_menu_item(const Node& node, const v4l2_queryctrl& control, std::string_view item);

/// A control that has another value as long as this lives.
class HeldControl {
public:
    HeldControl(std::shared_ptr<Node> node, std::uint32_t id) : node_(std::move(node)), id_(id) {}
    HeldControl(const HeldControl&) = delete;
    HeldControl& operator=(const HeldControl&) = delete;
    HeldControl(HeldControl&&) = delete;
    HeldControl& operator=(HeldControl&&) = delete;
    ~HeldControl();

    /// The control as it is set; nothing where the node has none.
    std::optional<v4l2_control> value() const;

    /// Whether the control has the wanted value now and did not before.
    bool set(std::int32_t wanted);

private:
    std::shared_ptr<Node> node_;
    std::uint32_t id_;
    std::optional<std::int32_t> before_;
};

} // namespace commonbuf::v4l2
