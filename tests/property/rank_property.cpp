// SPDX-License-Identifier: MIT
//
// The order of heaps is one: whatever is known, preferred and measured.
#include "law.hpp"
#include "plan/ranking.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <chrono>
#include <limits>
#include <optional>
#include <ostream>
#include <string>

namespace commonbuf {
void showValue(const HeapVerdict& heap, std::ostream& out);
void showValue(const HeapVerdict& heap, std::ostream& out)
{
    out << "{" << heap.heap.name << ", " << to_string(heap.heap.kind) << (heap.heap.scarce ? ", scarce, " : ", ")
        << to_string(heap.verdict.outcome) << ", " << (heap.cpu_time ? std::to_string(heap.cpu_time->count()) : "?")
        << "}";
}
} // namespace commonbuf

namespace rc {
using commonbuf::HeapKind;
using commonbuf::HeapVerdict;
using commonbuf::Outcome;

/// Times from nothing to the largest, mostly near each other.
Gen<std::int64_t> times();
Gen<std::int64_t> times()
{
    return gen::weightedOneOf<std::int64_t>({
        {4, gen::inRange<std::int64_t>(0, 50)},
        {2, gen::inRange<std::int64_t>(900, 4100)},
        {1, gen::just(std::numeric_limits<std::int64_t>::max())},
    });
}

template <>
struct Arbitrary<HeapVerdict> {
    static Gen<HeapVerdict> arbitrary()
    {
        return gen::exec([] {
            HeapVerdict heap;
            heap.heap.name = *gen::element<std::string>("a", "b", "c");
            heap.heap.kind = *gen::element(HeapKind::dma_heap, HeapKind::udmabuf, HeapKind::custom);
            heap.heap.scarce = *gen::arbitrary<bool>();
            heap.verdict.outcome = *gen::element(Outcome::proved, Outcome::accepted, Outcome::refused);
            if (*gen::arbitrary<bool>())
                heap.cpu_time = std::chrono::nanoseconds(*times());
            return heap;
        });
    }
};
} // namespace rc

namespace commonbuf {
namespace {

TEST(Rank, HeapsHaveAStrictWeakOrder)
{
    law::holds("the order of heaps is a strict weak one", [] {
        const auto heaps = *rc::gen::container<std::array<HeapVerdict, 3>>(rc::gen::arbitrary<HeapVerdict>());
        std::optional<std::chrono::nanoseconds> cheapest;
        if (*rc::gen::arbitrary<bool>())
            cheapest = std::chrono::nanoseconds(*rc::times());
        using Words = std::vector<std::string>;
        Preferences preferences;
        preferences.prefer = *rc::gen::element(Words{}, Words{"b"}, Words{"udmabuf", "a"});
        const auto below = [&](const HeapVerdict& x, const HeapVerdict& y) {
            return ranking::compare(x, y, preferences, cheapest).order < 0;
        };
        const auto level = [&](const HeapVerdict& x, const HeapVerdict& y) { return !below(x, y) && !below(y, x); };
        const auto& [a, b, c] = heaps;
        RC_ASSERT(!below(a, a));
        RC_ASSERT(!(below(a, b) && below(b, a)));
        RC_ASSERT(!(below(a, b) && below(b, c)) || below(a, c));
        RC_ASSERT(!(level(a, b) && level(b, c)) || level(a, c));
    });
}

} // namespace
} // namespace commonbuf
