// SPDX-License-Identifier: MIT
//
// JSON read back equals the value that was written.
#include "law.hpp"

#include <commonbuf/explain.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace commonbuf {
namespace {

/// Text as devices have it, and text that needs an escape.
std::string text()
{
    return *rc::gen::element<std::string>("", "system", "v4l2:/dev/video0:capture", "\"quoted\\ \n\t\x01",
                                          "Gr\u00f6\u00dfe \u20ac \U0001f4f7", "null", "0x1");
}

template <typename Number>
Number number()
{
    constexpr auto most = std::numeric_limits<Number>::max();
    return *rc::gen::oneOf(rc::gen::element<Number>(0, 1, most, most - 1, most / 2 + 1),
                           rc::gen::inRange<Number>(0, most));
}

bool flag() { return *rc::gen::arbitrary<bool>(); }

template <typename Make>
auto maybe(Make make)
{
    return flag() ? std::optional(make()) : std::nullopt;
}

template <typename Make>
auto some(Make make)
{
    std::vector<decltype(make())> all;
    for (int left = *rc::gen::inRange(0, 3); left > 0; --left)
        all.push_back(make());
    return all;
}

template <typename Enum>
Enum one_of(Enum first, Enum last)
{
    return static_cast<Enum>(*rc::gen::inRange(static_cast<int>(first), static_cast<int>(last) + 1));
}

int error_number() { return flag() ? 0 : *rc::gen::inRange(1, 4096); }

Format format()
{
    Format any(number<std::uint32_t>());
    any.is_v4l2 = flag();
    const auto known = all_formats();
    return flag() ? any : known[*rc::gen::inRange<std::size_t>(0, known.size())].format;
}

Modifier modifier() { return flag() ? linear : Modifier(number<std::uint64_t>()); }

Error error()
{
    Error made;
    made.category = one_of(Category::invalid_argument, Category::kernel_failure);
    made.sys_errno = error_number();
    made.call = text();
    made.target = text();
    made.operation = text();
    made.needed = maybe(number<std::uint64_t>);
    made.offered = maybe(number<std::uint64_t>);
    made.detail = text();
    made.advice = text();
    return made;
}

Constraint constraint() { return one_of(Constraint::address_bits, Constraint::stride_align); }

Verdict verdict()
{
    Verdict made;
    made.outcome = one_of(Outcome::verified, Outcome::refused);
    made.call = text();
    made.category = maybe([] { return one_of(Category::invalid_argument, Category::kernel_failure); });
    made.sys_errno = error_number();
    made.constraint = maybe(constraint);
    made.reason = text();
    made.needed = maybe(number<std::uint64_t>);
    made.offered = maybe(number<std::uint64_t>);
    return made;
}

UseVerdict use_verdict() { return {text(), verdict()}; }

Layout layout()
{
    Layout made;
    made.format = format();
    made.modifier = modifier();
    made.width = number<std::uint32_t>();
    made.height = number<std::uint32_t>();
    made.plane_count = *rc::gen::inRange<std::uint32_t>(0, max_planes + 1);
    made.memory_count = *rc::gen::inRange<std::uint32_t>(0, max_planes + 1);
    for (std::size_t i = 0; i < made.plane_count; ++i)
        made.planes.at(i) = {number<std::uint32_t>(), number<std::uint32_t>(), number<std::uint64_t>(),
                             number<std::uint64_t>()};
    for (std::size_t i = 0; i < made.memory_count; ++i)
        made.memory_sizes.at(i) = number<std::uint64_t>();
    made.lines_before = number<std::uint32_t>();
    made.lines_after = number<std::uint32_t>();
    made.rows = number<std::uint32_t>();
    return made;
}

Constraints constraints()
{
    Constraints made;
    made.stride_align = number<std::uint32_t>();
    made.min_stride = number<std::uint32_t>();
    made.max_stride = number<std::uint32_t>();
    made.height_align = number<std::uint32_t>();
    made.offset_align = number<std::uint64_t>();
    made.size_align = number<std::uint64_t>();
    made.min_size = number<std::uint64_t>();
    made.max_size = number<std::uint64_t>();
    made.contiguous = flag();
    made.address_bits = number<std::uint32_t>();
    made.cached = one_of(Choice::neither, Choice::either);
    made.protected_memory = one_of(Choice::neither, Choice::either);
    for (const Origin& origin : some([] { return Origin{constraint(), number<std::uint64_t>(), text(), text()}; }))
        made.add_origin(origin);
    return made;
}

HeapInfo heap_info()
{
    HeapInfo made;
    made.name = text();
    made.kind = one_of(HeapKind::dma_heap, HeapKind::custom);
    made.path = text();
    made.scarce = flag();
    made.memory = {maybe(flag), maybe(flag), maybe(flag), maybe(number<std::uint32_t>)};
    made.same_as = text();
    made.obstacle = maybe(error);
    return made;
}

std::chrono::nanoseconds time() { return std::chrono::nanoseconds(number<std::int64_t>()); }

HeapVerdict heap_verdict()
{
    HeapVerdict made;
    made.heap = heap_info();
    made.verdict = verdict();
    made.uses = some(use_verdict);
    made.below_by = maybe([] { return one_of(RankKey::outcome, RankKey::name); });
    made.preference = maybe(number<std::uint32_t>);
    made.cpu_time = maybe(time);
    return made;
}

Arrangement arrangement() { return {format(), modifier(), one_of(Memories::single, Memories::per_plane)}; }

Preferences preferences()
{
    Preferences made;
    made.prefer = some(text);
    made.forbid = some(text);
    made.fall_back = flag();
    made.constraints = constraints();
    made.cpu_costs = some([] { return CpuCost{text(), number<std::uint64_t>(), time(), time(), time(), time()}; });
    return made;
}

Report report()
{
    Report made;
    made.request = {format(), number<std::uint32_t>(), number<std::uint32_t>(), number<std::uint32_t>()};
    made.request.lines_before = number<std::uint32_t>();
    made.request.lines_after = number<std::uint32_t>();
    made.request.alternatives = some(format);
    made.preferences = preferences();
    made.uses = some(text);
    made.purposes = some([] {
        const auto purpose = static_cast<Purpose>(1U << *rc::gen::inRange(0U, 10U));
        return ResolvedPurpose{purpose, some(text), some(use_verdict)};
    });
    made.layout = maybe(layout);
    made.constraints = constraints();
    made.heaps = some(heap_verdict);
    made.set_aside = some([] { return LayoutVerdict{layout(), text(), verdict()}; });
    made.not_served = some(use_verdict);
    made.nearest = maybe([] {
        return NearestConversion{arrangement(), number<std::uint32_t>(), some([] {
                                     return NearestConversion::Lacking{text(), some(arrangement)};
                                 })};
    });
    made.cpu_cost_effect = maybe([] {
        return CpuCostEffect{one_of(CpuCostEffect::Kind::no_cpu_use, CpuCostEffect::Kind::changed),
                             maybe([] { return one_of(Access::read, Access::read_write); }), text()};
    });
    return made;
}

/// Reading what was written gives an equal value.
template <typename Value>
void comes_back(const Value& value, Result<Value> (*read)(std::string_view))
{
    const std::string json = to_json(value);
    const auto back = read(json);
    RC_LOG(json);
    if (!back)
        RC_LOG(back.error().message());
    RC_ASSERT(back.has_value());
    RC_ASSERT((*back == value));
}

// A report is made of all the others: each case tries some hundred values.
constexpr int share = 50;

TEST(Json, EveryReportComesBack)
{
    law::holds(
        "a report read back equals the one that was written", [] { comes_back(report(), report_from_json); },
        law::cases() / share);
}

TEST(Json, EveryPartComesBack)
{
    law::holds(
        "each part read back equals the one that was written",
        [] {
            comes_back(layout(), layout_from_json);
            comes_back(constraints(), constraints_from_json);
            comes_back(verdict(), verdict_from_json);
            const Error failure = error();
            RC_ASSERT(error_from_json(to_json(failure)) == failure);
            comes_back(heap_info(), heap_info_from_json);
        },
        law::cases() / share);
}

} // namespace
} // namespace commonbuf
