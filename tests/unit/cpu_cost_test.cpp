// SPDX-License-Identifier: MIT
//
// What the CPU pays for memory: how it is measured, and what it does to the order of heaps.
// No test looks at how long anything took: costs are made up where they decide.
#include "fake/machine.hpp"
#include "explain/explain.hpp"
#include "plan/ranking.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/dma-buf.h>
#include <linux/videodev2.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace commonbuf {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

constexpr std::uint64_t mebibyte = 1U << 20U;

/// Memory that costs so much for each MiB, reading ten times as much as writing.
CpuCost cost(const char* heap, nanoseconds write)
{
    return {heap, mebibyte, write * 10, write, nanoseconds(100), nanoseconds(200)};
}

HeapVerdict heap(const char* name, Outcome outcome = Outcome::proved, bool scarce = false)
{
    HeapVerdict result;
    result.heap.name = name;
    result.heap.scarce = scarce;
    result.verdict.outcome = outcome;
    return result;
}

struct Ordered {
    std::vector<std::string> names;
    std::string note;
};
Ordered order(std::vector<HeapVerdict> heaps, const Preferences& preferences, std::optional<Access> cpu = Access::read)
{
    Ordered ordered;
    if (const auto effect = ranking::order(heaps, preferences, cpu, mebibyte))
        ordered.note = explain::describe(*effect, heaps);
    for (const HeapVerdict& each : heaps)
        ordered.names.push_back(each.heap.name);
    return ordered;
}

using Names = std::vector<std::string>;

TEST(CpuTime, BracketsAndBytes)
{
    const CpuCost each{"heap", 1, nanoseconds(1000), nanoseconds(30), nanoseconds(7), nanoseconds(5)};
    EXPECT_EQ(ranking::cpu_time(each, Access::read, mebibyte), nanoseconds(1007));
    EXPECT_EQ(ranking::cpu_time(each, Access::write, 2 * mebibyte), nanoseconds(65));
    EXPECT_EQ(ranking::cpu_time(each, Access::read_write, mebibyte / 2), nanoseconds(507 + 20));
    EXPECT_EQ(ranking::cpu_time(each, Access::read, 0), nanoseconds(7));
}

TEST(CpuTime, NumbersBeyondAllSenseAreTheLargest)
{
    const CpuCost each{"heap", 1, nanoseconds::max(), nanoseconds::max(), nanoseconds::max(), nanoseconds::max()};
    EXPECT_EQ(ranking::cpu_time(each, Access::read_write, std::numeric_limits<std::uint64_t>::max()),
              nanoseconds::max());
}

TEST(CpuTime, TwoUsesTogether)
{
    EXPECT_EQ(ranking::together({}, {}), std::nullopt);
    EXPECT_EQ(ranking::together(Access::read, {}), Access::read);
    EXPECT_EQ(ranking::together({}, Access::write), Access::write);
    EXPECT_EQ(ranking::together(Access::read, Access::read), Access::read);
    EXPECT_EQ(ranking::together(Access::read, Access::write), Access::read_write);
    EXPECT_EQ(ranking::together(Access::read_write, Access::read), Access::read_write);
}

TEST(CpuCosts, AreCheckedBeforeTheyCount)
{
    const CpuCost good = cost("a", microseconds(1));
    EXPECT_TRUE(ranking::check_costs(std::vector{good, cost("b", microseconds(1))}));
    std::vector<std::vector<CpuCost>> wrong{{good, good}, {cost("", microseconds(1))}};
    for (const auto time : {&CpuCost::read, &CpuCost::write, &CpuCost::read_bracket, &CpuCost::write_bracket}) {
        wrong.push_back({good});
        wrong.back().front().*time = nanoseconds(-1);
    }
    for (const auto& costs : wrong) {
        const auto checked = ranking::check_costs(costs);
        ASSERT_FALSE(checked);
        EXPECT_EQ(checked.error().category, Category::invalid_argument);
        EXPECT_NE(Allocator(std::vector<std::shared_ptr<Heap>>())
                      .plan({DRM_FORMAT_XRGB8888, 64, 32}, {cpu(Access::read)}, {.cpu_costs = costs})
                      .error()
                      .message()
                      .find("CPU costs"),
                  std::string::npos);
    }
}

TEST(CpuOrder, WhatIsCheapStandsAbove)
{
    const std::vector heaps{heap("near"), heap("far")};
    EXPECT_EQ(order(heaps, {}).names, (Names{"far", "near"})); // by name
    EXPECT_EQ(order(heaps, {}).note, "");
    Preferences preferences;
    preferences.cpu_costs = {cost("near", microseconds(10)), cost("far", microseconds(200))};
    const auto ordered = order(heaps, preferences);
    EXPECT_EQ(ordered.names, (Names{"near", "far"}));
    EXPECT_EQ(ordered.note, "the CPU costs decided: reading an image takes 0.10 ms in near, and 2.00 ms in far");
    // Even scarce memory: the caller asked for what is cheap.
    EXPECT_EQ(order({heap("near", Outcome::proved, true), heap("far")}, preferences).names, (Names{"near", "far"}));
}

