// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <string>
#include <vector>

namespace oracle {

/// One use of this machine, and what keeps its device fast.
struct NamedUse {
    std::string name; ///< the same on every boot, for example "vivid-000-vid-cap:capture"
    commonbuf::Use use;
};

/// Every use whose content can be compared. Cameras that have one are put on their input
/// for digital video, in its fastest mode: it takes images of any size.
///
/// Left out are the nodes that stream only as a part of a media pipeline (vimc) and
/// decoders, which want a stream that nobody here can write, and Vulkan devices that import
/// nothing; `left_out` names them. `brief`: one use alone of each Vulkan device.
std::vector<NamedUse> find_uses(bool brief, std::vector<std::string>& left_out);

} // namespace oracle
