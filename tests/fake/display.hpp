// SPDX-License-Identifier: MIT
#pragma once

#include "fake/machine.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

struct drm_mode_atomic;
struct drm_mode_get_connector;
struct drm_mode_get_property;
struct drm_mode_obj_get_properties;
struct drm_mode_get_plane;

namespace fake {

/// Modesetting of one open DRM file, where the card's model has a display.
class Displays {
public:
    static constexpr std::uint32_t primary = 31;
    static constexpr std::uint32_t overlay = 32;
    static constexpr std::uint32_t connector = 41;
    static constexpr std::uint32_t writeback = 42;
    static constexpr std::uint32_t second_connector = 43;
    static constexpr std::uint32_t crtc = 51;
    static constexpr std::uint32_t second_crtc = 52;

    explicit Displays(CardModel& card) : card_(card), model_(card.display) {}

    /// Nothing for what it leaves to the card. Planes are there even without a display.
    std::optional<int> ioctl(Machine& machine, unsigned long request, void* argument);
    short ready(short events) const;
    ssize_t read(void* buffer, std::size_t size) const;
    void closed(Machine& machine) const;

private:
    const PlaneModel* plane(std::uint32_t id) const;
    std::vector<std::string> names_of(std::uint32_t object) const;
    bool is_active(std::uint32_t crtc_id) const;
    std::optional<int> ask_planes(unsigned long request, void* argument) const;
    int check(std::uint32_t flags, const DisplayModel::Values& values) const;
    int get_connector(drm_mode_get_connector& request) const;
    int get_properties(drm_mode_obj_get_properties& request) const;
    int get_property(drm_mode_get_property& request) const;
    int commit(Machine& machine, const drm_mode_atomic& request);

    CardModel& card_;
    DisplayModel& model_;
    std::set<std::uint32_t> blobs_; ///< of this file
    bool atomic_ = false;
    bool hotspot_ = false;
};

/// An IN_FORMATS blob that lists these as linear.
std::vector<std::byte> formats_blob(const std::vector<std::uint32_t>& formats,
                                    const std::vector<std::uint64_t>& tiles = {});

} // namespace fake
