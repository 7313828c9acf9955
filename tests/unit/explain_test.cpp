// SPDX-License-Identifier: MIT
#include "explain/explain.hpp"
#include "plan/ranking.hpp"

#include <commonbuf/report.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <cerrno>

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
    EXPECT_EQ(report.explain(), "XR24 64x32: heap good, XR24 64x32 LINEAR, stride 256, 8192 bytes\n"
                                "  * good (dma-heap): proved\n"
                                "  - bad (dma-heap): refused\n"
                                "      camera: refused at VIDIOC_PREPARE_BUF with EFAULT: not this memory\n");
    report.heaps.erase(report.heaps.begin());
    EXPECT_NE(report.explain().find("no heap serves every use"), std::string::npos);
    EXPECT_EQ(explain::summary(report), "no heap serves every use: bad refused by camera");
}

} // namespace
} // namespace commonbuf
