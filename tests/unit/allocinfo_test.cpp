// SPDX-License-Identifier: MIT
#include "costs.hpp"
#include "device_heaps.hpp"
#include "dump.hpp"
#include "html/html.hpp"
#include "model.hpp"
#include "output.hpp"
#include "render.hpp"
#include "uses.hpp"

#include "fake/machine.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <sys/resource.h>
#include <sys/stat.h>
#ifdef ALLOCINFO_VULKAN
#include <vulkan/vulkan_core.h>
#endif

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace allocinfo {
namespace {

using namespace commonbuf;

TEST(ParseImage, TakesFourccsAndNames)
{
    EXPECT_EQ(parse_image("XR24", "1280x720")->width, 1280U);
    EXPECT_EQ(parse_image("XRGB8888", "1x65536")->height, 65536U);
}

TEST(ParseImage, RefusesNonsenseAsUsage)
{
    const std::vector<std::pair<const char*, const char*>> words{
        {"XX24", "64x32"},        {"", "64x32"},     {"XR24", ""},       {"XR24", "64"},
        {"XR24", "64x"},          {"XR24", "x32"},   {"XR24", "-1x32"},  {"XR24", "64 x32"},
        {"XR24", "64x32x1"},      {"XR24", "64X32"}, {"XR24", "1e3x32"}, {"XR24", "99999999999999999999x32"},
        {"XR24", "4294967296x32"}};
    for (const auto& [format, size] : words) {
        const auto image = parse_image(format, size);
        ASSERT_FALSE(image) << format << " " << size;
        EXPECT_TRUE(is_usage_error(image.error())) << format << " " << size;
        EXPECT_FALSE(image.error().advice.empty());
    }
}

TEST(ParseUse, RefusesNonsenseAsUsage)
{
    for (const char* word : {"",
                             ":",
                             "::",
                             "cpu",
                             "cpu:",
                             "cpu:execute",
                             "v4l2",
                             "v4l2:/dev/video0",
                             "v4l2::capture",
                             "v4l2:@:capture",
                             "v4l2:/dev/video0:scanout",
                             "drm:/dev/dri/card0:capture",
                             "drm:/dev/dri/card0:plane=",
                             "drm:/dev/dri/card0:plane=x",
                             "drm:/dev/dri/card0:plane=0",
                             "gpu:x:sampled",
                             "vulkan:gpu:draw",
                             "vulkan:gpu:sampled+",
                             "vulkan:gpu:+sampled",
                             "vulkan::sampled",
                             "vulkan:gpu"}) {
        const auto use = parse_use(word);
        ASSERT_FALSE(use) << word;
        EXPECT_TRUE(is_usage_error(use.error())) << word;
    }
}

TEST(ParseHeap, RefusesNonsenseAsUsage)
{
    for (const char* word : {"", "system", "gbm:/dev/dri/card0:sampled", "gbm:/dev/dri/card0", "vulkan:gpu:scanout",
                             "v4l2:/dev/video0:scanout", "v4l2:@:capture", "drm:/dev/dri/card0:scanout"}) {
        const auto heap = parse_heap(word);
        ASSERT_FALSE(heap) << word;
        EXPECT_TRUE(is_usage_error(heap.error())) << word;
        EXPECT_FALSE(heap.error().advice.empty()) << word;
    }
}

#ifdef ALLOCINFO_VULKAN
TEST(ParseUse, RolesOfAGpuAreOneOrMore)
{
    EXPECT_EQ(gpu_usage("sampled+color-attachment")->flags,
              VkImageUsageFlags{VK_IMAGE_USAGE_SAMPLED_BIT} | VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT);
    const auto nothing = gpu_usage("showing");
    ASSERT_FALSE(nothing);
    EXPECT_TRUE(is_usage_error(nothing.error()));
    EXPECT_NE(nothing.error().message().find("'showing'"), std::string::npos) << nothing.error().message();
}
#endif

class Machine : public testing::Test {
protected:
    fake::Machine machine;
    void SetUp() override
    {
        machine.add_heap("region", {.contiguous = true});
        machine.add_heap("system");
        machine.add_camera("video0", {.needs_contiguous = true, .formats = {V4L2_PIX_FMT_XBGR32}});
        machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}});
    }
};

