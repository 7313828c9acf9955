// SPDX-License-Identifier: MIT
#pragma once

#include "master.hpp"

#include <commonbuf/commonbuf.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

/// A display that a small example shows pictures on: DRM master of its card, and off again
/// afterwards.
class Screen {
public:
    /// The first display of the card that is connected, in a mode of this size.
    static commonbuf::Result<std::unique_ptr<Screen>> open(const commonbuf::drm::Device& card, std::uint32_t width,
                                                           std::uint32_t height);
    ~Screen();
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    const commonbuf::drm::Display& display() const { return queue_.display(); }

    /// What commits are given to.
    commonbuf::drm::CommitQueue& queue() { return queue_; }

    /// Has what is on the screen written into a buffer of XRGB8888: how examples check
    /// themselves. Nothing where the card has no writeback connector.
    commonbuf::Result<std::optional<commonbuf::Buffer>> written_back();

private:
    Screen(Master master, commonbuf::drm::CommitQueue queue) : master_(std::move(master)), queue_(std::move(queue)) {}

    Master master_;
    commonbuf::drm::CommitQueue queue_;
};
