// SPDX-License-Identifier: MIT
//
// The laws of merge.
#include "law.hpp"

#include <commonbuf/constraints.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

namespace commonbuf {
void showValue(const Constraints& constraints, std::ostream& out);
void showValue(const Constraints& constraints, std::ostream& out)
{
    out << "{align " << constraints.stride_align << ", " << constraints.min_stride << " to " << constraints.max_stride
        << ", height " << constraints.height_align << ", size " << constraints.size_align << ", "
        << constraints.min_size << " to " << constraints.max_size << ", offset " << constraints.offset_align
        << ", contiguous " << constraints.contiguous << ", bits " << constraints.address_bits << ", cached "
        << to_string(constraints.cached) << ", protected " << to_string(constraints.protected_memory) << ", "
        << constraints.origins.size() << " origins}";
}
} // namespace commonbuf

namespace rc {
using commonbuf::Choice;
using commonbuf::Constraints;

template <>
struct Arbitrary<Constraints> {
    static Gen<Constraints> arbitrary()
    {
        return gen::exec([] {
            Constraints constraints;
            // Mostly what devices ask for, now and then anything at all.
            const auto align = gen::weightedOneOf<std::uint32_t>({
                {8, gen::element<std::uint32_t>(1, 2, 4, 16, 32, 48, 64, 96, 128, 256, 512, 1024, 4096)},
                {1, gen::inRange<std::uint32_t>(1, 5000)},
                {1, gen::arbitrary<std::uint32_t>()},
            });
            constraints.stride_align = *align;
            constraints.height_align = *align;
            constraints.size_align = *gen::weightedOneOf<std::uint64_t>({
                {8, gen::element<std::uint64_t>(1, 4096, 65536, 1U << 20U)},
                {1, gen::arbitrary<std::uint64_t>()},
            });
            constraints.min_stride = *gen::weightedOneOf<std::uint32_t>({
                {4, gen::inRange<std::uint32_t>(0, 20000)},
                {1, gen::arbitrary<std::uint32_t>()},
            });
            constraints.max_stride = *gen::weightedOneOf<std::uint32_t>({
                {4, gen::just<std::uint32_t>(UINT32_MAX)},
                {4, gen::inRange<std::uint32_t>(1000, 100000)},
                {1, gen::arbitrary<std::uint32_t>()},
            });
            constraints.offset_align = *align;
            constraints.min_size = *gen::weightedOneOf<std::uint64_t>({
                {6, gen::inRange<std::uint64_t>(0, 1U << 24U)},
                {1, gen::arbitrary<std::uint64_t>()},
            });
            constraints.max_size = *gen::weightedOneOf<std::uint64_t>({
                {6, gen::just<std::uint64_t>(UINT64_MAX)},
                {3, gen::inRange<std::uint64_t>(1U << 20U, 1U << 26U)},
                {1, gen::arbitrary<std::uint64_t>()},
            });
            constraints.contiguous = *gen::arbitrary<bool>();
            constraints.address_bits = *gen::element<std::uint32_t>(64, 64, 40, 36, 32, 30);
            // Mostly free: two that want opposite things end every merge.
            const auto choice = gen::weightedElement<Choice>(
                {{8, Choice::either}, {2, Choice::with}, {1, Choice::without}, {0, Choice::neither}});
            constraints.cached = *choice;
            constraints.protected_memory = *choice;
            const auto count = *gen::inRange(0, 4);
            for (int i = 0; i < count; ++i)
                constraints.add_origin(
                    {*gen::element(commonbuf::Constraint::stride_align, commonbuf::Constraint::min_stride),
                     *gen::inRange<std::uint64_t>(0, 3), *gen::element<std::string>("a", "b"), "call"});
            return constraints;
        });
    }
};
} // namespace rc

namespace commonbuf {
namespace {

/// Equal as values; failures are equal to each other, since which of two conflicts is
/// named first may depend on the order.
bool same(const Result<Constraints>& a, const Result<Constraints>& b)
{
    return a.has_value() == b.has_value() && (!a || *a == *b);
}

TEST(MergeLaws, Commutative)
{
    law::holds("commutative",
               [](const Constraints& a, const Constraints& b) { RC_ASSERT(same(merge(a, b), merge(b, a))); });
}

TEST(MergeLaws, Associative)
{
    law::holds("associative", [](const Constraints& a, const Constraints& b, const Constraints& c) {
        const auto left = merge(a, b).and_then([&](const Constraints& ab) { return merge(ab, c); });
        const auto right = merge(b, c).and_then([&](const Constraints& bc) { return merge(a, bc); });
        RC_ASSERT(same(left, right));
    });
}

TEST(MergeLaws, Idempotent)
{
    law::holds("idempotent", [](const Constraints& a) {
        const auto twice = merge(a, a);
        // What no stride or size satisfies stays so.
        const bool possible = a.stride_align != 0 && a.height_align != 0 && a.size_align != 0 && a.offset_align != 0 &&
                              fit_stride(a, 0) && fit_size(a, 0);
        RC_ASSERT(twice.has_value() == possible);
        RC_ASSERT((!twice || *twice == a));
    });
}

TEST(MergeLaws, NeutralElement)
{
    law::holds("neutral", [](const Constraints& a) { RC_ASSERT(same(merge(a, {}), merge(a, a))); });
}

TEST(MergeLaws, NeverLooserThanEither)
{
    law::holds("monotone", [](const Constraints& a, const Constraints& b, std::uint32_t wanted) {
        const auto both = merge(a, b);
        if (!both)
            return;
        const auto stride = fit_stride(*both, wanted);
        if (stride) {
            // A stride that the merged constraints give satisfies both sides.
            RC_ASSERT(fit_stride(a, *stride) == *stride);
            RC_ASSERT(fit_stride(b, *stride) == *stride);
        }
        RC_ASSERT(both->height_align % a.height_align == 0U && both->height_align % b.height_align == 0U);
        RC_ASSERT(both->size_align % a.size_align == 0U && both->size_align % b.size_align == 0U);
        RC_ASSERT(both->offset_align % a.offset_align == 0U && both->offset_align % b.offset_align == 0U);
        if (const auto size = fit_size(*both, wanted)) {
            RC_ASSERT(fit_size(a, *size) == *size);
            RC_ASSERT(fit_size(b, *size) == *size);
        }
        RC_ASSERT(both->contiguous == (a.contiguous || b.contiguous));
        RC_ASSERT(both->address_bits <= a.address_bits && both->address_bits <= b.address_bits);
        RC_ASSERT((both->cached & a.cached) == both->cached && (both->cached & b.cached) == both->cached);
        RC_ASSERT((both->protected_memory & a.protected_memory) == both->protected_memory);
        RC_ASSERT(std::includes(both->origins.begin(), both->origins.end(), a.origins.begin(), a.origins.end()));
    });
}

TEST(MergeLaws, StrideThatFitsBothFitsTheMerged)
{
    law::holds("complete", [](const Constraints& a, const Constraints& b, std::uint32_t wanted) {
        const auto both = merge(a, b);
        const auto one = fit_stride(a, wanted);
        if (!one || fit_stride(b, *one) != *one)
            return;
        // Nothing that both accept is lost, as long as the other members can be merged.
        if (both)
            RC_ASSERT(fit_stride(*both, *one) == *one);
    });
}

} // namespace
} // namespace commonbuf
