// SPDX-License-Identifier: MIT
#include <commonbuf/deadline.hpp>

#include <gtest/gtest.h>

#include <cstdint>

namespace commonbuf {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

TEST(Deadline, LiesAsFarFromNowAsAsked)
{
    const Deadline before = steady_clock::now();
    const Deadline deadline = deadline_in(std::chrono::hours(1));
    EXPECT_GE(deadline, before + std::chrono::hours(1));
    EXPECT_LE(deadline, steady_clock::now() + std::chrono::hours(1));
    EXPECT_LT(deadline_in(std::chrono::seconds(-1)), steady_clock::now());
}

TEST(Deadline, OfADurationThatTheClockCannotHoldIsTheLatestOrEarliest)
{
    EXPECT_EQ(deadline_in(nanoseconds::max()), Deadline::max());
    EXPECT_GT(deadline_in(nanoseconds::max() - std::chrono::seconds(1)), steady_clock::now());
    EXPECT_LT(deadline_in(nanoseconds::min()), steady_clock::now());
    EXPECT_EQ(deadline_in(nanoseconds::min()), Deadline::min());
}

TEST(Deadline, OfALongerUnitDoesNotOverflowEither)
{
    EXPECT_EQ(deadline_in(std::chrono::hours(24 * 365 * 300)), Deadline::max());
    EXPECT_EQ(deadline_in(std::chrono::hours::max()), Deadline::max());
    EXPECT_EQ(deadline_in(std::chrono::hours::min()), Deadline::min());
    EXPECT_EQ(deadline_in(std::chrono::duration<std::int64_t>::max()), Deadline::max());
}

} // namespace
} // namespace commonbuf
