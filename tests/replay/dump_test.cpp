// SPDX-License-Identifier: MIT
//
// Dumps come from strangers: what is wrong in one is named, and nothing falls over.
#include "machine.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cerrno>

namespace replay {
namespace {

using Json = nlohmann::json;

/// A camera and two heaps, as the tool would write them.
Json small()
{
    return Json::parse(R"({
      "schema": 2, "command": "devices", "width": 1280, "height": 720,
      "heaps": [
        {"name": "system", "kind": "dma-heap", "path": "/dev/dma_heap/system", "scarce": false, "same_as": null,
         "memory": {"contiguous": false, "cached": true, "protected": false, "address_bits": null},
         "usable": true, "obstacle": null},
        {"name": "region", "kind": "dma-heap", "path": "/dev/dma_heap/region", "scarce": true, "same_as": null,
         "memory": {"contiguous": null, "cached": null, "protected": null, "address_bits": null},
         "truth": {"contiguous": true, "address_bits": 30, "capacity": 16777216},
         "usable": true, "obstacle": null}
      ],
      "v4l2": [
        {"path": "/dev/video0", "name": "cam", "driver": "camdrv", "uses": [
          {"use": "v4l2:/dev/video0:capture", "identity": "camdrv 1.0", "memory": {"contiguous": true},
           "support": [{"formats": ["XR24"], "modifiers": [{"name": "LINEAR", "value": "0x0"}],
                        "memories": "single", "constraints": {"stride_align": 32}}],
           "refused": [], "error": null}]}],
      "drm": null
    })");
}

std::string failure(const Json& dump)
{
    const auto machine = Machine::parse(dump.dump());
    EXPECT_FALSE(machine);
    if (machine)
        return {};
    EXPECT_EQ(machine.error().category, cb::Category::invalid_argument);
    return machine.error().message();
}

TEST(Dump, IsAMachine)
{
    const auto machine = Machine::parse(small().dump());
    ASSERT_TRUE(machine) << machine.error().message();
    EXPECT_EQ(machine->uses(), std::vector<std::string>{"v4l2:/dev/video0:capture"});
    for (const char* name : {"v4l2:/dev/video0:capture", "v4l2:@cam:capture", "v4l2:@camdrv:capture"})
        EXPECT_EQ(machine->use(name)->name(), "v4l2:/dev/video0:capture") << name;
    EXPECT_NE(machine->use("v4l2:@other:capture").error().message().find("it has v4l2:/dev/video0:capture"),
              std::string::npos);
    const auto plan = machine->allocator().plan({DRM_FORMAT_XRGB8888, 1280, 720},
                                                {*machine->use("v4l2:@cam:capture"), *machine->use("cpu:read")});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().heap.name, "region");
    EXPECT_TRUE(plan->allocate());
}

TEST(Dump, AnOlderSchemaIsReadToo)
{
    Json dump = small();
    dump["schema"] = 1;
    dump["heaps"][1]["obstacle"] = {{"category", "exhausted"}, {"errno", "ENOMEM"}, {"operation", "open"},
                                    {"detail", nullptr},       {"advice", nullptr}, {"message", "open: ENOMEM"}};
    const auto machine = Machine::parse(dump.dump());
    ASSERT_TRUE(machine) << machine.error().message();
    EXPECT_EQ(machine->heaps()[1]->info().obstacle->category, cb::Category::out_of_memory);
    dump["heaps"][1]["obstacle"]["category"] = "lazy";
    EXPECT_NE(failure(dump).find("heaps[1].obstacle.category is 'lazy'"), std::string::npos);
}