TEST(CpuOrder, LessThanTwiceIsChance)
{
    Preferences preferences;
    preferences.cpu_costs = {cost("a", microseconds(199)), cost("b", microseconds(100))};
    const auto ordered = order({heap("b"), heap("a")}, preferences);
    EXPECT_EQ(ordered.names, (Names{"a", "b"}));
    EXPECT_EQ(ordered.note, "the CPU costs changed nothing: reading an image takes 1.99 ms in a");
    preferences.cpu_costs[0] = cost("a", microseconds(201));
    EXPECT_EQ(order({heap("b"), heap("a")}, preferences).names, (Names{"b", "a"}));
}

TEST(CpuOrder, WhatIsKnownAndPreferredComesBefore)
{
    Preferences preferences;
    preferences.cpu_costs = {cost("a", microseconds(100)), cost("b", microseconds(1))};
    EXPECT_EQ(order({heap("a"), heap("b", Outcome::accepted)}, preferences).names, (Names{"a", "b"}));
    preferences.prefer = {"a"};
    EXPECT_EQ(order({heap("a"), heap("b")}, preferences).names, (Names{"a", "b"}));
}

TEST(CpuOrder, WhatWasNotMeasuredStandsBehind)
{
    Preferences preferences;
    preferences.cpu_costs = {cost("z", std::chrono::seconds(1))};
    const auto ordered = order({heap("a"), heap("z")}, preferences);
    EXPECT_EQ(ordered.names, (Names{"z", "a"}));
    EXPECT_NE(ordered.note.find("an unknown time in a"), std::string::npos) << ordered.note;
    preferences.cpu_costs = {cost("elsewhere", microseconds(1))};
    EXPECT_EQ(order({heap("a"), heap("z")}, preferences).names, (Names{"a", "z"}));
    EXPECT_EQ(order({heap("a"), heap("z")}, preferences).note, "no heap that serves is among the CPU costs");
}

TEST(CpuOrder, AHeapThatCannotServeIsNoMeasure)
{
    // Were it one, both others would be many times dearer, and the difference between them count.
    Preferences preferences;
    preferences.cpu_costs = {cost("refused", microseconds(1)), cost("a", microseconds(130)),
                             cost("b", microseconds(120))};
    EXPECT_EQ(order({heap("refused", Outcome::refused), heap("b"), heap("a")}, preferences).names,
              (Names{"a", "b", "refused"}));
}

TEST(CpuOrder, WithoutTheCpuNothingChanges)
{
    Preferences preferences;
    preferences.cpu_costs = {cost("near", microseconds(1)), cost("far", microseconds(100))};
    const auto ordered = order({heap("near"), heap("far")}, preferences, std::nullopt);
    EXPECT_EQ(ordered.names, (Names{"far", "near"}));
    EXPECT_NE(ordered.note.find("the CPU is not among the uses"), std::string::npos);
}

TEST(CpuOrder, ReadingAndWritingAreNotTheSame)
{
    // Write-combined memory: slow to read alone.
    Preferences preferences;
    preferences.cpu_costs = {
        {"combined", mebibyte, microseconds(5000), microseconds(90), {}, {}},
        {"flushed", mebibyte, microseconds(100), microseconds(100), microseconds(50), microseconds(400)}};
    EXPECT_EQ(order({heap("combined"), heap("flushed")}, preferences, Access::read).names.front(), "flushed");
    EXPECT_EQ(order({heap("flushed"), heap("combined")}, preferences, Access::write).names.front(), "combined");
}

class CpuCostTest : public testing::Test {
protected:
    fake::Machine machine;

    static std::shared_ptr<Heap> named(const std::string& name)
    {
        for (auto& each : find_heaps()) {
            if (each->info().name == name)
                return each;
        }
        return nullptr;
    }
};

