// SPDX-License-Identifier: MIT
#include "explain/explain.hpp"
#include "plan/ranking.hpp"

#include <commonbuf/explain.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <vector>

namespace commonbuf {
namespace {

HeapVerdict heap(const char* name, Outcome outcome, bool scarce = false, HeapKind kind = HeapKind::dma_heap)
{
    HeapVerdict result;
    result.heap.name = name;
    result.heap.kind = kind;
    result.heap.scarce = scarce;
    result.verdict.outcome = outcome;
    return result;
}

TEST(Rank, KnowledgeThenPlentyThenKindThenName)
{
    const auto better = [](const HeapVerdict& a, const HeapVerdict& b) { return ranking::compare(a, b, {}).order < 0; };
    EXPECT_TRUE(better(heap("b", Outcome::proved, true), heap("a", Outcome::accepted)));
    EXPECT_TRUE(better(heap("b", Outcome::proved), heap("a", Outcome::proved, true)));
    EXPECT_TRUE(better(heap("b", Outcome::proved), heap("a", Outcome::proved, false, HeapKind::udmabuf)));
    EXPECT_TRUE(better(heap("a", Outcome::proved), heap("b", Outcome::proved)));
    EXPECT_TRUE(better(heap("b", Outcome::not_tried), heap("a", Outcome::refused)));
}

TEST(Rank, WhatTheCallerPrefersComesBehindWhatIsKnown)
{
    Preferences preferences;
    preferences.prefer = {"udmabuf", "z"};
    const auto better = [&](const HeapVerdict& a, const HeapVerdict& b) {
        return ranking::compare(a, b, preferences).order < 0;
    };
    const HeapVerdict kind = heap("by_kind", Outcome::proved, false, HeapKind::udmabuf);
    EXPECT_TRUE(better(kind, heap("z", Outcome::proved)));
    EXPECT_TRUE(better(heap("z", Outcome::proved, true), heap("a", Outcome::proved)));
    EXPECT_TRUE(better(heap("a", Outcome::proved), heap("z", Outcome::accepted)));
}

TEST(Rank, TheWorstUseDecides)
{
    std::vector<UseVerdict> uses(3);
    uses[0].verdict.outcome = Outcome::proved;
    uses[1].verdict.outcome = Outcome::refused;
    uses[1].verdict.reason = "why";
    uses[2].verdict.outcome = Outcome::accepted;
    EXPECT_EQ(ranking::overall(uses).reason, "why");
    EXPECT_EQ(ranking::overall({}).outcome, Outcome::not_tried);
}

TEST(Explain, SaysEverything)
{
    Report report;
    report.request = {DRM_FORMAT_XRGB8888, 64, 32};
    report.layout = *linear_layout(report.request, 256, Memories::single);
    report.heaps = {heap("good", Outcome::proved), heap("bad", Outcome::refused)};
    Verdict refusal;
    refusal.outcome = Outcome::refused;
    refusal.call = "VIDIOC_PREPARE_BUF";
    refusal.sys_errno = EFAULT;
    refusal.reason = "not this memory";
    report.heaps[1].uses = {{"camera", refusal}};
    report.heaps[1].verdict = refusal;
    report.heaps[1].below_by = RankKey::outcome;
    EXPECT_EQ(report.explain(), "XR24 64x32: heap good, proved: XR24 64x32 LINEAR, stride 256, 8192 bytes\n"
                                "  bad is refused by camera at VIDIOC_PREPARE_BUF with EFAULT: not this memory\n"
                                "  * good (dma-heap): proved\n"
                                "  - bad (dma-heap): refused\n"
                                "      camera: refused at VIDIOC_PREPARE_BUF with EFAULT: not this memory\n");
    report.heaps.erase(report.heaps.begin());
    EXPECT_NE(report.explain().find("no heap serves every use"), std::string::npos);
    EXPECT_EQ(explain::summary(report),
              "no heap serves every use: bad refused at VIDIOC_PREPARE_BUF with EFAULT by camera");
}

/// A plan with two heaps, the second below the first by `key`.
Report two_heaps(RankKey key)
{
    Report report;
    report.request = {DRM_FORMAT_XRGB8888, 64, 32};
    report.layout = *linear_layout(report.request, 256, Memories::single);
    report.heaps = {heap("first", Outcome::proved), heap("second", Outcome::proved, true, HeapKind::drm_dumb)};
    report.heaps[1].below_by = key;
    return report;
}

TEST(Answer, IsTheHeapAndTheOneReasonThatDecided)
{
    EXPECT_EQ(answer(two_heaps(RankKey::name)).headline,
              "heap first, proved: XR24 64x32 LINEAR, stride 256, 8192 bytes");
    EXPECT_EQ(answer(two_heaps(RankKey::name)).reason, "second is as good; the name decides");
    EXPECT_EQ(answer(two_heaps(RankKey::scarcity)).reason,
              "second is scarce memory, kept for devices that can use nothing else");
    EXPECT_EQ(answer(two_heaps(RankKey::kind)).reason, "dma-heap memory comes before drm-dumb memory (second)");
    EXPECT_EQ(answer(two_heaps(RankKey::preference)).reason, "the caller prefers first to second");
    Report report = two_heaps(RankKey::outcome);
    report.heaps[1].verdict.outcome = Outcome::accepted;
    EXPECT_EQ(answer(report).reason, "it is proved; second is only accepted, not proved");
    report.heaps.pop_back();
    EXPECT_EQ(answer(report).reason, "it is the only heap");
    report = two_heaps(RankKey::cpu_time);
    report.heaps[0].cpu_time = std::chrono::milliseconds(1);
    report.heaps[1].cpu_time = std::chrono::milliseconds(9);
    report.cpu_cost_effect = CpuCostEffect{CpuCostEffect::Kind::changed, Access::read, "second"};
    EXPECT_EQ(answer(report).reason,
              "the CPU costs decided: reading an image takes 1.00 ms in first, and 9.00 ms in second");
    EXPECT_EQ(why_below(report, 1), "Below first: it costs the CPU 9.00 ms for each image, and first costs 1.00 ms.");
}

TEST(Answer, OfARefusalIsTheNearest)
{
    Report report = two_heaps(RankKey::name);
    for (HeapVerdict& each : report.heaps)
        each.verdict = Verdict::refused(Error::from_errno(EFAULT, {"VIDIOC_PREPARE_BUF", "/dev/video0"}));
    report.heaps[0].uses = {{"camera", report.heaps[0].verdict}};
    EXPECT_EQ(answer(report).headline, "no heap serves every use");
    EXPECT_TRUE(
        answer(report).reason.starts_with("the nearest is first: refused by camera at VIDIOC_PREPARE_BUF with EFAULT"))
        << answer(report).reason;
    report.heaps.clear();
    EXPECT_EQ(answer(report).reason, "this machine has no heaps");
    report.layout.reset();
    report.not_served = {{"cpu:read", Verdict::not_tried("never")}};
    EXPECT_EQ(answer(report).headline, "no layout serves every use");
    EXPECT_EQ(answer(report).reason, "not tried by cpu:read: never");
    report.nearest = NearestConversion{{DRM_FORMAT_XRGB8888, linear, Memories::single}, 1, {{"camera", {}}}};
    report.uses = {"camera", "display"};
    EXPECT_TRUE(answer(report).reason.starts_with("nearest is XR24 LINEAR, which 1 of 2 uses take: camera lacks it"))
        << answer(report).reason;
}

TEST(Json, MistakesAreNamedWithTheirPlace)
{
    const std::string good = to_json(two_heaps(RankKey::kind));
    ASSERT_TRUE(report_from_json(good));
    const auto with = [&good](const std::string& from, const std::string& to) {
        std::string text = good;
        text.replace(text.find(from), from.size(), to);
        const auto report = report_from_json(text);
        return report ? std::string() : report.error().message();
    };
    const std::vector<std::array<const char*, 3>> cases{
        {"\"schema\": 3", "\"schema\": 4", "schema is not 3"},
        {"\"width\": 64", "\"width\": 4294967296", "request.width is not a whole number from 0 to 4294967295"},
        {"\"width\": 64", "\"width\": -1", "request.width is not a whole number"},
        {"\"XR24\"", "\"XX99\"", "request.format is 'XX99', which is not a known format"},
        {"\"dma-heap\",\n      \"path\"", "\"swap\",\n      \"path\"", "heaps[0].kind is 'swap'"},
        {"\"fall_back\": true", "\"fall_back\": 1", "preferences.fall_back is neither true nor false"},
        {"\"below_by\": \"kind\"", "\"below_by\": \"luck\"", "heaps[1].below_by is 'luck'"},
        {"\"0x0\"", "\"0xg\"", "modifier_value is '0xg'"},
        {"\"memories\": [\n      8192\n", "\"memories\": [1, 2, 3, 4, 5\n", "memories has 5 elements; 4 are possible"},
        {"\"uses\": []", "\"uses\": {}", "request.uses is not a list"},
    };
    for (const auto& [from, to, named] : cases)
        EXPECT_NE(with(from, to).find(named), std::string::npos) << named << ": " << with(from, to);
    for (const std::string& text : {std::string(), std::string("{"), std::string("null"), std::string("[]"),
                                    std::string(100'000, '['), std::string("{\"schema\": 2}"), std::string("\xff")}) {
        EXPECT_FALSE(report_from_json(text)) << text.substr(0, 20);
        EXPECT_FALSE(layout_from_json(text)) << text.substr(0, 20);
        EXPECT_FALSE(error_from_json(text)) << text.substr(0, 20);
    }
}

TEST(Json, BytesThatAreNoTextAreReplaced)
{
    Report report = two_heaps(RankKey::name);
    report.heaps[0].heap.name = "a\xff\x1b";
    const auto back = report_from_json(to_json(report));
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(back->heaps[0].heap.name, "a\xEF\xBF\xBD\x1b");
}

} // namespace
} // namespace commonbuf
