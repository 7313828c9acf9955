// SPDX-License-Identifier: MIT
#include <commonbuf/constraints.hpp>

#include <gtest/gtest.h>

namespace commonbuf {
namespace {

Constraints make(std::uint32_t align, std::uint32_t least, std::uint32_t most, const char* device)
{
    Constraints constraints;
    constraints.stride_align = align;
    constraints.min_stride = least;
    constraints.max_stride = most;
    constraints.add_origin({Constraint::stride_align, align, device, "TRY"});
    constraints.add_origin({Constraint::min_stride, least, device, "TRY"});
    return constraints;
}

TEST(Merge, TakesTheStricterOfEach)
{
    const auto both = merge(make(64, 100, 5000, "a"), make(48, 300, 4000, "b"));
    ASSERT_TRUE(both);
    EXPECT_EQ(both->stride_align, 192U);
    EXPECT_EQ(both->min_stride, 300U);
    EXPECT_EQ(both->max_stride, 4000U);
    EXPECT_EQ(both->origins.size(), 4U);
}

TEST(Merge, NamesBothSidesOfAConflict)
{
    const auto both = merge(make(1, 5120, 5120, "camera"), make(256, 0, 5000, "display"));
    ASSERT_FALSE(both);
    EXPECT_EQ(both.error().category, Category::incompatible);
    EXPECT_NE(both.error().detail.find("camera"), std::string::npos);
    EXPECT_NE(both.error().detail.find("display"), std::string::npos);
}

TEST(Merge, AlignmentsThatOverflowAreAnError)
{
    Constraints a;
    Constraints b;
    a.stride_align = 0xfffffffbU; // a prime
    b.stride_align = 0xffffffefU; // another
    const auto both = merge(a, b);
    ASSERT_FALSE(both);
    EXPECT_EQ(both.error().category, Category::invalid_argument);
    Constraints zero;
    zero.stride_align = 0;
    EXPECT_FALSE(merge(zero, {}));
    zero = {};
    zero.size_align = UINT64_MAX;
    b = {};
    b.size_align = UINT64_MAX - 1;
    EXPECT_FALSE(merge(zero, b));
}

TEST(Merge, ContiguousWins)
{
    Constraints scattered;
    Constraints contiguous;
    contiguous.contiguous = true;
    EXPECT_TRUE(merge(scattered, contiguous)->contiguous);
    EXPECT_FALSE(merge(scattered, scattered)->contiguous);
}

TEST(FitStride, IsTheSmallestThatFits)
{
    const Constraints constraints = make(256, 5120, 8192, "a");
    EXPECT_EQ(fit_stride(constraints, 0).value(), 5120U);
    EXPECT_EQ(fit_stride(constraints, 5121).value(), 5376U);
    EXPECT_FALSE(fit_stride(constraints, 8193));
    EXPECT_FALSE(fit_stride(constraints, UINT64_MAX));
}

TEST(Origins, AreASet)
{
    Constraints constraints;
    constraints.add_origin({Constraint::min_size, 1, "x", "y"});
    constraints.add_origin({Constraint::cached, 1, "x", "y"});
    constraints.add_origin({Constraint::min_size, 1, "x", "y"});
    ASSERT_EQ(constraints.origins.size(), 2U);
    EXPECT_EQ(constraints.origins[0].constraint, Constraint::cached);
}

} // namespace
} // namespace commonbuf
