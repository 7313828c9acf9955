// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <optional>
#include <utility>

/// DRM master of a card as long as it lives: who may show pictures there. A program of a
/// desktop gets its descriptor from logind, libseat or a lease instead.
class Master {
public:
    static commonbuf::Result<Master> become(const commonbuf::drm::Device& device);

    Master(Master&& other) noexcept : device_(std::exchange(other.device_, {})) {}
    Master& operator=(Master&&) = delete;
    Master(const Master&) = delete;
    Master& operator=(const Master&) = delete;
    ~Master();

private:
    explicit Master(const commonbuf::drm::Device& device) : device_(device) {}

    std::optional<commonbuf::drm::Device> device_;
};
