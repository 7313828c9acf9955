// SPDX-License-Identifier: MIT
//
// By whose fault a frame is lost decides whether scripts/demo fails.
#include "../../examples/support/lost_frames.hpp"

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;

TEST(LostFrames, NoGapIsNoLoss)
{
    LostFrames frames;
    frames.given(3, 0ms);
    frames.came(5, 10ms);
    frames.came(6, 20ms);
    frames.came(6, 30ms); // a driver that was held up
    EXPECT_EQ(frames.dropped(), 0U);
    EXPECT_EQ(frames.without_buffer(), 0U);
    EXPECT_EQ(frames.out_of_order(), 0U);
}

TEST(LostFrames, ACameraThatHadABufferDroppedThem)
{
    LostFrames frames;
    frames.given(2, 0ms);
    frames.came(0, 10ms);
    frames.given(3, 12ms);
    frames.came(4, 50ms); // into the second, which it had all the time
    EXPECT_EQ(frames.dropped(), 3U);
    EXPECT_EQ(frames.without_buffer(), 0U);
}

TEST(LostFrames, ACameraThatGotItsBufferMeanwhileHadNone)
{
    LostFrames frames;
    frames.given(1, 0ms);
    frames.came(0, 10ms);
    frames.given(2, 35ms);
    frames.came(3, 40ms);
    EXPECT_EQ(frames.dropped(), 0U);
    EXPECT_EQ(frames.without_buffer(), 2U);
    frames.came(6, 70ms); // into the other one: it waited since 35 ms
    EXPECT_EQ(frames.dropped(), 2U);
}

// Asleep, the program gives new buffers before it looks at the frames that filled the old ones.
TEST(LostFrames, BuffersThatCameBeforeTheProgramLookedDoNotCount)
{
    LostFrames frames;
    frames.given(2, 0ms);
    frames.given(5, 95ms);
    frames.came(0, 10ms);
    frames.came(1, 20ms); // the last buffer that the camera had
    frames.came(9, 100ms);
    EXPECT_EQ(frames.without_buffer(), 7U);
    EXPECT_EQ(frames.dropped(), 0U);
}

TEST(LostFrames, NumbersThatGoBackAreToldApart)
{
    LostFrames frames;
    frames.given(2, 0ms);
    frames.came(7, 10ms);
    frames.came(3, 20ms);
    EXPECT_EQ(frames.out_of_order(), 1U);
    EXPECT_EQ(frames.without_buffer() + frames.dropped(), 0U);
}

TEST(LostFrames, WithoutAWordOnBuffersNothingIsTheCamerasFault)
{
    LostFrames frames;
    frames.came(0, 10ms);
    frames.came(2, 30ms);
    EXPECT_EQ(frames.dropped(), 0U);
    EXPECT_EQ(frames.without_buffer(), 1U);
}

} // namespace
