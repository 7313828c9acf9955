// SPDX-License-Identifier: MIT
#pragma once

#include "hue_pass.hpp"
#include "lost_frames.hpp"
#include "score.hpp"
#include "side_copy.hpp"

#include <commonbuf/commonbuf.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

/// The event loop of examples/pipeline.cpp: frames come from the camera, go through the GPU and
/// to the display in their order, and beside that through a codec. It waits in poll(2) alone.
class FrameLoop {
public:
    /// `side` may be null. `frames` is how many to show; `compare`, whether what was shown is
    /// held against the reference. All that is referred to has to outlive this.
    FrameLoop(std::uint32_t frames, bool compare, HuePass& hue, SideCopy* side, commonbuf::v4l2::Queue& camera,
              commonbuf::Pool pictures, commonbuf::drm::CommitQueue& display);

    /// Lets the display write what it shows into these buffers too.
    void write_back_into(const std::vector<commonbuf::Buffer>& buffers)
    {
        free_writebacks_.assign(buffers.begin(), buffers.end());
        score_.writes_back = !buffers.empty();
    }

    /// Until all is shown, or the user pressed Ctrl-C. Errors: the devices'; timed_out (nothing
    /// came for 5 s).
    commonbuf::Result<Score> run();

    bool interrupted() const noexcept { return interrupted_; }

    /// What the display showed last, as far as it wrote it back.
    const std::optional<commonbuf::Buffer>& last_picture() const noexcept { return last_picture_; }

private:
    using Loan = SideCopy::Loan;
    using Counted = std::shared_ptr<void>; ///< a frame in flight, until the last copy goes

    struct Captured {
        Loan frame;
        Counted counted;
        std::uint32_t number = 0;
        std::uint64_t cpu_accesses = 0; ///< see accesses(), when it was captured
    };
    /// The GPU works on it, or has done so.
    struct Drawn {
        Captured camera;
        commonbuf::Buffer picture;
        std::uint64_t cpu_accesses = 0; ///< of the picture, when it was taken
        commonbuf::Fence over;
    };
    struct Shown {
        Captured camera;
        std::optional<commonbuf::Buffer> writeback;
    };
    struct Written {
        Shown shown;
        commonbuf::Fence over;
        commonbuf::Deadline due; ///< when the display's driver counts as having lost it
    };

    bool done() const;
    commonbuf::Status turn();
    commonbuf::Status wait();
    bool has_lost_a_writeback() const;
    commonbuf::Status look();
    /// Fences in the order of their work; how many have signalled.
    static commonbuf::Result<std::uint32_t> drop_signalled(std::deque<commonbuf::Fence>& fences);

    commonbuf::Status capture();
    /// By the CPU, but for those that only compare.
    std::uint64_t accesses(const commonbuf::Buffer& buffer) const;

    commonbuf::Status draw();
    commonbuf::Status commit();
    commonbuf::Status take_committed();
    commonbuf::Status compare();

    const std::uint32_t frames_;
    const bool compare_;
    HuePass& hue_;
    SideCopy* side_;
    commonbuf::v4l2::Queue& camera_;
    commonbuf::Pool pictures_;
    commonbuf::drm::CommitQueue& display_;
    Score score_;
    bool interrupted_ = false;
    // What the last wait named: nobody else is asked.
    bool has_frame_ = false;
    bool camera_moves_ = false;
    bool display_moves_ = false;
    std::shared_ptr<std::size_t> in_flight_ = std::make_shared<std::size_t>(0);
    std::uint32_t number_ = 0;
    LostFrames lost_;
    bool lit_ = false;
    std::deque<commonbuf::Buffer> free_writebacks_;
    std::optional<commonbuf::Buffer> last_picture_;
    std::deque<commonbuf::Fence> drawing_;
    std::deque<commonbuf::Fence> showing_;
    std::deque<Counted> leaving_; ///< the screen, with what is in showing_ at the same place
    Counted on_screen_;
    std::deque<Captured> captured_;
    std::deque<Drawn> drawn_;
    std::map<std::uint64_t, Shown> committed_;
    std::deque<Written> written_;
};
