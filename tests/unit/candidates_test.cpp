// SPDX-License-Identifier: MIT
#include "negotiate/candidates.hpp"

#include "explain/explain.hpp"
#include "negotiate/objection.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>

namespace commonbuf::negotiate {
namespace {

/// A use that takes a format in these ways.
UseSupport use(const char* name, Format format, const Constraints& constraints,
               const std::vector<Memories>& ways = {Memories::single})
{
    auto support = std::make_shared<Support>();
    for (const Memories way : ways)
        support->entries.push_back({format, linear, way, constraints});
    return {name, support};
}

UseSupport use_of(const char* name, std::vector<Support::Entry> entries)
{
    return {name, std::make_shared<Support>(Support{std::move(entries)})};
}

struct Found {
    std::vector<Candidate> all;
    Error why_none;
    std::optional<NearestConversion> nearest;
};

Found candidates(const Request& request, const std::vector<UseSupport>& uses, const Constraints& extra = {})
{
    Candidates source(request, uses, extra);
    Found found;
    while (true) {
        if (auto next = source.next())
            found.all.push_back(std::move(*next));
        else if (source.wanted())
            source.propose({});
        else
            break;
    }
    if (found.all.empty())
        found.why_none = source.why_none();
    found.nearest = source.nearest();
    return found;
}

constexpr Format xr24 = DRM_FORMAT_XRGB8888;
constexpr Format nv12 = DRM_FORMAT_NV12;

TEST(CheckRequest, RefusesNonsenseWithWhatToDo)
{
    const auto message = [](const Request& request) {
        const Status status = check_request(request);
        return status ? std::string("fine") : status.error().message();
    };
    EXPECT_EQ(message({DRM_FORMAT_NV12, 1920, 1080}), "fine");
    EXPECT_EQ(message({DRM_FORMAT_XRGB8888, 1, 1}), "fine");
    EXPECT_EQ(message({DRM_FORMAT_XRGB8888, 0, 720}),
              "plan XR24 0x720: a width of 0 is not between 1 and 65536 pixels");
    EXPECT_EQ(message({DRM_FORMAT_XRGB8888, 1280, 1U << 31U}),
              "plan XR24 1280x2147483648: a height of 2147483648 is not between 1 and 65536 pixels");
    // Half a chroma sample is a whole one, as for wrap() and for DRM.
    EXPECT_EQ(message({DRM_FORMAT_NV12, 641, 481}), "fine");
    EXPECT_EQ(message({DRM_FORMAT_YUYV, 641, 481}), "fine");
    // Packed samples are not shared ones: 1280 is not a multiple of P030's 3.
    EXPECT_EQ(message({DRM_FORMAT_P030, 1280, 720}), "fine");
    EXPECT_EQ(message({DRM_FORMAT_YUV410, 642, 479}), "fine");
    EXPECT_NE(message({0x12345678, 640, 480}).find("does not know this format"), std::string::npos);
    EXPECT_NE(message({DRM_FORMAT_XRGB8888, 640, 480, 0}).find("0 buffers"), std::string::npos);
}

TEST(Candidates, GoFromTightToPadded)
{
    const auto found = candidates({xr24, 1366, 768}, {use("a", xr24, {})}).all;
    ASSERT_GE(found.size(), 4U);
    EXPECT_EQ(found[0].layout.planes[0].stride, 5464U);
    EXPECT_EQ(found[1].layout.planes[0].stride, 5504U); // 64
    EXPECT_EQ(found[2].layout.planes[0].stride, 5632U); // 256 (and 128)
    for (std::size_t i = 1; i < found.size(); ++i)
        EXPECT_GT(found[i].layout.planes[0].stride, found[i - 1].layout.planes[0].stride);
}

TEST(Candidates, OddSizesGetWholeChromaSamples)
{
    for (const Memories memories : {Memories::single, Memories::per_plane}) {
        const auto found = candidates({nv12, 853, 481}, {use("a", nv12, {}, {memories})}).all;
        ASSERT_FALSE(found.empty());
        const Layout& tight = found[0].layout;
        EXPECT_EQ(tight.planes[0].stride, 854U) << "a row of chroma has 427 samples of 2 bytes";
        EXPECT_EQ(tight.planes[1].stride, 854U);
        EXPECT_EQ(tight.planes[1].size, 854U * 241);
        EXPECT_TRUE(validate(tight));
    }
    // Four columns and four rows share a sample.
    const auto found = candidates({DRM_FORMAT_YUV410, 642, 479}, {use("a", DRM_FORMAT_YUV410, {})}).all;
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found[0].layout.planes[0].stride, 644U);
    EXPECT_EQ(found[0].layout.planes[2].size, 161U * 120);
}

TEST(Candidates, OnlyWhatTheCallerSaysOfRowsIsSaidInTheLayout)
{
    Constraints sixteen;
    sixteen.height_align = 16;
    const auto by_caller = candidates({nv12, 1920, 1080}, {use("a", nv12, {})}, sixteen).all;
    const auto by_device = candidates({nv12, 1920, 1080}, {use("a", nv12, sixteen)}).all;
    ASSERT_FALSE(by_caller.empty());
    ASSERT_FALSE(by_device.empty());
    EXPECT_EQ(by_caller[0].layout.rows, 1088U);
    EXPECT_EQ(by_device[0].layout.rows, 0U);
    EXPECT_EQ(by_caller[0].layout.planes[1].offset, 1920U * 1088);
    EXPECT_EQ(by_device[0].layout.planes[1].offset, 1920U * 1088);
    // Where nothing is padded, there is nothing to say.
    EXPECT_EQ(candidates({nv12, 1920, 1088}, {use("a", nv12, {})}, sixteen).all[0].layout.rows, 0U);
}

TEST(Candidates, OneWhenTheStrideFitsEveryStep)
{
    // 5120 is a multiple of 1024.
    EXPECT_EQ(candidates({xr24, 1280, 720}, {use("a", xr24, {})}).all.size(), 1U);
}

TEST(Candidates, FewestMemoriesFirst)
{
    const auto found = candidates({nv12, 1024, 720}, {use("a", nv12, {}, {Memories::single, Memories::per_plane}),
                                                      use("b", nv12, {}, {Memories::per_plane, Memories::single})})
                           .all;
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].layout.memory_count, 1U);
    EXPECT_EQ(found[1].layout.memory_count, 2U);
}