TEST_F(Machine, AHeapOfADeviceStandsBesideThoseOfTheMachine)
{
    const auto keeps = heaps_with({"v4l2:/dev/video0:capture"});
    ASSERT_FALSE(keeps);
    EXPECT_EQ(keeps.error().category, Category::unsupported);
    machine.add_camera("video1", {.exports = true, .formats = {V4L2_PIX_FMT_XBGR32}});
    const auto heaps = heaps_with({"v4l2:/dev/video1:capture"});
    ASSERT_TRUE(heaps) << heaps.error().message();
    EXPECT_EQ(heaps->size(), Allocator().heaps().size() + 1);
    EXPECT_EQ(heaps->back()->info().kind, HeapKind::v4l2);
    const auto twice = heaps_with({"v4l2:/dev/video1:capture", "v4l2:/dev/video1:capture"});
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().category, Category::invalid_argument);
    const auto nobody = heaps_with({"v4l2:/dev/video7:capture"});
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().category, Category::not_present);
}

TEST_F(Machine, UsesNameDevicesByPathOrName)
{
    EXPECT_EQ(parse_use("v4l2:@fake-cam:capture")->name(), "v4l2:/dev/video0:capture");
    EXPECT_EQ(parse_use("drm:/dev/dri/card0:scanout")->name(), "drm:/dev/dri/card0:scanout");
    EXPECT_EQ(parse_use("cpu:rw")->name(), "cpu:rw");
    for (const char* role : {"async-scanout", "overlay", "cursor", "writeback"}) {
        const std::string word = std::string("drm:/dev/dri/card0:") + role;
        EXPECT_EQ(parse_use(word)->name(), word);
    }
    const auto missing = parse_use("drm:@0000:00:02.0:scanout");
    ASSERT_FALSE(missing);
    EXPECT_FALSE(is_usage_error(missing.error()));
    EXPECT_EQ(missing.error().category, Category::not_present);
}

TEST_F(Machine, ThePlanAsData)
{
    const auto plan = Allocator().plan({DRM_FORMAT_XRGB8888, 64, 32},
                                       {*parse_use("v4l2:@fake-cam:capture"), *parse_use("drm:@fakedrm:scanout")});
    ASSERT_TRUE(plan);
    const Json document = plan_document(plan->report(), nullptr);
    EXPECT_EQ(document["schema"], schema);
    EXPECT_EQ(document["chosen"]["heap"], "region");
    EXPECT_EQ(document["layout"]["format"], "XR24");
    EXPECT_EQ(document["layout"]["modifier"], "LINEAR");
    EXPECT_EQ(document["layout"]["planes"][0]["stride"], 256);
    EXPECT_EQ(document["layout"]["memories"], Json::array({8192}));
    EXPECT_TRUE(document["error"].is_null());
    bool seen = false;
    for (const Json& heap : document["heaps"]) {
        if (heap["name"] != "system")
            continue;
        seen = true;
        EXPECT_EQ(heap["kind"], "dma-heap");
        EXPECT_EQ(heap["verdict"], "refused");
        EXPECT_EQ(heap["uses"][0]["use"], "v4l2:/dev/video0:capture");
        EXPECT_EQ(heap["uses"][0]["call"], "VIDIOC_PREPARE_BUF");
        EXPECT_EQ(heap["uses"][0]["errno"], "EFAULT");
        EXPECT_TRUE(heap["uses"][1]["errno"].is_null());
    }
    EXPECT_TRUE(seen);

    // What people read comes from the same document.
    const std::string text = render(document, Colour::no);
    EXPECT_NE(text.find("heap region"), std::string::npos);
    EXPECT_NE(text.find("refused at VIDIOC_PREPARE_BUF with EFAULT"), std::string::npos) << text;
    EXPECT_EQ(text.find('\033'), std::string::npos);
    EXPECT_NE(render(document, Colour::yes).find('\033'), std::string::npos);
}

