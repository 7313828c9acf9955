// SPDX-License-Identifier: MIT
#pragma once

#include "fake/machine.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

namespace commonbuf {

/// A camera, a GPU and a display, whose calls are counted frame by frame. The world goes on only while
/// the program sleeps: whatever the GPU draws is drawn then, or else what was committed is shown, or
/// else the camera has a frame.
class FrameCalls : public testing::Test {
protected:
    using Calls = std::map<std::string, std::size_t>;
    static constexpr std::size_t frames = 100;

    void SetUp() override
    {
        display.present = true;
        display.writeback = false;
        machine.while_sleeping = [this] {
            if (drawing && drawing->status == 0)
                drawing->status = 1;
            else if (display.shown && display.shown->status == 0)
                display.shown->status = 1;
            else
                camera.frames = 1;
        };
    }
    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }

    /// Runs a loop until it has shown a few frames, and then so many that are counted.
    template <typename Frame>
    Calls calls_of(Frame one_frame)
    {
        constexpr std::size_t warm_up = 20; // all buffers have been everywhere
        for (std::size_t i = 0; i < warm_up; ++i)
            one_frame();
        const Calls before = machine.tally();
        for (std::size_t i = 0; i < frames; ++i)
            one_frame();
        Calls made;
        for (const auto& [name, count] : machine.tally()) {
            const auto known = before.find(name);
            if (const std::size_t more = count - (known != before.end() ? known->second : 0); more != 0)
                made[name] = more;
        }
        return made;
    }

    template <typename T>
    static T need(Result<T> made)
    {
        if (!made)
            throw std::runtime_error(made.error().message());
        return std::move(*made);
    }
    static void need(const Status& done)
    {
        if (!done)
            throw std::runtime_error(done.error().message());
    }

    static Deadline soon() { return deadline_in(std::chrono::seconds(2)); }

    fake::Machine machine;
    fake::HeapModel& heap = machine.add_heap("system");
    fake::CameraModel& camera = machine.add_camera("video0", {.formats = {V4L2_PIX_FMT_XBGR32}, .frames = 0});
    fake::CardModel& card = machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}});
    fake::DisplayModel& display = card.display;
    std::shared_ptr<fake::FenceModel> drawing; ///< what the GPU does
};

} // namespace commonbuf
