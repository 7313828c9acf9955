// SPDX-License-Identifier: MIT
#pragma once

#include "devices.hpp"
#include "lateness.hpp"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <string>

/// What tests of timelines share.
namespace timelines {

namespace cb = commonbuf;
using namespace std::chrono_literals;

inline cb::UniqueFd open_node(const std::string& path)
{
    return cb::UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
}

/// A device with timelines: its node, to be opened as often as one likes.
inline std::string find_node(std::string& why_not)
{
    why_not = "this machine has no DRM device";
    auto nodes = cb::drm::nodes();
    // Whoever opens a card node first becomes its master.
    std::stable_partition(nodes.begin(), nodes.end(), [](const auto& node) { return node.render; });
    for (const auto& node : nodes) {
        const cb::UniqueFd drm = open_node(node.path);
        const auto timeline = cb::Timeline::create(drm.get());
        if (timeline)
            return node.path;
        why_not = node.path + ": " + timeline.error().message();
    }
    return {};
}

#define NEED_TIMELINES(drm)                                                                                            \
    std::string drm##_why_not;                                                                                         \
    const std::string drm##_path = timelines::find_node(drm##_why_not);                                                \
    if (drm##_path.empty())                                                                                            \
        GTEST_SKIP() << drm##_why_not;                                                                                 \
    [[maybe_unused]] const commonbuf::UniqueFd drm = timelines::open_node(drm##_path)

class Timelines : public devices::Test {
protected:
    /// What a function says, which must come at its deadline.
    template <typename Call>
    static auto at_deadline(std::chrono::milliseconds limit, Call call)
    {
        Lateness machine;
        const auto deadline = cb::deadline_in(limit);
        auto result = call(deadline);
        const auto late = std::chrono::steady_clock::now() - deadline;
        EXPECT_GE(late, 0ms) << "it did not wait";
        EXPECT_LT(late, machine.allowed());
        return result;
    }
};

inline cb::Category category(const cb::Status& status)
{
    return status ? cb::Category::kernel_failure : status.error().category;
}

inline cb::Status waited(const cb::Result<cb::Fence>& fence)
{
    return fence ? fence->wait(cb::deadline_in(1s)) : cb::Status(fence.error());
}

} // namespace timelines
