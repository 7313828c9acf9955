// SPDX-License-Identifier: MIT
#pragma once

#include "fake/machine.hpp"

#include <cstdint>
#include <optional>
#include <set>

struct drm_mode_atomic;
struct drm_mode_get_connector;
struct drm_mode_get_property;
struct drm_mode_obj_get_properties;

namespace fake {

/// Modesetting of one open DRM file, where the card's model has a display.
class Displays {
public:
    static constexpr std::uint32_t primary = 31;
    static constexpr std::uint32_t overlay = 32;
    static constexpr std::uint32_t connector = 41;
    static constexpr std::uint32_t writeback = 42;
    static constexpr std::uint32_t crtc = 51;

    explicit Displays(CardModel& card) : card_(card), model_(card.display) {}

    /// Nothing for what it leaves to the card.
    std::optional<int> ioctl(Machine& machine, unsigned long request, void* argument);
    short ready(short events) const;
    ssize_t read(void* buffer, std::size_t size) const;
    void closed(Machine& machine) const;

private:
    int get_connector(drm_mode_get_connector& request) const;
    int get_properties(drm_mode_obj_get_properties& request) const;
    int get_property(drm_mode_get_property& request) const;
    int commit(Machine& machine, const drm_mode_atomic& request);

    CardModel& card_;
    DisplayModel& model_;
    std::set<std::uint32_t> blobs_; ///< of this file
};

} // namespace fake
