// SPDX-License-Identifier: MIT
#include "html/html.hpp"
#include "html/markup.hpp"
#include "html/parts.hpp"
#include "render.hpp"
#include "well_formed.hpp"

#include "plan/ranking.hpp"

#include <drm_fourcc.h>

#include <gtest/gtest.h>

#include <regex>

namespace allocinfo {
namespace {

using html::grouped;

Json verdict(const char* outcome, Json call = nullptr, Json error = nullptr, Json reason = nullptr)
{
    return {{"verdict", outcome}, {"call", call},      {"errno", error},
            {"reason", reason},   {"needed", nullptr}, {"offered", nullptr}};
}

Json with(Json object, const Json& more)
{
    object.update(more);
    return object;
}

Json heap(const char* name, const char* kind, bool scarce, const Json& verdict, const Json& uses)
{
    return with({{"name", name},
                 {"kind", kind},
                 {"path", "/dev/dma_heap/" + std::string(name)},
                 {"scarce", scarce},
                 {"same_as", nullptr},
                 {"uses", uses},
                 {"why_below", nullptr},
                 {"cpu_time_ns", nullptr}},
                verdict);
}

/// NV12 in two memories, with padding behind rows, behind planes and before one.
Json layout()
{
    return Json::parse(R"({"format": "NV12", "modifier": "LINEAR", "width": 100, "height": 60,
        "planes": [{"memory": 0, "offset": 0, "stride": 128, "size": 7680, "row_bytes": 100, "rows": 60},
                   {"memory": 1, "offset": 1024, "stride": 128, "size": 3840, "row_bytes": 100, "rows": 30}],
        "memories": [10240, 5120]})");
}

Json plan()
{
    const Json camera = {{"use", "v4l2:/dev/video0:capture"}};
    const Json display = {{"use", "drm:/dev/dri/card0:scanout"}};
    const Json accepted = verdict("accepted", "DRM_IOCTL_MODE_ADDFB2", nullptr, "a commit tells");
    const Json refused = verdict("refused", "VIDIOC_PREPARE_BUF", "EFAULT", "not contiguous");
    Json document = {{"schema", 2}, {"command", "plan"}};
    document["answer"] = {{"headline", "heap region, accepted: NV12"}, {"reason", "closed is not tried: ask root"}};
    document["purposes"] = Json::array();
    document["nearest"] = nullptr;
    document["cpu_cost_effect"] = nullptr;
    document["request"] = {{"format", "NV12"}, {"width", 100}, {"height", 60}, {"count", 3}};
    document["request"]["uses"] = {camera["use"], display["use"]};
    document["chosen"] = {{"heap", "region"}, {"kind", "dma-heap"}, {"verdict", "accepted"}};
    document["layout"] = layout();
    document["constraints"] = Json::parse(R"({"stride_align": 64, "max_stride": null, "contiguous": true, "origins": [
        {"constraint": "stride_align", "value": 64, "device": "drm:/dev/dri/card0:scanout", "call": "ADDFB2"},
        {"constraint": "contiguous", "value": 1, "device": "v4l2:/dev/video0:capture", "call": "a trial"},
        {"constraint": "of_tomorrow", "value": "odd", "device": "v4l2:/dev/video0:capture", "call": "a trial"}]})");
    document["heaps"] = {
        heap("region", "dma-heap", true, accepted, {with(camera, verdict("proved")), with(display, accepted)}),
        heap("closed", "dma-heap", true, verdict("not-tried", "open", "EACCES", "ask root"), Json::array()),
        heap("system", "dma-heap", false, refused, {with(camera, refused), with(display, accepted)})};
    document["heaps"][1]["why_below"] = "Below region: not tried comes after accepted, not proved.";
    document["heaps"][2]["why_below"] = "Below closed: refused comes after not tried.";
    document["layouts_set_aside"] = Json::array(
        {with({{"layout", layout()}, {"use", display["use"]}}, verdict("refused", "ADDFB2", "EINVAL", "too narrow"))});
    document["uses_not_served"] = Json::array();
    document["error"] = nullptr;
    return document;
}

