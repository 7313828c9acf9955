// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/fence.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstdint>
#include <optional>
#include <string>

/// Fences of the kernel's own that a test controls (drivers/dma-buf/sw_sync.c).
class SwTimeline {
public:
    /// Nothing where the kernel has none, or debugfs cannot be read; `why_not` says so.
    static std::optional<SwTimeline> create(std::string& why_not);

    /// A fence that signals when the timeline has come this far.
    commonbuf::Fence fence(std::uint32_t value) const;
    void advance(std::uint32_t steps) const;

    /// Ends the timeline: its pending fences fail with ENOENT.
    void fail() { fd_.reset(); }

private:
    explicit SwTimeline(commonbuf::UniqueFd fd) : fd_(std::move(fd)) {}

    commonbuf::UniqueFd fd_;
};

#define NEED_SW_SYNC(variable)                                                                                         \
    std::string variable##_why_not;                                                                                    \
    auto variable##_found = SwTimeline::create(variable##_why_not);                                                    \
    if (!variable##_found)                                                                                             \
        GTEST_SKIP() << variable##_why_not;                                                                            \
    [[maybe_unused]] SwTimeline& variable = *variable##_found