TEST_F(Machine, AFailedPlanKeepsItsVerdicts)
{
    const auto plan = Allocator().plan({DRM_FORMAT_NV12, 64, 32}, {*parse_use("drm:@fakedrm:scanout")});
    ASSERT_FALSE(plan);
    const Json document = plan_document(*plan.error().report, &plan.error());
    EXPECT_TRUE(document["chosen"].is_null());
    EXPECT_EQ(document["error"]["category"], "incompatible");
    EXPECT_EQ(document["uses_not_served"][0]["use"], "drm:/dev/dri/card0:scanout");
    EXPECT_NE(render(document, Colour::no).find("uses that cannot be served"), std::string::npos);
}

/// Of the uses of a node, the one with this name.
Json use_of(const Json& node, const std::string& name)
{
    for (const Json& use : node["uses"]) {
        if (use["use"] == name)
            return use;
    }
    return nullptr;
}

TEST_F(Machine, ADumpHoldsHeapsAndWhatEachUseAnswers)
{
    machine.add_camera("video1", {.formats = {V4L2_PIX_FMT_NV12, V4L2_PIX_FMT_SRGGB10}});
    machine.add_camera("video2", {});
    machine.forbid("/dev/video2");
    Json dump = devices_document();
    const Json plain = dump;
    add_support(dump, 640, 480);
    EXPECT_EQ(dump["schema"], schema);
    EXPECT_EQ(dump["width"], 640);
    EXPECT_EQ(dump["height"], 480);
    EXPECT_EQ(dump["heaps"], heaps_document(find_heaps())["heaps"]);
    // What was there before means what it did.
    for (const auto& [name, value] : plain["v4l2"][0].items())
        EXPECT_EQ(dump["v4l2"][0][name], value) << name;

    const Json camera = use_of(dump["v4l2"][0], "v4l2:/dev/video0:capture");
    ASSERT_TRUE(camera.is_object()) << dump["v4l2"][0];
    EXPECT_EQ(camera["identity"], parse_use("v4l2:/dev/video0:capture")->identity());
    EXPECT_TRUE(camera["memory"]["contiguous"].is_null()); // a trial would settle it
    EXPECT_TRUE(camera["error"].is_null());
    ASSERT_EQ(camera["support"].size(), 1U);
    const Json& ways = camera["support"][0];
    EXPECT_EQ(ways["formats"], Json::array({"XR24"}));
    EXPECT_EQ(ways["modifiers"][0]["name"], "LINEAR");
    EXPECT_EQ(ways["modifiers"][0]["value"], "0x0");
    EXPECT_EQ(ways["memories"], "single");
    std::optional<Error> error;
    const Json asked =
        constraints_document(*parse_use("v4l2:/dev/video0:capture"), Format(DRM_FORMAT_XRGB8888), 640, 480, error);
    EXPECT_EQ(ways["constraints"], asked["formats"][0]["entries"][0]["constraints"]);

    // Formats that only V4L2 has are asked about too.
    EXPECT_NE(use_of(dump["v4l2"][1], "v4l2:/dev/video1:capture")["support"].dump().find("v4l2:RG10"),
              std::string::npos);
    EXPECT_TRUE(dump["v4l2"][2]["uses"].is_null());
    EXPECT_EQ(dump["v4l2"][2]["obstacle"]["errno"], "EACCES");
    EXPECT_FALSE(use_of(dump["drm"][0], "drm:/dev/dri/card0:scanout")["support"].empty());
}

TEST_F(Machine, ADumpSaysWhatCouldNotBeAsked)
{
    machine.fail_all("VIDIOC_TRY_FMT", EIO);
    Json dump = devices_document();
    add_support(dump, 640, 480);
    const Json camera = use_of(dump["v4l2"][0], "v4l2:/dev/video0:capture");
    EXPECT_TRUE(camera["support"].is_null());
    EXPECT_EQ(camera["error"]["errno"], "EIO");
    EXPECT_FALSE(use_of(dump["drm"][0], "drm:/dev/dri/card0:scanout")["support"].empty());
}

