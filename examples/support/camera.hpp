// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <cstdint>

/// Asks the camera for a frame rate; one that it does not have is no failure.
void set_rate(const commonbuf::v4l2::Device& camera, std::uint32_t rate);