bool has(const std::string& page, const std::string& words) { return page.find(words) != std::string::npos; }

/// The widths of the boxes of a class, in the order of the page.
std::vector<double> widths(const std::string& page, const std::string& kind)
{
    const std::regex box("<rect class=\"" + kind + R"rx(" x="[^"]*" y="[^"]*" width="([^"]*)")rx");
    std::vector<double> result;
    for (std::sregex_iterator match(page.begin(), page.end(), box), end; match != end; ++match)
        result.push_back(std::stod((*match)[1]));
    return result;
}

TEST(Markup, EscapesWhateverIsNotMarkup)
{
    EXPECT_EQ(Markup("a<b>&\"'").str(), "a&lt;b&gt;&amp;&quot;&#39;");
    EXPECT_EQ(Markup(std::string("bell\a")).str(), "bell\xEF\xBF\xBD");
    EXPECT_EQ(element("p", {{"title", "\"><i>"}}, {"<"}).str(), "<p title=\"&quot;&gt;&lt;i&gt;\">&lt;</p>");
    EXPECT_EQ(element("br", {}).str(), "<br/>");
}

TEST(Html, NumbersAreReadable)
{
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(999), "999");
    EXPECT_EQ(grouped(1234567), "1\u202f234\u202f567");
    EXPECT_EQ(html::bytes(1023), "1023 bytes");
    EXPECT_EQ(html::bytes(3 * 1024 * 1024), "3\u202f145\u202f728 bytes (3 MiB)");
}

TEST(Html, ShowsEverythingThatThePlanSays)
{
    const std::string page = html_page(plan());
    EXPECT_EQ(malformed(page), "");
    for (const char* words : {"NV12 100 × 60",
                              "Asked for 3 buffers",
                              "region",
                              "closed",
                              "system",
                              "✓",
                              "proved",
                              "accepted, not proved",
                              "✗",
                              "not tried",
                              "not contiguous",
                              "a commit tells",
                              "EFAULT",
                              "ask root",
                              "Layouts set aside",
                              "too narrow",
                              "stride 128 = 100 seen + 28 padding",
                              "of_tomorrow",
                              "odd",
                              "no limit",
                              "nobody asks",
                              "Heap <b>region</b>"})
        EXPECT_TRUE(has(page, words)) << words;
    EXPECT_TRUE(has(page, "Below region: not tried comes after accepted, not proved."));
    EXPECT_TRUE(has(page, "Below closed: refused comes after not tried."));
    // A yes-or-no constraint is no number.
    EXPECT_TRUE(has(page, "<b>yes</b>"));
    // Each cell leads to its verdict.
    EXPECT_TRUE(has(page, "href=\"#verdict-2-0\"") && has(page, "id=\"verdict-2-0\""));
}