TEST(Candidates, OnlyWhatAllTake)
{
    const auto found = candidates({nv12, 1024, 720}, {use("a", nv12, {}, {Memories::single, Memories::per_plane}),
                                                      use("b", nv12, {}, {Memories::per_plane})})
                           .all;
    ASSERT_FALSE(found.empty());
    for (const Candidate& candidate : found)
        EXPECT_EQ(candidate.layout.memory_count, 2U);
}

TEST(Candidates, NameWhereAConversionWouldDo)
{
    const auto found = candidates({nv12, 1024, 720}, {use("one", nv12, {}, {Memories::single}),
                                                      use("many", nv12, {}, {Memories::per_plane}),
                                                      use("both", nv12, {}, {Memories::single, Memories::per_plane}),
                                                      use("first", nv12, {}, {Memories::single})});
    ASSERT_TRUE(found.all.empty());
    EXPECT_EQ(found.why_none.category, Category::incompatible);
    ASSERT_TRUE(found.nearest);
    EXPECT_EQ(found.nearest->arrangement, (Arrangement{nv12, linear, Memories::single}));
    EXPECT_EQ(found.nearest->taken_by, 3U);
    ASSERT_EQ(found.nearest->lacking.size(), 1U);
    EXPECT_EQ(found.nearest->lacking[0].use, "many");
    EXPECT_EQ(found.nearest->lacking[0].has, (std::vector{Arrangement{nv12, linear, Memories::per_plane}}));
    EXPECT_EQ(explain::describe(*found.nearest, 4),
              "nearest is NV12 LINEAR, which 3 of 4 uses take: many lacks it (it has NV12 LINEAR with one "
              "memory per plane)");
}

TEST(Candidates, AUseWithNothingAtAllIsNamed)
{
    const auto found = candidates({nv12, 1024, 720}, {use("one", nv12, {}), use_of("none", {})});
    ASSERT_TRUE(found.nearest);
    const std::string text = explain::describe(*found.nearest, 2);
    EXPECT_NE(text.find("none lacks it (it has none of the formats)"), std::string::npos) << text;
    EXPECT_FALSE(candidates({nv12, 1024, 720}, {use_of("none", {})}).nearest);
}

TEST(Candidates, SizesAndHeightsArePadded)
{
    Constraints padded;
    padded.height_align = 16;
    padded.size_align = 65536;
    const auto found = candidates({nv12, 1920, 1080}, {use("a", nv12, padded)}).all;
    ASSERT_FALSE(found.empty());
    const Layout& layout = found.front().layout;
    EXPECT_EQ(layout.planes[1].offset, 1920U * 1088);
    EXPECT_EQ(layout.memory_sizes[0] % 65536, 0U);
}

TEST(Candidates, PlanesBeginWhereTheyAreAsked)
{
    Constraints pages;
    pages.offset_align = 4096;
    const auto found = candidates({nv12, 720, 481 + 1}, {use("a", nv12, pages)}).all;
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found.front().layout.planes[1].offset, (720U * 482 + 4095) / 4096 * 4096);
    EXPECT_TRUE(validate(found.front().layout));
}

