// SPDX-License-Identifier: MIT
//
// A decoder's pictures on a display, without a copy: the decoder writes where the display reads,
// and gets a buffer back when the next picture is on the screen.
//
//     encoder ─► stream ─► decoder ─► display
//        └── one plan: pictures ────────┘
//
//   decode-to-display [CARD] [ENCODER] [DECODER]     (V4L2 nodes; codecs of FWHT, as vicodec is)
//
// The stream is encoded here, so that what comes out can be held against what went in. Which
// format the pictures have, the plan decides: the first one that the encoder, the decoder and the
// display share (with vicodec and vkms NV12; without a display that takes YCbCr it would be RGB).
#include "support/picture.hpp"
#include "support/run_example.hpp"
#include "support/screen.hpp"
#include "support/test_stream.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

constexpr std::uint32_t width = 640;
constexpr std::uint32_t height = 480;
constexpr std::uint32_t count = 8; // pictures

/// Waits until the decoder knows what is coming.
cb::Result<cb::v4l2::SourceChange> source_of(cb::v4l2::M2m& decoder)
{
    const auto deadline = cb::deadline_in(5s);
    if (const auto started = decoder.start(); !started)
        return started.error();
    for (;;) {
        const auto source = decoder.pop_source_change();
        if (!source)
            return source.error();
        if (*source)
            return **source;
        const auto more = decoder.wait(deadline);
        if (!more)
            return more.error();
        if (!*more)
            return cb::Error::timed_out("wait for the decoder", "it found no picture in the stream");
    }
}

/// Tells a plane what the numbers of YCbCr mean, where it can be told: drivers begin differently.
void set_colours(cb::drm::Commit& commit, const cb::drm::DisplayPlane& plane)
{
    if (plane.find("COLOR_ENCODING") != nullptr)
        commit.set(plane, "COLOR_ENCODING", "ITU-R BT.601 YCbCr");
    if (plane.find("COLOR_RANGE") != nullptr)
        commit.set(plane, "COLOR_RANGE", "YCbCr limited range");
}

cb::Result<std::string> play(const Words& words)
{
    const auto card = cb::drm::Device::open(words[0]);
    auto encoder = cb::v4l2::M2m::open(words[1]);
    auto decoder = cb::v4l2::M2m::open(words[2]);
    if (!card || !encoder || !decoder)
        return !card ? card.error() : !encoder ? encoder.error() : decoder.error();

    // What format all of them have is asked before there is a stream: a decoder makes of it what
    // it was encoded from, or something near.
    cb::Allocator allocator;
    const auto agreed =
        allocator.plan({.format = DRM_FORMAT_NV12,
                        .width = width,
                        .height = height,
                        .count = count,
                        .alternatives = {DRM_FORMAT_XRGB8888}},
                       {encoder->output(), decoder->capture(), card->scanout(), cb::cpu(cb::Access::read_write)});
    if (!agreed)
        return agreed.error();
    const auto originals = agreed->allocate(count);
    if (!originals)
        return originals.error();
    if (const auto encoded = feed_test_stream(*encoder, *decoder, *originals); !encoded)
        return encoded.error();

    // The stream says its size, and how many buffers the decoder keeps for itself; the display
    // has one on the screen and one that comes next.
    const auto source = source_of(*decoder);
    if (!source)
        return source.error();
    const std::uint32_t slots = source->min_buffers + 2;
    const auto plan = allocator.plan({agreed->layout().format, source->width, source->height, slots},
                                     {decoder->capture(), card->scanout(), cb::cpu(cb::Access::read)});
    if (!plan)
        return plan.error();
    if (const auto opened = decoder->open_capture(plan->layout(), slots); !opened)
        return opened.error();
    const auto buffers = plan->allocate(slots);
    if (!buffers)
        return buffers.error();
    for (const cb::Buffer& buffer : *buffers) {
        if (const auto queued = decoder->capture_queue()->queue_when_ready(buffer); !queued)
            return queued.error();
    }
    if (const auto started = decoder->start(); !started)
        return started.error();
    const auto screen = Screen::open(*card, {.width = source->width, .height = source->height});
    if (!screen)
        return screen.error();

    const cb::drm::Display& display = (*screen)->display();
    double worst = 99; // dB
    std::optional<cb::Buffer> last;
    for (std::uint32_t number = 0; number < count; ++number) {
        // What the display has done with goes back to the decoder meanwhile.
        const auto frame = decoder->capture_queue()->dequeue(cb::deadline_in(5s));
        if (!frame)
            return frame.error();
        if (frame->timestamp != test_stream_time(number))
            return cb::Error::kernel_failure("decode", "picture " + std::to_string(number) + " is another one");
        cb::drm::Commit commit(display);
        commit.show(display.primary(), frame->buffer);
        if (!last) {
            set_colours(commit, display.primary());
            commit.enable();
        }
        const auto done = (*screen)->queue().commit(std::move(commit), cb::deadline_in(1s));
        if (!done)
            return done.error();
        for (const cb::Buffer& replaced : done->replaced) {
            if (const auto queued = decoder->capture_queue()->queue_when_ready(replaced, done->shown); !queued)
                return queued.error();
        }
        last = frame->buffer;
        // Looking on is allowed: the display only reads, too.
        const auto lost = difference(frame->buffer, (*originals)[number], 0, cb::deadline_in(1s));
        if (!lost)
            return lost.error();
        worst = std::min(worst, lost->psnr());
    }
    constexpr double good = 30; // dB
    if (worst < good)
        return cb::Error::kernel_failure("compare what was decoded with what was encoded",
                                         "only " + std::to_string(worst) + " dB");

    const auto written = (*screen)->written_back();
    if (!written)
        return written.error();
    constexpr int rounding = 4; // displays make RGB of YCbCr in their own way
    if (*written) {
        if (const auto alike = expect_alike("what the display shows and what was decoded", **written, *last, rounding,
                                            cb::deadline_in(1s));
            !alike)
            return alike.error();
    }
    return std::to_string(count) + " pictures of " + to_string(plan->layout().format) +
           " decoded and shown, at least " + std::to_string(static_cast<int>(worst)) + " dB; the display's last one " +
           (*written ? "is the decoder's" : "was not compared: the card has no writeback");
}

} // namespace

int main(int count_of_words, char** words)
{
    return run_example(count_of_words, words, {"@vkms", "@stateful-encoder", "@stateful-decoder"}, play);
}
