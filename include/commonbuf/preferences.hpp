// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/constraints.hpp>

#include <string>
#include <vector>

namespace commonbuf {

/// What a caller wants of the choice, beyond what the devices ask for.
///
/// Heaps are named by their name ("system"), or all of a kind at once by it ("udmabuf",
/// "dma-heap", "drm-dumb", "gbm", "v4l2", "vulkan", "custom"). A name that no heap of this machine has matches
/// nothing.
struct Preferences {
    /// These stand above all others, in this order, wherever as much is known of them. A
    /// preference never lifts a heap above one of which more is proved.
    std::vector<std::string> prefer;

    /// These are not tried, and never serve.
    std::vector<std::string> forbid;

    /// Whether the next heap whose verdict is as good serves when the first is full.
    bool fall_back = true;

    /// What the devices cannot say of themselves. Give each an origin (add_origin()), so
    /// that refusals can name it.
    Constraints constraints;
};

} // namespace commonbuf
