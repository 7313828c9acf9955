// SPDX-License-Identifier: MIT
//
// The laws of sets of modifiers.
#include "law.hpp"

#include <commonbuf/modifier_set.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace commonbuf {
void showValue(const ModifierSet& set, std::ostream& out);
void showValue(const ModifierSet& set, std::ostream& out) { out << to_string(set); }
} // namespace commonbuf

namespace rc {
using commonbuf::ModifierSet;

template <>
struct Arbitrary<ModifierSet> {
    static Gen<ModifierSet> arbitrary()
    {
        return gen::exec([] {
            std::vector<ModifierSet::Element> elements;
            const auto count = *gen::inRange(0, 8);
            // Few values, so that sets meet: linear, implicit, Intel's.
            for (int i = 0; i < count; ++i)
                elements.push_back({*gen::element<std::uint64_t>(0, 0x00ffffffffffffffULL, 0x0100000000000001ULL,
                                                                 0x0100000000000002ULL, 0x0100000000000004ULL),
                                    *gen::inRange<std::uint32_t>(0, 4)});
            return ModifierSet::of(std::move(elements));
        });
    }
};
} // namespace rc

namespace commonbuf {
namespace {

TEST(ModifierLaws, IntersectionAndUnionAreCommutativeAndIdempotent)
{
    law::holds("modifiers, commutative and idempotent", [](const ModifierSet& a, const ModifierSet& b) {
        RC_ASSERT(intersection(a, b) == intersection(b, a));
        RC_ASSERT(union_of(a, b) == union_of(b, a));
        RC_ASSERT(intersection(a, a) == a);
        RC_ASSERT(union_of(a, a) == a);
        RC_ASSERT(union_of(a, {}) == a);
        RC_ASSERT(intersection(a, {}).empty());
    });
}

TEST(ModifierLaws, IntersectionAndUnionAreAssociative)
{
    law::holds("modifiers, associative", [](const ModifierSet& a, const ModifierSet& b, const ModifierSet& c) {
        RC_ASSERT(intersection(intersection(a, b), c) == intersection(a, intersection(b, c)));
        RC_ASSERT(union_of(union_of(a, b), c) == union_of(a, union_of(b, c)));
    });
}

TEST(ModifierLaws, NothingAppearsThatOneLacks)
{
    law::holds("modifiers, monotone", [](const ModifierSet& a, const ModifierSet& b) {
        const ModifierSet both = intersection(a, b);
        for (const auto& each : both.elements()) {
            RC_ASSERT(a.contains(each.modifier) && b.contains(each.modifier));
            const auto one = a.plane_count(each.modifier);
            const auto other = b.plane_count(each.modifier);
            RC_ASSERT(one == 0U || other == 0U || one == other);
        }
        for (const auto& each : a.elements())
            RC_ASSERT(union_of(a, b).contains(each.modifier));
    });
}

} // namespace
} // namespace commonbuf