TEST_F(Machine, HeapsAndDevicesAsData)
{
    machine.forbid("/dev/dma_heap/system");
    machine.forbid("/dev/video0");
    const Json heaps = heaps_document(find_heaps());
    EXPECT_EQ(heaps["heaps"][0]["name"], "region");
    EXPECT_EQ(heaps["heaps"][0]["usable"], true);
    EXPECT_EQ(heaps["heaps"][1]["obstacle"]["errno"], "EACCES");
    EXPECT_FALSE(render(heaps, Colour::no).empty());
    const Json devices = devices_document();
    EXPECT_EQ(devices["v4l2"][0]["obstacle"]["category"], "permission-denied");
    EXPECT_TRUE(devices["v4l2"][0]["capture"].is_null());
    EXPECT_EQ(devices["drm"][0]["driver"], "fakedrm");
    EXPECT_FALSE(render(devices, Colour::no).empty());
}

TEST_F(Machine, ConstraintsAsData)
{
    std::optional<Error> error;
    const Json document = constraints_document(*parse_use("v4l2:@fake-cam:capture"), std::nullopt, 64, 32, error);
    EXPECT_FALSE(error);
    EXPECT_EQ(document["use"], "v4l2:/dev/video0:capture");
    ASSERT_EQ(document["formats"].size(), 1U); // the one that the camera has, of all
    EXPECT_EQ(document["formats"][0]["format"], "XR24");
    const Json& entry = document["formats"][0]["entries"][0];
    EXPECT_EQ(entry["modifier"], "LINEAR");
    EXPECT_EQ(entry["memories"], "single");
    EXPECT_EQ(entry["constraints"]["min_stride"], 256);
    bool origin = false;
    for (const Json& each : entry["constraints"]["origins"])
        origin = origin || (each["constraint"] == "min_stride" && each["call"] == "VIDIOC_TRY_FMT");
    EXPECT_TRUE(origin);
    EXPECT_NE(render(document, Colour::no).find("min_stride 256: v4l2:/dev/video0:capture (VIDIOC_TRY_FMT)"),
              std::string::npos);
}

TEST_F(Machine, ConstraintsOfWhatTheUseDoesNotTake)
{
    std::optional<Error> error;
    const Json document =
        constraints_document(*parse_use("v4l2:@fake-cam:capture"), Format(DRM_FORMAT_NV12), 64, 32, error);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->category, Category::unsupported);
    EXPECT_TRUE(document["formats"].empty());
    EXPECT_EQ(document["error"]["category"], "unsupported");
    EXPECT_NE(render(document, Colour::no).find("takes no such image"), std::string::npos);
}

TEST_F(Machine, FormatsThatAskForTheSameShareABranch)
{
    std::optional<Error> error;
    const Json document = constraints_document(cpu(Access::read), std::nullopt, 64, 32, error);
    EXPECT_GT(document["formats"].size(), 20U);
    const std::string text = render(document, Colour::no);
    EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 10) << text;
}

class WriteFile : public testing::Test {
protected:
    std::string folder = testing::TempDir() + "commonbuf-write-XXXXXX";
    void SetUp() override { ASSERT_NE(::mkdtemp(folder.data()), nullptr); }
    void TearDown() override { std::filesystem::remove_all(folder); }

