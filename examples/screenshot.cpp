// SPDX-License-Identifier: MIT
//
// What a display shows, written back into a buffer by the display itself, and saved as a PNG:
// planes, scaling and colours are as the hardware made them.
//
//     picture ─► display ─► writeback connector ─► buffer ─► PNG
//
//   screenshot [CARD] [FILE]         screenshot /dev/dri/card0 screen.png
//
// It shows a picture of its own first, since only who shows something may have it written back.
// Needs a writeback connector (`allocinfo devices` lists them).
#include "support/picture.hpp"
#include "support/png.hpp"
#include "support/run_example.hpp"
#include "support/screen.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

constexpr std::uint32_t width = 640;
constexpr std::uint32_t height = 480;

cb::Result<std::string> shoot(const Words& words)
{
    const auto card = cb::drm::Device::open(words[0]);
    if (!card)
        return card.error();
    const auto screen = Screen::open(*card, {.width = width, .height = height});
    if (!screen)
        return screen.error();
    const cb::drm::Display& display = (*screen)->display();
    if (display.writeback() == nullptr)
        return cb::Error::unsupported("take a screenshot of " + card->info().path,
                                      "the card has no writeback connector");

    // One plan serves both ends: what the display reads and what it writes.
    const auto plan =
        cb::Allocator().plan({DRM_FORMAT_XRGB8888, width, height, 2},
                             {card->scanout(), cb::cpu(cb::Access::read_write, cb::CpuFrequency::frequent)});
    if (!plan)
        return plan.error();
    const auto picture = plan->allocate();
    const auto written = plan->allocate();
    if (!picture || !written)
        return (picture ? written : picture).error();
    constexpr std::uint32_t number = 7; // any
    if (const auto drawn = draw_picture(*picture, number, cb::deadline_in(1s)); !drawn)
        return drawn.error();
    const auto lit = (*screen)->queue().commit(cb::drm::Commit(display).enable().show(display.primary(), *picture),
                                               cb::deadline_in(1s));
    if (!lit)
        return lit.error();

    // The screenshot: a commit that changes nothing on the screen and writes back. The connector
    // joins the CRTC, which the kernel counts as a modeset. The buffer is complete when its fence
    // has signalled, and reading it waits for that.
    const auto shot =
        (*screen)->queue().commit(cb::drm::Commit(display).write_back(*written).allow_modeset(), cb::deadline_in(1s));
    if (!shot)
        return shot.error();
    if (const auto saved = write_png(*written, cb::deadline_in(2s), words[1]); !saved)
        return saved.error();
    if (const auto alike =
            expect_alike("the screenshot and what was drawn", *written, *picture, 0, cb::deadline_in(1s));
        !alike)
        return alike.error();
    return std::to_string(width) + "x" + std::to_string(height) + " in " + words[1] + ", as it was drawn";
}

} // namespace

int main(int count, char** words) { return run_example(count, words, {"@vkms", "screenshot.png"}, shoot); }
