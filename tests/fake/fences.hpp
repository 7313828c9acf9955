// SPDX-License-Identifier: MIT
#pragma once

#include "fake/machine.hpp"

#include <memory>
#include <vector>

namespace fake {

using Fences = std::vector<std::shared_ptr<FenceModel>>;

inline bool pending(const std::shared_ptr<FenceModel>& fence) { return fence->status == 0; }

/// What the kernel has where nothing is left to wait for (dma_fence_get_stub()).
inline std::shared_ptr<FenceModel> signalled_fence()
{
    return std::make_shared<FenceModel>(FenceModel{"stub", "stub", 1, 1});
}

} // namespace fake