    static std::string content(const std::string& path)
    {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::ptrdiff_t entries() const
    {
        return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
    }
};

TEST_F(WriteFile, MakesAndReplacesFiles)
{
    const std::string path = folder + "/page.html";
    ASSERT_TRUE(write_file(path, "one"));
    EXPECT_EQ(content(path), "one");
    ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
    ASSERT_TRUE(write_file(path, "two"));
    EXPECT_EQ(content(path), "two");
    struct stat file {};
    ASSERT_EQ(::stat(path.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 07777U, 0640U);
    EXPECT_EQ(entries(), 1); // nothing temporary is left
}

TEST_F(WriteFile, ReplacesWhatALinkLeadsTo)
{
    ASSERT_TRUE(write_file(folder + "/page.html", "one"));
    std::filesystem::create_symlink("page.html", folder + "/link");
    ASSERT_TRUE(write_file(folder + "/link", "two"));
    EXPECT_TRUE(std::filesystem::is_symlink(folder + "/link"));
    EXPECT_EQ(content(folder + "/page.html"), "two");
}

TEST_F(WriteFile, SaysWhatStandsInTheWay)
{
    const auto missing = write_file(folder + "/no/page.html", "one");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().category, Category::not_present);
    EXPECT_FALSE(missing.error().advice.empty());
    EXPECT_FALSE(write_file(folder, "one"));

    // A device stays one, and its answer is heard.
    const auto full = write_file("/dev/full", "one");
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().sys_errno, ENOSPC);
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
    EXPECT_TRUE(write_file("/dev/null", "one"));
}

TEST_F(WriteFile, AFileThatCannotBeWrittenWholeStaysAsItWas)
{
    const std::string path = folder + "/page.html";
    ASSERT_TRUE(write_file(path, "one"));
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{1000, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto written = write_file(path, std::string(2000, 'x'));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, ignored);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().sys_errno, EFBIG);
    EXPECT_EQ(content(path), "one");
    EXPECT_EQ(entries(), 1);
}

/// A document of bench-access with one heap, changed.
template <typename Change>
std::string costs_with(Change change)
{
    commonbuf::HeapInfo heap;
    heap.name = "system";
    const CpuCost cost{"system",
                       4096,
                       std::chrono::nanoseconds(1),
                       std::chrono::nanoseconds(2),
                       std::chrono::nanoseconds(3),
                       std::chrono::nanoseconds(4)};
    Json document = costs_document({{heap, cost}}, 4096);
    change(document);
    return document.dump();
}

TEST(CpuCostFile, IsReadAsItWasWritten)
{
    const auto read = parse_costs(costs_with([](Json&) {}), "FILE");
    ASSERT_TRUE(read) << read.error().message();
    ASSERT_EQ(read->size(), 1U);
    EXPECT_EQ(read->front(), (CpuCost{"system", 4096, std::chrono::nanoseconds(1), std::chrono::nanoseconds(2),
                                      std::chrono::nanoseconds(3), std::chrono::nanoseconds(4)}));
}

TEST(CpuCostFile, AnOlderFileIsReadToo)
{
    const auto read = parse_costs(costs_with([](Json& document) { document["schema"] = 1; }), "FILE");
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->size(), 1U);
}

TEST(CpuCostFile, HeapsThatCouldNotBeMeasuredAreLeftOut)
{
    const auto read = parse_costs(costs_with([](Json& document) {
                                      Json other = document["heaps"][0];
                                      other["heap"] = "broken";
                                      other["read_ns_per_mib"] = nullptr;
                                      other["error"] = {{"message", "why"}};
                                      document["heaps"].push_back(other);
                                  }),
                                  "FILE");
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->size(), 1U);
}

