// SPDX-License-Identifier: MIT
#pragma once

#include "lost_frames.hpp"
#include "score.hpp"
#include "stream_options.hpp"

#include <commonbuf/commonbuf.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

/// Looks on at examples/camera-to-display.cpp: which frames were lost, copied or out of order, and
/// whether the display showed what the camera captured. A program that only shows a camera needs
/// nothing of it.
///
/// With a writeback connector the display writes each picture that it shows into a buffer too,
/// which is compared with the frame when it is complete.
class MeasuredStream {
public:
    /// A captured buffer; the last holder gives it back to the camera.
    using Loan = std::shared_ptr<const commonbuf::Buffer>;

    /// Asks the camera for the rate that the options name, and allocates the buffers to write back
    /// into. `buffers` are the camera's own. What is referred to has to outlive this.
    static commonbuf::Result<MeasuredStream> create(const StreamOptions& options, const commonbuf::v4l2::Device& camera,
                                                    const commonbuf::drm::Display& display,
                                                    const std::vector<commonbuf::Buffer>& buffers);

    /// Whether there is something left to show or to compare.
    bool goes_on() const { return score_.shown < options_.frames || !written_.empty(); }

    /// Whether another frame is to be shown, and there is room for the picture of it. Where the
    /// driver has lost all writebacks, frames are shown without.
    bool wants_more() const { return committed_ < options_.frames && (!free_.empty() || written_.empty()); }

    /// After each call that may give the camera buffers.
    void given(const commonbuf::v4l2::Queue& queue) { lost_.given(queue.with_device(), monotonic_now()); }

    void captured(const commonbuf::v4l2::Frame& frame);

    /// Before a frame is committed: has the display write it back.
    void shows(const Loan& frame, commonbuf::drm::Commit& commit);
    void committed(const commonbuf::drm::Committed& done);

    /// What the event loop has to wait for besides its own fences.
    std::vector<commonbuf::Fence> fences() const;

    /// How long the event loop waits at most: 2 s, or until the driver counts as having lost the
    /// oldest writeback. Then look() gives it up, and the loop goes on.
    commonbuf::Deadline patience() const;
    bool has_lost_a_writeback() const;

    /// Takes what came meanwhile. Errors: what became of the fences, what reading gives.
    commonbuf::Status look();

    /// Makes the error of a wait in which nothing came: it says who has what.
    commonbuf::Error nothing_came(const commonbuf::v4l2::Queue& queue, std::size_t captured) const;

    /// Prints what became of the frames and saves the picture that the options ask for. Returns
    /// whether all of it is good.
    commonbuf::Result<bool> report();

private:
    struct Writeback {
        Loan frame;
        commonbuf::Buffer picture;
        commonbuf::Fence written;
        commonbuf::Deadline due; ///< when it counts as lost
    };

    explicit MeasuredStream(const StreamOptions& options) : options_(options) {}
    commonbuf::Status compare(const Writeback& done);

    const StreamOptions& options_;
    Score score_;
    LostFrames lost_;
    std::map<commonbuf::BufferId, std::uint64_t> accesses_; ///< of the camera's own, as they were at capture
    std::uint32_t committed_ = 0;
    std::optional<commonbuf::Fence> shown_; ///< of the last commit, until it is on the screen
    std::deque<commonbuf::Buffer> free_;
    std::optional<Writeback> next_; ///< goes with the commit that is being made
    std::deque<Writeback> written_;
    std::optional<commonbuf::Buffer> last_picture_;
};
