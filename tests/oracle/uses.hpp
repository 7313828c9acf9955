// SPDX-License-Identifier: MIT
#pragma once

#include "truth.hpp"

#include <commonbuf/commonbuf.hpp>

#include <string>
#include <vector>

namespace oracle {

/// One use of this machine: what the library plans for, and how to reach the device without it.
struct NamedUse {
    commonbuf::Use use;
    truth::Use raw;

    /// The same on every boot, for example "vivid-000-vid-cap:capture".
    const std::string& name() const noexcept { return raw.name; }
};

/// Every use whose content can be compared. Cameras that have one are put on their input
/// for digital video, in its fastest mode: it takes images of any size.
///
/// Left out are the nodes that stream only as a part of a media pipeline (vimc), decoders of
/// streams that nobody here can write, and Vulkan devices that import nothing; `left_out` names
/// them. `brief`: only one use of each Vulkan device.
std::vector<NamedUse> find_uses(bool brief, std::vector<std::string>& left_out);

} // namespace oracle
