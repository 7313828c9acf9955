// SPDX-License-Identifier: MIT
//
// Frames that the CPU draws, on a display, without a copy: what a splash screen, a test pattern
// or a software renderer does.
//
//     pool ─► CPU draws ─► display shows ─► pool, when the next one is on the screen
//
//   cpu-frame [CARD] [FRAMES]        cpu-frame /dev/dri/card0 600
//
// Run it where no other program shows anything on the card. Where the card has a writeback
// connector, what it showed last is compared with what was drawn.
#include "support/picture.hpp"
#include "support/run_example.hpp"
#include "support/screen.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>

#include <cstdlib>
#include <optional>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

constexpr std::uint32_t width = 640;
constexpr std::uint32_t height = 480;
constexpr std::uint32_t buffers = 3; // one is shown, one comes next, one is drawn

cb::Result<std::string> show(const Words& words)
{
    const auto card = cb::drm::Device::open(words[0]);
    if (!card)
        return card.error();
    const unsigned long frames = std::strtoul(words[1].c_str(), nullptr, 10);

    // "Often": memory that is slow for the CPU is left out, as some displays' own is.
    const auto plan = cb::Allocator().plan({DRM_FORMAT_XRGB8888, width, height, buffers},
                                           {card->scanout(), cb::cpu(cb::Access::write, cb::CpuFrequency::frequent)});
    if (!plan)
        return plan.error();
    auto pool = cb::Pool::create(*plan, buffers);
    if (!pool)
        return pool.error();
    const auto screen = Screen::open(*card, {.width = width, .height = height});
    if (!screen)
        return screen.error();

    const cb::drm::Display& display = (*screen)->display();
    std::optional<cb::Buffer> last;
    for (std::uint32_t number = 0; number < frames; ++number) {
        // Waits until the display has done with one of them.
        const auto buffer = pool->acquire(cb::deadline_in(1s));
        if (!buffer)
            return buffer.error();
        if (const auto drawn = draw_picture(*buffer, number, cb::deadline_in(1s)); !drawn)
            return drawn.error();

        cb::drm::Commit commit(display);
        commit.show(display.primary(), *buffer);
        if (!last)
            commit.enable();
        const auto done = (*screen)->queue().commit(std::move(commit), cb::deadline_in(1s));
        if (!done)
            return done.error();
        for (const cb::Buffer& replaced : done->replaced) {
            if (const auto released = pool->release(replaced, done->shown); !released)
                return released.error();
        }
        last = *buffer;
    }
    if (!last)
        return cb::Error::invalid_argument("show " + words[1] + " frames", "there is nothing to show");
    if (const auto shown = (*screen)->queue().shown().wait(cb::deadline_in(1s)); !shown)
        return shown.error();

    const auto written = (*screen)->written_back();
    if (!written)
        return written.error();
    if (*written) {
        if (const auto alike =
                expect_alike("what the display shows and what was drawn", **written, *last, 0, cb::deadline_in(2s));
            !alike)
            return alike.error();
    }
    return std::to_string(frames) + " frames shown from " + plan->chosen().heap.name + ", the last one " +
           (*written ? "as it was drawn" : "not compared: the card has no writeback");
}

} // namespace

int main(int count, char** words) { return run_example(count, words, {"@vkms", "60"}, show); }