TEST(CpuCostFile, NonsenseIsRefusedWithItsPlace)
{
    using Change = void (*)(Json&);
    const std::vector<std::pair<Change, const char*>> changes{
        {[](Json& all) { all = Json::array(); }, "not a JSON object"},
        {[](Json& all) { all.erase("command"); }, "not a document of bench-access"},
        {[](Json& all) { all["command"] = "plan"; }, "not a document of bench-access"},
        {[](Json& all) { all["schema"] = schema + 1; }, "schema"},
        {[](Json& all) { all["schema"] = "1"; }, "schema"},
        {[](Json& all) { all["heaps"] = Json::object(); }, "not a list"},
        {[](Json& all) { all["heaps"] = Json::array(); }, "no heap that was measured"},
        {[](Json& all) { all["heaps"][0] = 7; }, "heap 0 of the list: it is not an object"},
        {[](Json& all) { all["heaps"][0]["heap"] = 7; }, "'heap' is not a name"},
        {[](Json& all) { all["heaps"][0]["heap"] = ""; }, "'heap' is not a name"},
        {[](Json& all) { all["heaps"][0]["bytes"] = 0; }, "'bytes' is not a size"},
        {[](Json& all) { all["heaps"][0]["read_ns_per_mib"] = -1; }, "'read_ns_per_mib' is not a time"},
        {[](Json& all) { all["heaps"][0]["write_ns_per_mib"] = 1.5; }, "'write_ns_per_mib' is not a time"},
        {[](Json& all) { all["heaps"][0]["read_bracket_ns"] = "fast"; }, "'read_bracket_ns' is not a time"},
        {[](Json& all) { all["heaps"][0]["write_bracket_ns"] = std::uint64_t{1} << 63U; }, "'write_bracket_ns'"},
        {[](Json& all) { all["heaps"][0].erase("write_bracket_ns"); }, "'write_bracket_ns'"},
        {[](Json& all) { all["heaps"].push_back(all["heaps"][0]); }, "heap 1 of the list: 'system' occurs twice"},
    };
    for (const auto& [change, words] : changes) {
        const auto read = parse_costs(costs_with(change), "FILE");
        ASSERT_FALSE(read) << words;
        EXPECT_EQ(read.error().category, Category::invalid_argument);
        EXPECT_NE(read.error().message().find(words), std::string::npos) << read.error().message();
        EXPECT_NE(read.error().message().find("FILE"), std::string::npos);
    }
    for (const std::string& text : {std::string(), std::string("{"), std::string("null"), std::string(100'000, '['),
                                    std::string("{\"command\":\"\xff\"}"), std::string(3, '\0')})
        EXPECT_FALSE(parse_costs(text, "FILE"));
    EXPECT_EQ(read_costs("/nowhere/at/all").error().category, Category::not_present);
}

TEST_F(Machine, CostsAsDataAndAsATable)
{
    const auto measured = measure_heaps(find_heaps(), 4096);
    const Json document = costs_document(measured, 4096);
    const auto read = parse_costs(document.dump(), "FILE");
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_GE(read->size(), 2U);
    const std::string text = render(document, Colour::no);
    EXPECT_NE(text.find("region"), std::string::npos) << text;
    EXPECT_NE(text.find("buffers of 4096 bytes"), std::string::npos);
    // Udmabuf is not there, and says so.
    EXPECT_NE(text.find("/dev/udmabuf"), std::string::npos);
}

TEST_F(Machine, ThePlanSaysWhatTheCpuCostsDid)
{
    Preferences preferences;
    preferences.cpu_costs = {{"system", 1, std::chrono::milliseconds(9), {}, {}, {}},
                             {"region", 1, std::chrono::milliseconds(1), {}, {}, {}}};
    const auto plan = Allocator().plan({DRM_FORMAT_XRGB8888, 64, 32}, {*parse_use("cpu:read")}, preferences);
    ASSERT_TRUE(plan);
    const Json document = plan_document(plan->report(), nullptr);
    EXPECT_EQ(document["heaps"][0]["name"], "region");
    EXPECT_EQ(document["heaps"][0]["cpu_time_ns"], 7812);
    EXPECT_EQ(document["cpu_cost_effect"]["kind"], "changed");
    EXPECT_NE(document["cpu_cost_effect"]["text"].get<std::string>().find("decided"), std::string::npos);
    const std::string text = render(document, Colour::no);
    EXPECT_NE(text.find("the CPU costs decided"), std::string::npos) << text;
    EXPECT_NE(text.find("CPU: 0.008 ms for each image"), std::string::npos) << text;
    EXPECT_NE(html_page(document).find("the CPU costs decided"), std::string::npos);
}

} // namespace
} // namespace allocinfo
