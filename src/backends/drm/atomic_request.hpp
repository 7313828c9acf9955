// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

#include <cstdint>
#include <vector>

namespace commonbuf::drm {

/// The arguments of DRM_IOCTL_MODE_ATOMIC, which wants its values in groups, one for each object.
class AtomicRequest {
public:
    void set(std::uint32_t object, std::uint32_t property, std::uint64_t value);

    /// Returns 0, or a positive errno value. `user_data` is for the event, if the flags ask for one.
    int commit(const File& file, std::uint32_t flags, std::uint64_t user_data = 0);

private:
    std::vector<std::uint32_t> objects_;
    std::vector<std::uint32_t> counts_;
    std::vector<std::uint32_t> properties_;
    std::vector<std::uint64_t> values_;
};

} // namespace commonbuf::drm