TEST(Html, NeedsNothingFromElsewhere)
{
    const std::string page = html_page(plan());
    EXPECT_FALSE(has(page, "<script"));
    EXPECT_FALSE(has(page, "src="));
    EXPECT_FALSE(has(page, "@import"));
    const std::regex reference(R"rx((href="|url\()([^")]*))rx");
    for (std::sregex_iterator match(page.begin(), page.end(), reference), end; match != end; ++match)
        EXPECT_TRUE((*match)[2].str().starts_with("#")) << match->str();
    EXPECT_TRUE(has(page, "default-src &#39;none&#39;"));
}

TEST(Html, NamesOfStrangersAreOnlyNames)
{
    Json document = plan();
    const std::string evil = "</pre></style><script>alert('\x1b[31m')</script>\xff&";
    document["heaps"][0]["name"] = evil;
    document["heaps"][0]["path"] = evil;
    document["heaps"][2]["uses"][0]["reason"] = evil;
    document["heaps"][2]["uses"][0]["call"] = evil;
    document["request"]["uses"][0] = evil;
    document["constraints"]["origins"][0]["device"] = evil;
    document["constraints"]["origins"][0]["constraint"] = evil;
    document["layouts_set_aside"][0]["use"] = evil;
    document["layout"]["modifier"] = evil;
    const std::string page = html_page(document);
    EXPECT_EQ(malformed(page), "");
    EXPECT_FALSE(has(page, "<script"));
    EXPECT_FALSE(has(page, "\xff"));
    EXPECT_TRUE(has(page, "&lt;script&gt;"));
    // Nor do they colour a terminal.
    EXPECT_FALSE(has(render(document, Colour::no), "\x1b"));
}

TEST(Html, TheLayoutIsDrawnToScale)
{
    const std::string page = html_page(plan());
    // Bars first: 998 units stand for the largest memory, of 10240 bytes.
    const auto first = widths(page, "plane p0");
    const auto second = widths(page, "plane p1");
    const auto frames = widths(page, "frame");
    ASSERT_EQ(first.size(), 2U);
    ASSERT_EQ(second.size(), 2U);
    ASSERT_EQ(frames.size(), 4U);
    EXPECT_NEAR(first[0], 998.0 * 7680 / 10240, 0.1);
    EXPECT_NEAR(second[0], 998.0 * 3840 / 10240, 0.1);
    EXPECT_NEAR(frames[0], 998, 0.1);
    EXPECT_NEAR(frames[1], 998.0 / 2, 0.1);
    // Then rows: 100 of 128 bytes are pixels.
    EXPECT_NEAR(first[1] / frames[2], 100.0 / 128, 0.001);
    EXPECT_NEAR(second[1] / frames[3], 100.0 / 128, 0.001);
}

TEST(Html, PaddingIsSeenHoweverThin)
{
    Json document = plan();
    document["layout"] = Json::parse(R"({"format": "R8", "modifier": "LINEAR", "width": 65535, "height": 1,
        "planes": [{"memory": 0, "offset": 0, "stride": 65536, "size": 65536, "row_bytes": 65535, "rows": 1}],
        "memories": [65536]})");
    const std::string page = html_page(document);
    EXPECT_NEAR(widths(page, "frame").back() - widths(page, "plane p0").back(), 3, 0.1);
}

TEST(Html, WhatIsNotKnownIsNotDrawn)
{
    Json document = plan();
    document["layout"]["modifier"] = "INTEL_X_TILED";
    for (Json& plane : document["layout"]["planes"])
        plane["row_bytes"] = plane["rows"] = nullptr;
    const std::string page = html_page(document);
    EXPECT_EQ(malformed(page), "");
    EXPECT_TRUE(has(page, "stride 128, no padding"));
    EXPECT_TRUE(has(page, "unknown"));
}

TEST(Html, AFailedPlanIsAPage)
{
    Json document = plan();
    document["chosen"] = nullptr;
    document["error"] = {
        {"category", "incompatible"}, {"call", nullptr},           {"target", nullptr},         {"errno", nullptr},
        {"operation", "plan NV12"},   {"detail", "nobody agrees"}, {"advice", "ask for other"}, {"message", "x"}};
    std::string page = html_page(document);
    EXPECT_EQ(malformed(page), "");
    EXPECT_TRUE(has(page, "No heap serves every use.") && has(page, "nobody agrees") && has(page, "ask for other"));
    EXPECT_FALSE(has(page, "(chosen)"));

    // Without a layout there are no heaps to compare, and without a device nothing but the error.
    document["layout"] = nullptr;
    document["heaps"] = Json::array();
    document["uses_not_served"] =
        Json::array({with({{"use", "cpu:read"}}, verdict("refused", "support", nullptr, "never"))});
    page = html_page(document);
    EXPECT_EQ(malformed(page), "");
    EXPECT_TRUE(has(page, "No layout serves every use.") && has(page, "Uses that no layout serves") &&
                has(page, "never"));
    page = html_page({{"schema", 2}, {"command", "plan"}, {"error", document["error"]}});
    EXPECT_EQ(malformed(page), "");
    EXPECT_TRUE(has(page, "nobody agrees"));
}

commonbuf::HeapVerdict heap_verdict(const char* name, commonbuf::HeapKind kind, bool scarce)
{
    commonbuf::HeapVerdict result;
    result.heap.name = name;
    result.heap.kind = kind;
    result.heap.scarce = scarce;
    result.verdict.outcome = commonbuf::Outcome::proved;
    return result;
}

/// The page of a plan that has these two heaps, in the order that the library gives them.
std::string page_of(commonbuf::HeapVerdict a, commonbuf::HeapVerdict b, const commonbuf::Preferences& preferences = {},
                    std::optional<commonbuf::Access> cpu = {})
{
    using namespace commonbuf;
    Report report;
    report.request = {DRM_FORMAT_XRGB8888, 64, 32};
    report.layout = *linear_layout(report.request, 256, Memories::single);
    report.preferences = preferences;
    report.heaps = {std::move(a), std::move(b)};
    report.cpu_cost_effect = ranking::order(report.heaps, preferences, cpu, report.layout->total_size());
    return html_page(plan_document(report, nullptr));
}

TEST(Html, OrderIsExplainedByWhatDiffersFirst)
{
    using commonbuf::HeapKind;
    const auto plenty = heap_verdict("plenty", HeapKind::udmabuf, false);
    EXPECT_TRUE(
        has(page_of(plenty, heap_verdict("b", HeapKind::dma_heap, true)), "Below plenty: this memory is scarce"));
    EXPECT_TRUE(has(page_of(plenty, heap_verdict("b", HeapKind::drm_dumb, false)), "drm-dumb comes after udmabuf"));
    EXPECT_TRUE(has(page_of(plenty, heap_verdict("z", HeapKind::udmabuf, false)), "As good as plenty; the name"));
    // If the plan gives no reason, the page makes up none.
    Json document = plan();
    document["heaps"][1]["why_below"] = nullptr;
    EXPECT_FALSE(has(html_page(document), "Below region"));
}

TEST(Html, APreferenceIsTheReasonThatThePageGives)
{
    using commonbuf::HeapKind;
    commonbuf::Preferences preferences;
    preferences.prefer = {"udmabuf"};
    const std::string page = page_of(heap_verdict("system", HeapKind::dma_heap, false),
                                     heap_verdict("mine", HeapKind::udmabuf, false), preferences);
    EXPECT_TRUE(has(page, "Below mine: the caller prefers that one.")) << page;
    EXPECT_TRUE(has(page, "the caller prefers mine to system")) << page;
}

TEST(Html, CpuCostsAreTheReasonThatThePageGives)
{
    using commonbuf::HeapKind;
    using std::chrono::milliseconds;
    commonbuf::Preferences preferences;
    preferences.cpu_costs = {{"system", 1, milliseconds(90), {}, {}, {}}, {"region", 1, milliseconds(10), {}, {}, {}}};
    const std::string page =
        page_of(heap_verdict("system", HeapKind::dma_heap, false), heap_verdict("region", HeapKind::dma_heap, true),
                preferences, commonbuf::Access::read);
    EXPECT_TRUE(has(page, "Below region: it costs the CPU 0.70 ms for each image, and region costs 0.08 ms.")) << page;
    EXPECT_FALSE(has(page, "scarce, and kept")) << page;
}

TEST(Tree, VerdictsAreBranches)
{
    const std::string tree = render(plan(), Colour::no);
    EXPECT_TRUE(tree.starts_with(
        "heap region, accepted: NV12\n    closed is not tried: ask root\nplan NV12 100x60, 3 buffers\n"))
        << tree;
    EXPECT_TRUE(has(tree, "└─ heaps, best first\n   ├─ * region (dma-heap, scarce): accepted, not proved\n"
                          "   │  ├─ v4l2:/dev/video0:capture: proved\n"))
        << tree;
    EXPECT_TRUE(has(tree, "   ├─ - closed (dma-heap, scarce): not tried at open with EACCES: ask root\n")) << tree;
    EXPECT_TRUE(has(tree, "│  ├─ memory 0: 10240 bytes\n│  │  └─ plane 0: offset 0, stride 128, 7680 bytes\n")) << tree;
    EXPECT_TRUE(has(tree, "of_tomorrow odd: v4l2:/dev/video0:capture (a trial)")) << tree;
}

} // namespace
} // namespace allocinfo