TEST_F(CpuCostTest, EveryTimeIsBracketedAndTheFirstTouchIsNone)
{
    machine.add_heap("system");
    const auto measured = measure_cpu_cost(*named("system"), 100'000, deadline_in(std::chrono::seconds(30)));
    ASSERT_TRUE(measured) << measured.error().message();
    EXPECT_EQ(measured->heap, "system");
    EXPECT_EQ(measured->bytes, 100'000U);
    // START and END of the touch, and of five writes and reads.
    EXPECT_EQ(machine.count("DMA_BUF_IOCTL_SYNC"), 2U + 2U * 10U);
    EXPECT_EQ(machine.leaks(), "");
}

TEST_F(CpuCostTest, EveryCallMayFail)
{
    machine.add_heap("system");
    auto system = named("system");
    ASSERT_TRUE(measure_cpu_cost(*system, 4096, deadline_in(std::chrono::seconds(30))));
    const std::size_t first = machine.calls().size();
    ASSERT_TRUE(measure_cpu_cost(*system, 4096, deadline_in(std::chrono::seconds(30))));
    const std::size_t calls = machine.calls().size() - first;
    unsigned failures = 0;
    for (std::size_t i = 0; i < calls; ++i) {
        machine.fail(machine.calls().size() + i, EIO);
        const auto measured = measure_cpu_cost(*system, 4096, deadline_in(std::chrono::seconds(30)));
        failures += measured ? 0U : 1U;
        if (!measured) {
            EXPECT_EQ(measured.error().sys_errno, EIO) << measured.error().message();
        }
    }
    // All but what is known of caches and free memory, and what gives back.
    EXPECT_GE(failures, 3U + 22U);
    system.reset();
    EXPECT_EQ(machine.leaks(), "");
}

TEST_F(CpuCostTest, AskingForNonsense)
{
    machine.add_heap("system");
    machine.add_heap("small", {.capacity = 4096});
    const auto later = deadline_in(std::chrono::seconds(30));
    EXPECT_EQ(measure_cpu_cost(*named("system"), 0, later).error().category, Category::invalid_argument);
    EXPECT_EQ(measure_cpu_cost(*named("system"), std::numeric_limits<std::uint64_t>::max(), later).error().category,
              Category::invalid_argument);
    EXPECT_EQ(measure_cpu_cost(*named("small"), 8192, later).error().category, Category::out_of_memory);
    EXPECT_EQ(measure_cpu_cost(*named("system"), 8192, deadline_in(std::chrono::seconds(-1))).error().category,
              Category::timed_out);
    // The kernel would end some program for it.
    machine.add_text("/proc/meminfo", "MemAvailable: 100000 kB\n");
    EXPECT_EQ(measure_cpu_cost(*named("system"), 90U << 20U, later).error().category, Category::out_of_memory);
    EXPECT_EQ(machine.leaks(), "");
}

TEST_F(CpuCostTest, ThePlanTakesTheHeapThatIsCheapToRead)
{
    machine.add_heap("system");
    machine.add_heap("region", {.contiguous = true});
    Allocator allocator;
    const Request request{DRM_FORMAT_XRGB8888, 64, 32};
    Preferences preferences;
    preferences.cpu_costs = {cost("system", microseconds(500)), cost("region", microseconds(10))};
    const auto plain = allocator.plan(request, {cpu(Access::read)});
    const auto asked = allocator.plan(request, {cpu(Access::read)}, preferences);
    ASSERT_TRUE(plain && asked);
    EXPECT_EQ(plain->chosen().heap.name, "system");
    EXPECT_FALSE(plain->chosen().cpu_time);
    EXPECT_EQ(asked->chosen().heap.name, "region");
    EXPECT_EQ(asked->allocate()->heap(), "region");
    ASSERT_TRUE(asked->chosen().cpu_time);
    // 8192 bytes at 100 us for each MiB, and the bracket.
    EXPECT_EQ(asked->chosen().cpu_time->count(), 781 + 100);
    EXPECT_NE(asked->explain().find("the CPU costs decided: reading an image takes 881 ns in region"),
              std::string::npos)
        << asked->explain();
}

TEST_F(CpuCostTest, AUseThatComesLaterChangesTheOrderToo)
{
    machine.add_heap("system");
    machine.add_heap("region", {.contiguous = true});
    machine.add_camera("video0", {.formats = {V4L2_PIX_FMT_XBGR32}});
    Allocator allocator;
    Preferences preferences;
    preferences.cpu_costs = {cost("system", microseconds(500)), cost("region", microseconds(10))};
    const auto camera = v4l2::Device::open("/dev/video0");
    ASSERT_TRUE(camera);
    const auto plan = allocator.plan({DRM_FORMAT_XRGB8888, 64, 32}, {camera->capture()}, preferences);
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->chosen().heap.name, "system");
    const auto more = allocator.add(*plan, cpu(Access::read));
    ASSERT_TRUE(more) << more.error().message();
    EXPECT_EQ(more->chosen().heap.name, "region");
    // And the other way round: a device that comes later leaves the CPU's order.
    const auto by_cpu = allocator.plan({DRM_FORMAT_XRGB8888, 64, 32}, {cpu(Access::read)}, preferences);
    ASSERT_TRUE(by_cpu);
    const auto both = allocator.add(*by_cpu, camera->capture());
    ASSERT_TRUE(both) << both.error().message();
    EXPECT_EQ(both->chosen().heap.name, "region");
}

} // namespace
} // namespace commonbuf