TEST(Dump, WhatIsWrongIsNamed)
{
    struct Case {
        const char* pointer;
        Json value;
        const char* named;
    };
    const std::vector<Case> cases{
        {"/command", "plan", "command is not 'devices'"},
        {"/schema", 4, "schema is not between 1 and 3"},
        {"/schema", 0, "schema is not between 1 and 3"},
        {"/schema", "1", "schema is no whole number"},
        {"/width", 0, "width is not between 1 and 65536"},
        {"/width", -1280, "width is no whole number"},
        {"/height", 1e300, "height is no whole number"},
        {"/heaps", nullptr, "heaps is missing"},
        {"/heaps", 7, "heaps is no list"},
        {"/heaps/1/name", "system", "the name system stands there twice"},
        {"/heaps/0/kind", "swap", "heaps[0].kind is 'swap', which nobody knows"},
        {"/heaps/0/memory/contiguous", "yes", "heaps[0].memory.contiguous is neither true, false nor null"},
        {"/heaps/0/obstacle", "no", "heaps[0].obstacle is no object"},
        {"/heaps/1/truth/capacity", -1, "heaps[1].truth.capacity is no whole number"},
        {"/v4l2/0/path", nullptr, "v4l2[0].path is no text"},
        {"/v4l2/0/uses/0/use", Json::array(), "v4l2[0].uses[0].use is no text"},
        {"/v4l2/0/uses/0/support", nullptr, "v4l2[0].uses[0] has neither support nor an error"},
        {"/v4l2/0/uses/0/support/0/formats/0", "XX99", "formats[0] is 'XX99', which is no format"},
        {"/v4l2/0/uses/0/support/0/formats", Json::array(), "has no format or no modifier"},
        {"/v4l2/0/uses/0/support/0/modifiers/0/value", 0, "modifiers[0].value is no text"},
        {"/v4l2/0/uses/0/support/0/modifiers/0/value", "0xg", "modifiers[0].value is '0xg'"},
        {"/v4l2/0/uses/0/support/0/memories", "many", "memories is neither 'single' nor 'per-plane'"},
        {"/v4l2/0/uses/0/support/0/constraints/stride_align", 0, "stride_align is not between 1 and"},
        {"/v4l2/0/uses/0/support/0/constraints/stride_align", 4294967296, "stride_align is not between 1 and"},
        {"/v4l2/0/uses/0/support/0/constraints/cached", "maybe", "cached is 'maybe', which nobody knows"},
        {"/v4l2/0/uses/0/support/0/constraints/origins", {{"constraint", 1}}, "origins is no list"},
        {"/v4l2/0/uses/0/support/0/layout", {{"planes", Json::array()}}, "layout has 0 planes"},
    };
    for (const auto& [pointer, value, named] : cases) {
        Json dump = small();
        dump[Json::json_pointer(pointer)] = value;
        const std::string message = failure(dump);
        EXPECT_NE(message.find(named), std::string::npos) << pointer << ": " << message;
    }
}

TEST(Dump, IsNoDumpAtAll)
{
    for (const char* text : {"", "{", "[]", "null", "\"devices\"", "\xff\xfe", "{\"command\": \"devices\"}"}) {
        const auto machine = Machine::parse(text);
        ASSERT_FALSE(machine) << text;
        EXPECT_EQ(machine.error().category, cb::Category::invalid_argument);
    }
    EXPECT_EQ(Machine::load("/nonexistent/dump.json").error().category, cb::Category::not_present);
}

/// Whatever stands in one place of a dump, reading ends with a machine or with an error,
/// and so does planning on it.
TEST(Dump, AnyMemberMayBeAnything)
{
    const std::vector<Json> strange{nullptr,
                                    true,
                                    -1,
                                    0,
                                    18446744073709551615U,
                                    1e308,
                                    "",
                                    "v4l2:AAAA",
                                    Json::array(),
                                    Json::object(),
                                    Json::array({1}),
                                    {{"a", 1}}};
    const Json whole = small();
    const Json flat = whole.flatten();
    for (const auto& [pointer, value] : flat.items()) {
        for (const Json& other : strange) {
            // The member itself, and what it is in.
            for (Json::json_pointer place(pointer); !place.empty(); place.pop_back()) {
                Json dump = whole;
                dump[place] = other;
                const auto machine = Machine::parse(dump.dump());
                if (!machine) {
                    EXPECT_FALSE(machine.error().message().empty());
                    continue;
                }
                std::vector<cb::Use> uses;
                for (const std::string& name : machine->uses())
                    uses.push_back(*machine->use(name));
                const auto plan = machine->allocator().plan({DRM_FORMAT_XRGB8888, 64, 32}, uses);
                EXPECT_TRUE(plan || !plan.error().message().empty());
            }
        }
    }
}

TEST(Dump, ADeviceThatCouldNotBeAskedSaysWhy)
{
    Json dump = small();
    Json& use = dump["v4l2"][0]["uses"][0];
    use["support"] = nullptr;
    use["error"] = {{"category", "busy"}, {"errno", "EBUSY"}, {"operation", "VIDIOC_TRY_FMT on /dev/video0"}};
    const auto machine = Machine::parse(dump.dump());
    ASSERT_TRUE(machine);
    const auto plan = machine->allocator().plan({DRM_FORMAT_XRGB8888, 64, 32}, {*machine->use("v4l2:@cam:capture")});
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().category, cb::Category::busy);
    EXPECT_EQ(plan.error().sys_errno, EBUSY);
}

