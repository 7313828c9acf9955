// SPDX-License-Identifier: MIT
#pragma once

#include "master.hpp"

#include <commonbuf/commonbuf.hpp>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

/// A display that an example shows pictures on: DRM master of its card, and off again
/// afterwards.
class Screen {
public:
    /// Becomes master and chooses the display, in a mode of the size that is asked for. `fencing` is
    /// that of its commits.
    static commonbuf::Result<std::unique_ptr<Screen>> open(const commonbuf::drm::Device& card,
                                                           const commonbuf::drm::DisplayRequest& request,
                                                           commonbuf::Fencing fencing = commonbuf::Fencing::bridged);
    /// Calls off(), whatever comes of it.
    ~Screen();
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    const commonbuf::drm::Display& display() const { return queue_.display(); }

    /// What commits are given to.
    commonbuf::drm::CommitQueue& queue() { return queue_; }

    /// Turns the display off.
    commonbuf::Status off();

    /// Has what is on the screen written into a buffer of XRGB8888: how examples check
    /// themselves. Nothing where the card has no writeback connector.
    commonbuf::Result<std::optional<commonbuf::Buffer>> written_back();

private:
    Screen(Master master, commonbuf::drm::CommitQueue queue) : master_(std::move(master)), queue_(std::move(queue)) {}

    Master master_;
    commonbuf::drm::CommitQueue queue_;
    bool off_ = false;
};

/// Allocates buffers of XRGB8888 for a display to write back into, one for what it shows and one
/// for what is looked at. None where the card has no writeback connector.
commonbuf::Result<std::vector<commonbuf::Buffer>> writeback_buffers(const commonbuf::drm::Display& display);