TEST(Candidates, NoStrideAtAll)
{
    Constraints narrow;
    narrow.max_stride = 1000;
    const auto found = candidates({xr24, 1280, 720}, {use("a", xr24, narrow)});
    EXPECT_TRUE(found.all.empty());
    EXPECT_EQ(found.why_none.category, Category::incompatible);
    EXPECT_NE(found.why_none.detail.find("agree on none"), std::string::npos) << found.why_none.detail;
}

TEST(Candidates, TheCallersConstraintsCount)
{
    Constraints extra;
    extra.stride_align = 4096;
    const auto found = candidates({xr24, 1280, 720}, {use("a", xr24, {})}, extra).all;
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found.front().layout.planes[0].stride, 8192U);
}

TEST(Candidates, TheCallersOrderOfFormatsComesFirst)
{
    const std::vector<Support::Entry> both{{xr24}, {nv12}};
    Request request{nv12, 1024, 720};
    request.alternatives = {xr24};
    const auto found = candidates(request, {use_of("a", both), use_of("b", both)}).all;
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].layout.format, nv12);
    EXPECT_EQ(found[1].layout.format, xr24);
    // And what nobody asked for is no candidate, whoever has it.
    EXPECT_EQ(candidates({nv12, 1024, 720}, {use_of("a", both), use_of("b", both)}).all.size(), 1U);
}

TEST(Candidates, CompressedBeforeTiledBeforeLinear)
{
    constexpr Modifier tiled = I915_FORMAT_MOD_X_TILED;
    constexpr Modifier compressed = I915_FORMAT_MOD_Y_TILED_CCS;
    const auto given = [](Modifier modifier, std::uint32_t stride) {
        Layout layout = *linear_layout({xr24, 1024, 720}, stride, Memories::single);
        layout.modifier = modifier;
        return std::make_shared<const Layout>(layout);
    };
    const UseSupport gpu = use_of("gpu", {{xr24, linear, Memories::single, {}},
                                          {xr24, tiled, Memories::single, {}, given(tiled, 8192)},
                                          {xr24, compressed, Memories::single, {}, given(compressed, 8192)}});
    const UseSupport display = use_of("display", {{xr24, linear, Memories::single, {}},
                                                  {xr24, tiled, Memories::single, {}},
                                                  {xr24, compressed, Memories::single, {}}});
    const auto found = candidates({xr24, 1024, 720}, {gpu, display}).all;
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(found[0].layout.modifier, compressed);
    EXPECT_EQ(found[1].layout.modifier, tiled);
    EXPECT_EQ(found[1].layout.planes[0].stride, 8192U);
    EXPECT_EQ(found[2].layout.modifier, linear);
    // A use that takes linear alone decides for all.
    EXPECT_EQ(candidates({xr24, 1024, 720}, {gpu, display, use("camera", xr24, {})}).all.size(), 1U);
}

TEST(Candidates, LinearAndInvalidNeverStandForEachOther)
{
    const UseSupport explicit_only = use_of("explicit", {{xr24, linear, Memories::single, {}}});
    const UseSupport implicit_only = use_of("implicit", {{xr24, implicit_modifier, Memories::single, {}}});
    for (const auto& uses : {std::vector{explicit_only, implicit_only}, std::vector{implicit_only, explicit_only}}) {
        const auto found = candidates({xr24, 1024, 720}, uses);
        EXPECT_TRUE(found.all.empty());
        ASSERT_TRUE(found.nearest);
        EXPECT_EQ(found.nearest->arrangement.modifier, linear);
        EXPECT_EQ(found.nearest->lacking.at(0).use, "implicit");
    }
}

/// Heaps are asked when the layouts of an arrangement are used up, and their proposals come next.
TEST(Candidates, ProposalsAreHandedOver)
{
    constexpr Modifier tiled = I915_FORMAT_MOD_X_TILED;
    const std::vector uses{use_of("a", {{xr24, tiled, Memories::single, {}}, {xr24, linear, Memories::single, {}}})};
    Candidates source({xr24, 1280, 720}, uses);
    EXPECT_FALSE(source.next());
    const auto image = source.wanted();
    ASSERT_TRUE(image);
    EXPECT_EQ(image->arrangement.modifier, tiled);
    Layout proposed = *linear_layout(image->request, 5376, Memories::single);
    proposed.modifier = tiled;
    source.propose(std::vector{Proposal{"gpu", proposed}, Proposal{"twin", proposed}});
    EXPECT_FALSE(source.wanted());
    auto next = source.next();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->layout, proposed);
    next = source.next();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->layout.modifier, linear);
    EXPECT_FALSE(source.next());
    ASSERT_TRUE(source.wanted());
    source.propose({});
    EXPECT_FALSE(source.next());
    EXPECT_FALSE(source.wanted());
}