TEST(Dump, WhatNobodyKnowsIsAccepted)
{
    Json dump = small();
    dump["v4l2"][0]["uses"][0]["memory"]["contiguous"] = nullptr;
    const auto machine = Machine::parse(dump.dump());
    const auto plan = machine->allocator().plan({DRM_FORMAT_XRGB8888, 64, 32}, {*machine->use("v4l2:@cam:capture")});
    ASSERT_TRUE(plan) << plan.error().message();
    // Memory that is contiguous suits the device either way: that much is known.
    EXPECT_EQ(plan->chosen().heap.name, "region");
    EXPECT_EQ(plan->chosen().verdict.outcome, cb::Outcome::proved);
    EXPECT_EQ(plan->report().heaps.back().verdict.outcome, cb::Outcome::accepted);
}

TEST(Dump, AHeapHasTheRoomThatItSays)
{
    const auto machine = Machine::parse(small().dump());
    const auto& region = machine->heaps()[1];
    auto first = region->allocate(10U << 20U);
    ASSERT_TRUE(first) << first.error().message();
    const auto second = region->allocate(10U << 20U);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().sys_errno, ENOMEM);
    EXPECT_EQ(second.error().category, cb::Category::out_of_memory);
    EXPECT_EQ(region->allocate(0).error().category, cb::Category::invalid_argument);
    // 4 buffers of 3.7 MB fit, 5 do not.
    const auto plan = [&](std::uint32_t count) {
        return machine->allocator().plan({DRM_FORMAT_XRGB8888, 1280, 720, count}, {*machine->use("v4l2:@cam:capture")});
    };
    EXPECT_FALSE(plan(4)); // the first allocation is still held
    first->reset();
    EXPECT_TRUE(plan(4));
    EXPECT_FALSE(plan(5));
}

TEST(Dump, MemoryOutOfReachIsRefused)
{
    Json dump = small();
    dump["v4l2"][0]["uses"][0]["memory"] = {{"contiguous", false}, {"address_bits", 30}};
    dump["heaps"][0]["truth"] = {{"address_bits", 33}};
    const auto machine = Machine::parse(dump.dump());
    const auto plan = machine->allocator().plan({DRM_FORMAT_XRGB8888, 64, 32}, {*machine->use("v4l2:@cam:capture")});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().heap.name, "region");
    const cb::Verdict& system = plan->report().heaps.back().verdict;
    EXPECT_EQ(system.outcome, cb::Outcome::refused);
    EXPECT_EQ(system.sys_errno, EINVAL);
    EXPECT_NE(system.reason.find("30 bits of addresses, and system has 33"), std::string::npos) << system.reason;
}

TEST(Dump, AnObstacleStandsInTheWayHereToo)
{
    Json dump = small();
    dump["heaps"][1]["obstacle"] = {{"category", "permission-denied"}, {"errno", "EACCES"}, {"operation", "open"}};
    const auto machine = Machine::parse(dump.dump());
    const auto plan = machine->allocator().plan({DRM_FORMAT_XRGB8888, 64, 32}, {*machine->use("v4l2:@cam:capture")});
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().report->heaps.front().verdict.sys_errno, EACCES);
    EXPECT_EQ(machine->heaps()[1]->allocate(4096).error().category, cb::Category::permission_denied);
}

/// A driver that rounds rows to 256 bytes and takes no other stride.
TEST(Dump, StridesThatFollowFromTheImageFollowToOtherSizes)
{
    Json dump = small();
    Json& constraints = dump["v4l2"][0]["uses"][0]["support"][0]["constraints"];
    const auto stride_at = [&](std::uint32_t width) {
        const auto machine = Machine::parse(dump.dump());
        const auto plan =
            machine->allocator().plan({DRM_FORMAT_XRGB8888, width, 240}, {*machine->use("v4l2:@cam:capture")});
        return plan ? plan->layout().planes[0].stride : 0;
    };
    dump["width"] = 1284; // 5136 bytes
    constraints = {{"min_stride", 5376}, {"max_stride", 5376}, {"min_size", 3870720}};
    EXPECT_EQ(stride_at(1284), 5376U);
    EXPECT_EQ(stride_at(640), 2560U);
    EXPECT_EQ(stride_at(650), 2816U);
    // One that takes other strides too says no more of other sizes than its steps.
    constraints = {{"min_stride", 5152}, {"stride_align", 32}, {"max_stride", 65504}};
    EXPECT_EQ(stride_at(650), 2624U);
    EXPECT_EQ(stride_at(16376), 65504U);
    EXPECT_EQ(stride_at(16400), 0U);
}

} // namespace
} // namespace replay