/// A request with room for lines is for layouts of the library's own.
TEST(Candidates, LinesAroundTheImageAskNoHeap)
{
    const std::vector uses{use("a", xr24, {})};
    Request request{xr24, 1280, 720};
    request.lines_before = 2;
    Candidates source(request, uses);
    EXPECT_TRUE(source.next());
    EXPECT_FALSE(source.next());
    EXPECT_FALSE(source.wanted());
}

TEST(Candidates, AModifierThatNobodyLaysOutIsNone)
{
    constexpr Modifier tiled = I915_FORMAT_MOD_X_TILED;
    const UseSupport display = use_of("display", {{xr24, tiled, Memories::single, {}}});
    const auto found = candidates({xr24, 1024, 720}, {display, display});
    EXPECT_TRUE(found.all.empty());
    EXPECT_NE(found.why_none.detail.find("none of them says how an image lies in memory"), std::string::npos);
}

TEST(Candidates, ALayoutThatADeviceGivesMustBeSound)
{
    constexpr Modifier tiled = I915_FORMAT_MOD_X_TILED;
    Layout layout = *linear_layout({xr24, 1024, 720}, 8192, Memories::single);
    layout.modifier = tiled;
    layout.planes[0].offset = 1U << 30U;
    const auto found =
        candidates({xr24, 1024, 720},
                   {use_of("liar", {{xr24, tiled, Memories::single, {}, std::make_shared<const Layout>(layout)}})});
    EXPECT_TRUE(found.all.empty());
    EXPECT_EQ(found.why_none.category, Category::invalid_argument) << found.why_none.message();
}

TEST(Objections, ToMemoryAreCertainOrOpen)
{
    Constraints contiguous;
    contiguous.contiguous = true;
    contiguous.add_origin({Constraint::contiguous, 1, "codec", "datasheet"});
    MemoryProperties memory;
    const auto open = objection(memory, contiguous);
    ASSERT_TRUE(open);
    EXPECT_FALSE(open->certain);
    EXPECT_EQ(to_verdict(*open).outcome, Outcome::accepted);
    memory.contiguous = false;
    const auto certain = objection(memory, contiguous);
    ASSERT_TRUE(certain);
    EXPECT_TRUE(certain->certain);
    EXPECT_EQ(certain->reason, "the memory is scattered, and must be contiguous, asked by codec (datasheet)");
    EXPECT_EQ(to_verdict(*certain).outcome, Outcome::refused);
    memory.contiguous = true;
    EXPECT_FALSE(objection(memory, contiguous));

    Constraints low;
    low.address_bits = 32;
    memory.address_bits = 36;
    EXPECT_TRUE(objection(memory, low)->certain);
    memory.address_bits = 32;
    EXPECT_FALSE(objection(memory, low));

    Constraints hidden;
    hidden.protected_memory = Choice::with;
    EXPECT_FALSE(objection(memory, hidden)->certain);
    memory.protected_memory = false;
    EXPECT_TRUE(objection(memory, hidden)->certain);
}

TEST(Objections, ToALayoutNameTheNumber)
{
    const Layout layout = *linear_layout({nv12, 720, 482}, 720, Memories::single);
    const auto against = [&layout](auto set) {
        Constraints constraints;
        set(constraints);
        const auto found = objection(layout, constraints);
        return found ? to_string(found->constraint) : "fine";
    };
    EXPECT_EQ(against([](Constraints&) {}), "fine");
    EXPECT_EQ(against([](Constraints& asked) { asked.stride_align = 64; }), "stride_align");
    EXPECT_EQ(against([](Constraints& asked) { asked.height_align = 16; }), "height_align");
    EXPECT_EQ(against([](Constraints& asked) { asked.min_stride = 721; }), "min_stride");
    EXPECT_EQ(against([](Constraints& asked) { asked.max_stride = 719; }), "max_stride");
    EXPECT_EQ(against([](Constraints& asked) { asked.offset_align = 4096; }), "offset_align");
    EXPECT_EQ(against([](Constraints& asked) { asked.size_align = 4096; }), "size_align");
    EXPECT_EQ(against([](Constraints& asked) { asked.min_size = 1U << 20U; }), "min_size");
    EXPECT_EQ(against([](Constraints& asked) { asked.max_size = 1; }), "max_size");
}

} // namespace
} // namespace commonbuf::negotiate
