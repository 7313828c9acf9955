// SPDX-License-Identifier: MIT
//
// The tool as a person would use it: words in, text, JSON and an exit status out.
#include "../replay/machine.hpp"
#include "devices.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <linux/videodev2.h>
#include <map>
#include <set>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using Json = nlohmann::json;

struct Answer {
    int status = -1;
    std::string out;
};

/// Runs allocinfo, which must be in PATH, with the shell's quoting.
Answer allocinfo(const std::string& words)
{
    Answer run;
    FILE* pipe = ::popen(("allocinfo " + words).c_str(), "re");
    if (pipe == nullptr)
        return run;
    std::array<char, 4096> chunk{};
    while (const std::size_t got = std::fread(chunk.data(), 1, chunk.size(), pipe))
        run.out.append(chunk.data(), got);
    const int status = ::pclose(pipe);
    run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return run;
}

std::string plan(const devices::cb::v4l2::Device& camera)
{
    return "plan --use v4l2:@" + camera.info().name +
           ":capture --use drm:@vkms:scanout --format XR24 --size 1280x720 --json";
}

class Allocinfo : public devices::Test {
protected:
    void SetUp() override
    {
        devices::Test::SetUp();
        if (allocinfo("--version 2>/dev/null").status != 0)
            GTEST_SKIP() << "allocinfo is not in PATH";
    }
};

TEST_F(Allocinfo, ContiguousCameraGetsARegionAndSystemIsRefusedAtPrepare)
{
    NEED_CAMERA(camera, devices::contiguous_camera());
    NEED_DISPLAY(display);
    NEED_HEAP(true, "region");
    const Answer run = allocinfo(plan(camera));
    ASSERT_EQ(run.status, 0) << run.out;
    const Json document = Json::parse(run.out);
    EXPECT_EQ(document["schema"], 3);
    EXPECT_EQ(document["chosen"]["kind"], "dma-heap");
    EXPECT_NE(document["chosen"]["heap"], "system");
    bool seen = false;
    for (const Json& heap : document["heaps"]) {
        if (heap["name"] != "system")
            continue;
        for (const Json& use : heap["uses"]) {
            if (use["use"].get<std::string>().starts_with("v4l2:")) {
                seen = true;
                EXPECT_EQ(use["verdict"], "refused");
                EXPECT_EQ(use["call"], "VIDIOC_PREPARE_BUF");
                EXPECT_EQ(use["errno"], "EFAULT");
            }
        }
    }
    EXPECT_TRUE(seen);
}

TEST_F(Allocinfo, ScatterCapableCameraLeavesTheRegionsAlone)
{
    NEED_CAMERA(camera, devices::scattered_camera());
    NEED_DISPLAY(display);
    NEED_HEAP(false, "ordinary heap");
    const Answer run = allocinfo(plan(camera));
    ASSERT_EQ(run.status, 0) << run.out;
    const Json document = Json::parse(run.out);
    EXPECT_EQ(document["heaps"][0]["scarce"], false);
    EXPECT_EQ(document["heaps"][0]["name"], document["chosen"]["heap"]);
}

TEST_F(Allocinfo, AnOrdinaryUserGetsUdmabufAndIsToldWhatIsMissing)
{
    if (::geteuid() == 0)
        GTEST_SKIP() << "this is root: nothing is forbidden";
    NEED_CAMERA(camera, devices::scattered_camera());
    NEED_DISPLAY(display);
    const Answer run = allocinfo(plan(camera));
    ASSERT_EQ(run.status, 0) << run.out;
    const Json document = Json::parse(run.out);
    EXPECT_EQ(document["chosen"]["heap"], "udmabuf");
    bool seen = false;
    for (const Json& heap : document["heaps"]) {
        if (heap["kind"] != "dma-heap")
            continue;
        seen = true;
        EXPECT_EQ(heap["verdict"], "not-tried");
        EXPECT_EQ(heap["errno"], "EACCES");
        EXPECT_NE(heap["reason"].get<std::string>().find("lets only user root in"), std::string::npos)
            << heap["reason"];
    }
    EXPECT_TRUE(seen);
}

/// Whether the machine has a heap that this process may open; a card has dumb buffers.
bool any_heap()
{
    const auto opens = [](const std::filesystem::path& path) { return ::access(path.c_str(), R_OK | W_OK) == 0; };
    const auto some = [&opens](const char* folder) {
        std::error_code none;
        const std::filesystem::directory_iterator nodes(folder, none);
        return std::any_of(begin(nodes), end(nodes), opens);
    };
    return opens("/dev/udmabuf") || some("/dev/dma_heap") || some("/dev/dri");
}

TEST_F(Allocinfo, ExitStatusSaysWhatKindOfFailure)
{
    const std::vector<std::pair<const char*, int>> words{
        {"heaps", 0},
        {"devices", 0},
        {"devices --json --size 64", 1},
        {"--help", 0},
        {"", 1},
        {"nonsense", 1},
        {"plan", 1},
        {"plan --use cpu:read --format XR24 --size 0x0", 1},
        {"plan --use cpu:read --format XR24 --size 2147483648x1", 1},
        {"plan --use cpu:read --format NV12 --size 641x480", any_heap() ? 0 : 2},
        {"plan --use cpu:read --format ZZZZ --size 64x64", 1},
        {"plan --use cpu:read --format XR24 --size 64x64 --count 0", 1},
        {"plan --use gpu:x:y --format XR24 --size 64x64", 1},
        {"plan --use v4l2:/dev/null:capture --format XR24 --size 64x64", 3},
        {"plan --use v4l2:/nonexistent:capture --format XR24 --size 64x64", 3},
        {"plan --use drm:/dev/null:scanout --format XR24 --size 64x64", 3},
        {"plan --use v4l2:@nobody:capture --format XR24 --size 64x64", 3},
        {"plan --use cpu:read --format XR24 --size 64x64 --remember /dev/null", 3},
        {"plan --use cpu:read --format XR24 --size 64x64 --prefer , --json", 1},
        {"plan --use cpu:read --format XR24 --size 64x64 --html --json", 1},
        {"plan --use cpu:read --format XR24 --size 64x64 --html= --json", 1},
        {"plan --use cpu:read --format XR24 --size 64x64 --html ''", 1},
        {"plan --use cpu:read --format XR24 --size 64x64 --remember ''", 1},
        {"plan --use cpu:read --format XR24 --size 64x64 --json --html -", 1},
        {"verify --use cpu:read --format XR24 --size 64x64 --remember /dev/null", 3},
        {"timeline /proc/self/status -o /proc/self/status", 1},
        {"constraints", 1},
        {"constraints --use gpu:x:y", 1},
        {"constraints --use cpu:read --format ZZZZ", 1},
        {"constraints --use cpu:read --size 64", 1},
        {"constraints --use cpu:read --size 0x64", 1},
        {"constraints --use v4l2:@nobody:capture", 3},
        {"constraints --use cpu:read --format NV12", 0},
    };
    for (const auto& [line, status] : words)
        EXPECT_EQ(allocinfo(std::string(line) + " 2>/dev/null").status, status) << line;
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/null")) << "verdicts go into regular files only";
}

TEST_F(Allocinfo, ErrorsAreOneLine)
{
    for (const char* line :
         {"plan --use cpu:read --format XR24 --size 0x0",
          "plan --use v4l2:/dev/null:capture --format XR24 --size 64x64",
          "plan --use v4l2:/nonexistent:capture --format XR24 --size 64x64", "nonsense",
          "\"$(printf 'non\\033[2Jsense\\n')\"", "plan --html=", "plan \"$(printf -- '--a\\033=')\""}) {
        const Answer run = allocinfo(std::string(line) + " 2>&1 >/dev/null");
        EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), 1) << run.out;
        EXPECT_TRUE(run.out.starts_with("allocinfo: ")) << run.out;
        EXPECT_EQ(run.out.find('\033'), std::string::npos) << "a terminal acts on it";
    }
}

TEST_F(Allocinfo, NoHeapIsStatusTwoAndStillData)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    // No memory here has room for so many; ordinary memory must not be asked for them.
    const Answer run = allocinfo("plan --use v4l2:@vivid-000-vid-cap:capture --format XR24 --size 3840x2160 --count 64 "
                                 "--json 2>/dev/null");
    EXPECT_EQ(run.status, 2);
    const Json document = Json::parse(run.out);
    EXPECT_TRUE(document["chosen"].is_null());
    EXPECT_EQ(document["error"]["category"], "incompatible");
    EXPECT_FALSE(document["heaps"].empty());
}

TEST_F(Allocinfo, AQueueThatSomebodyOwnsIsStatusThree)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    NEED_DISPLAY(display);
    const auto made = devices::cb::Allocator().plan({devices::cb::parse_format("XR24").value(), 640, 480},
                                                    {camera.capture(), display.scanout()});
    ASSERT_TRUE(made) << made.error().message();
    const auto queue = camera.open_queue(devices::cb::v4l2::Role::capture, made->layout(), 2);
    ASSERT_TRUE(queue);
    const Answer run = allocinfo(plan(camera) + " 2>/dev/null");
    EXPECT_EQ(run.status, 3);
    EXPECT_EQ(Json::parse(run.out)["error"]["errno"], "EBUSY");
}

/// What stands between two words, first come.
std::string between(const std::string& text, const std::string& from, const std::string& to)
{
    const auto begin = text.find(from);
    const auto end = begin != std::string::npos ? text.find(to, begin + from.size()) : begin;
    return end != std::string::npos ? text.substr(begin + from.size(), end - begin - from.size()) : "";
}

std::string unescaped(std::string text)
{
    const std::vector<std::pair<std::string, std::string>> entities{
        {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}};
    for (const auto& [entity, sign] : entities) {
        for (auto at = text.find(entity); at != std::string::npos; at = text.find(entity, at + sign.size()))
            text.replace(at, entity.size(), sign);
    }
    return text;
}

std::string content(const std::string& path)
{
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(Allocinfo, ThePageIsMadeOfTheData)
{
    NEED_CAMERA(camera, devices::contiguous_camera());
    NEED_DISPLAY(display);
    const std::string path = testing::TempDir() + "commonbuf-plan.html";
    const Answer run = allocinfo(plan(camera) + " --html " + path);
    // Where no heap serves, the page says so.
    ASSERT_TRUE(run.status == 0 || run.status == 2) << run.status << run.out;
    const std::string page = content(path);
    ::unlink(path.c_str());
    const Json document = Json::parse(run.out);
    EXPECT_EQ(Json::parse(unescaped(between(page, "<pre>", "</pre>"))), document);
    // Each cell of the matrix has its verdict.
    const std::string matrix = between(page, "<section id=\"matrix\"", "</section>");
    for (const Json& heap : document["heaps"]) {
        const std::string row = unescaped(between(matrix, ">" + heap["name"].get<std::string>() + "</a>", "</tr>"));
        EXPECT_FALSE(row.empty()) << heap["name"];
        for (const Json& use : heap["uses"])
            EXPECT_NE(row.find(use["reason"].get<std::string>()), std::string::npos) << use;
    }
    EXPECT_EQ(page.find("<script"), std::string::npos);
    EXPECT_TRUE(page.ends_with("</html>\n"));
}

TEST_F(Allocinfo, AFailedPlanIsAPageToo)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const Answer run =
        allocinfo("plan --use v4l2:@vivid-000-vid-cap:capture --format XR24 --size 3840x2160 --count 64 --html - "
                  "2>/dev/null");
    EXPECT_EQ(run.status, 2);
    EXPECT_TRUE(run.out.starts_with("<!DOCTYPE html>") && run.out.ends_with("</html>\n"));
    EXPECT_NE(run.out.find("No heap serves every use."), std::string::npos);
}

TEST_F(Allocinfo, APageThatCannotBeWrittenIsStatusThree)
{
    const std::string cpu = "plan --use cpu:read --format XR24 --size 64x64 ";
    for (const char* target :
         {"--html /nonexistent/plan.html", "--html /proc", "--html /dev/full", "--html - >/dev/full"})
        EXPECT_EQ(allocinfo(cpu + target + " 2>/dev/null").status, 3) << target;
}

TEST_F(Allocinfo, DoctorTellsAnOrdinaryUserTheRule)
{
    if (::geteuid() == 0)
        GTEST_SKIP() << "this is root: nothing is forbidden";
    if (::access("/dev/dma_heap/system", F_OK) != 0 || ::access("/dev/dma_heap/system", R_OK | W_OK) == 0)
        GTEST_SKIP() << "there is no dma-heap that this user may not open";
    const Answer run = allocinfo("doctor --json");
    EXPECT_EQ(run.status, 2);
    bool seen = false;
    const Json document = Json::parse(run.out);
    for (const Json& finding : document["findings"]) {
        if (finding["topic"] != "permissions-dma-heaps")
            continue;
        seen = true;
        EXPECT_EQ(finding["severity"], "warning");
        EXPECT_NE(finding["looked_at"].get<std::string>().find("/dev/dma_heap/system"), std::string::npos);
        EXPECT_NE(finding["found"].get<std::string>().find("lets only user root in"), std::string::npos) << finding;
        EXPECT_NE(finding["commands"].dump().find("SUBSYSTEM=="), std::string::npos) << finding;
        EXPECT_NE(finding["commands"].dump().find("usermod -aG"), std::string::npos) << finding;
    }
    EXPECT_TRUE(seen) << run.out;
}

TEST_F(Allocinfo, DoctorSeesWhoHoldsADeviceAndLeavesItAlone)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const Answer run = allocinfo("doctor --json");
    const Json document = Json::parse(run.out);
    EXPECT_EQ(run.status == 0, document["worst"] == "ok" || document["worst"] == "note") << run.out;
    const std::string mine = "process " + std::to_string(::getpid()) + " ";
    bool held = false;
    bool fences = false;
    for (const Json& finding : document["findings"]) {
        held = held || (finding["topic"] == "held" && finding["looked_at"] == camera.info().path &&
                        finding["found"].get<std::string>().starts_with(mine));
        fences = fences || finding["topic"] == "sync-files";
    }
    EXPECT_TRUE(held) << run.out;
    EXPECT_TRUE(fences) << run.out;
}

TEST_F(Allocinfo, ConstraintsAreWhatTheDriverAnswers)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const Answer run =
        allocinfo("constraints --use v4l2:@vivid-000-vid-cap:capture --format XR24 --size 1280x720 --json");
    ASSERT_EQ(run.status, 0) << run.out;
    const Json document = Json::parse(run.out);
    ASSERT_EQ(document["formats"].size(), 1U);
    const Json& constraints = document["formats"][0]["entries"][0]["constraints"];

    const auto stride_for = [&](std::uint32_t wanted) {
        v4l2_format format{};
        if (camera.info().multiplanar) {
            format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
            format.fmt.pix_mp.width = 1280;
            format.fmt.pix_mp.height = 720;
            format.fmt.pix_mp.pixelformat = V4L2_PIX_FMT_XBGR32;
            format.fmt.pix_mp.num_planes = 1;
            format.fmt.pix_mp.plane_fmt[0].bytesperline = wanted;
        } else {
            format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
            format.fmt.pix.width = 1280;
            format.fmt.pix.height = 720;
            format.fmt.pix.pixelformat = V4L2_PIX_FMT_XBGR32;
            format.fmt.pix.bytesperline = wanted;
        }
        EXPECT_EQ(::ioctl(camera.fd(), VIDIOC_TRY_FMT, &format), 0);
        const std::uint32_t single = format.fmt.pix.bytesperline;
        return camera.info().multiplanar ? format.fmt.pix_mp.plane_fmt[0].bytesperline : single;
    };
    EXPECT_EQ(constraints["min_stride"], stride_for(0));
    EXPECT_EQ(constraints["max_stride"], stride_for(1U << 30U));
    bool origin = false;
    for (const Json& each : constraints["origins"])
        origin = origin || (each["constraint"] == "min_stride" && each["call"] == "VIDIOC_TRY_FMT");
    EXPECT_TRUE(origin);
}

TEST_F(Allocinfo, ConstraintsListsEveryFormatThatTheDeviceHas)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const Answer run = allocinfo("constraints --use v4l2:@vivid-000-vid-cap:capture --json");
    ASSERT_EQ(run.status, 0) << run.out;
    std::set<std::string> listed;
    const Json document = Json::parse(run.out);
    for (const Json& format : document["formats"])
        listed.insert(format["format"].get<std::string>());
    std::set<std::string> known;
    const auto& codes = camera.info().capture_formats;
    // One code of V4L2's may stand for several formats: GREY is R8 and Y8.
    for (const auto& info : devices::cb::all_formats()) {
        for (const std::uint32_t code : {info.v4l2_single, info.v4l2_multi}) {
            if (code != 0 && std::find(codes.begin(), codes.end(), code) != codes.end())
                known.insert(devices::cb::to_string(info.format));
        }
    }
    EXPECT_EQ(listed, known);
}

/// A use of a dump by its name; null where it is not there.
Json* find_use(Json& dump, const std::string& name)
{
    for (const char* kind : {"v4l2", "drm"}) {
        for (Json& node : dump[kind]) {
            for (Json& use : node["uses"]) {
                if (use["use"] == name)
                    return &use;
            }
        }
    }
    return nullptr;
}

/// The groups of a dump taken apart: one entry for each format, modifier and arrangement.
std::map<std::string, Json> entries_of(const Json& use)
{
    std::map<std::string, Json> entries;
    for (const Json& group : use["support"]) {
        for (const Json& format : group["formats"]) {
            for (const Json& modifier : group["modifiers"])
                entries[format.get<std::string>() + " " + modifier["name"].get<std::string>() + " " +
                        group["memories"].get<std::string>()] = group["constraints"];
        }
    }
    return entries;
}

TEST_F(Allocinfo, ADumpHoldsWhatTheDevicesAnswer)
{
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    NEED_DISPLAY(display);
    const auto format_now = [&camera] {
        v4l2_format format{};
        format.type = camera.info().multiplanar ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
        EXPECT_EQ(::ioctl(camera.fd(), VIDIOC_G_FMT, &format), 0);
        return std::string(reinterpret_cast<const char*>(&format), sizeof(format));
    };
    const std::string before = format_now();
    const Answer run = allocinfo("devices --json --size 640x480");
    ASSERT_EQ(run.status, 0);
    EXPECT_EQ(format_now(), before);
    Json dump = Json::parse(run.out);
    EXPECT_EQ(dump["schema"], 3);
    EXPECT_EQ(dump["width"], 640);
    EXPECT_EQ(dump["heaps"], Json::parse(allocinfo("heaps --json").out)["heaps"]);

    for (const std::string& name :
         {"v4l2:" + camera.info().path + ":capture", "drm:" + display.info().path + ":scanout"}) {
        const Json* use = find_use(dump, name);
        ASSERT_NE(use, nullptr) << name;
        EXPECT_TRUE((*use)["error"].is_null()) << *use;
        EXPECT_TRUE((*use)["memory"]["contiguous"].is_null()); // nothing was tried
        EXPECT_FALSE((*use)["identity"].get<std::string>().empty());
        std::map<std::string, Json> entries = entries_of(*use);
        const Json asked = Json::parse(allocinfo("constraints --json --size 640x480 --use " + name).out);
        EXPECT_GT(asked["formats"].size(), 3U);
        for (const Json& format : asked["formats"]) {
            for (const Json& entry : format["entries"]) {
                const std::string way = format["format"].get<std::string>() + " " +
                                        entry["modifier"].get<std::string>() + " " +
                                        entry["memories"].get<std::string>();
                EXPECT_EQ(entries[way], entry["constraints"]) << name << ": " << way;
                entries.erase(way);
            }
        }
        // What is left over are formats that V4L2 alone has: constraints does not list them.
        for (const auto& [way, constraints] : entries)
            EXPECT_TRUE(way.starts_with("v4l2:")) << name << ": " << way;
    }
}

TEST_F(Allocinfo, ADumpOfThisMachineReplaysIt)
{
    namespace cb = devices::cb;
    NEED_CAMERA(camera, devices::contiguous_camera());
    NEED_DISPLAY(display);
    NEED_HEAP(true, "region");
    Json dump = Json::parse(allocinfo("devices --json").out);
    const std::string camera_use = "v4l2:" + camera.info().path + ":capture";
    const std::string display_use = "drm:" + display.info().path + ":scanout";
    // What only trials tell, somebody writes into a dump by hand.
    ASSERT_NE(find_use(dump, camera_use), nullptr);
    ASSERT_NE(find_use(dump, display_use), nullptr);
    (*find_use(dump, camera_use))["memory"]["contiguous"] = true;
    (*find_use(dump, display_use))["memory"]["contiguous"] = false;
    for (Json& heap : dump["heaps"])
        heap["truth"]["contiguous"] = heap["scarce"];
    const auto machine = replay::Machine::parse(dump.dump());
    ASSERT_TRUE(machine) << machine.error().message();

    for (const auto& [width, height] : {std::pair(1280U, 720U), std::pair(640U, 360U)}) {
        const cb::Request request{cb::parse_format("XR24").value(), width, height};
        const auto here = cb::Allocator().plan(request, {camera.capture(), display.scanout()});
        const auto there = machine->allocator().plan(request, {*machine->use(camera_use), *machine->use(display_use)});
        ASSERT_TRUE(here) << here.error().message();
        ASSERT_TRUE(there) << there.error().message();
        EXPECT_EQ(here->layout(), there->layout()) << to_string(here->layout()) << to_string(there->layout());
        EXPECT_EQ(here->chosen().heap.name, there->chosen().heap.name) << there->explain();
        EXPECT_EQ(here->report().heaps.size(), there->report().heaps.size());
    }
}

TEST_F(Allocinfo, ListsAreData)
{
    const Json heaps = Json::parse(allocinfo("heaps --json").out);
    EXPECT_EQ(heaps["command"], "heaps");
    EXPECT_TRUE(heaps["heaps"].is_array());
    const Json devices = Json::parse(allocinfo("devices --json").out);
    EXPECT_TRUE(devices["v4l2"].is_array());
    EXPECT_TRUE(devices["drm"].is_array());
}

/// Vulkan's tests run apart under sanitizers: the name says that it is one.
class AllocinfoAndVulkan : public Allocinfo {
protected:
    /// The first GPU that imports images; nothing where there is none.
    static std::string gpu()
    {
        const Json document = Json::parse(allocinfo("devices --json").out);
        for (const Json& device : document["vulkan"]) {
            const bool able = device["obstacle"].is_null() &&
                              std::none_of(device["missing"].begin(), device["missing"].end(), [](const Json& each) {
                                  return each["name"] == "VK_EXT_external_memory_dma_buf" ||
                                         each["name"] == "VK_EXT_image_drm_format_modifier";
                              });
            if (able) {
                EXPECT_EQ(device["uses"].size(), 3U);
                for (const Json& use : device["uses"])
                    EXPECT_FALSE(use["support"].empty()) << use.dump(1);
                return device["name"];
            }
        }
        return {};
    }

    static Json heap_of(const Json& document, const std::string& kind)
    {
        for (const Json& heap : document["heaps"]) {
            if (heap["kind"] == kind)
                return heap;
        }
        return {};
    }
};

#ifdef COMMONBUF_VERIFY
TEST_F(AllocinfoAndVulkan, PlansForAGpuAndLetsItsMemoryServe)
{
    const std::string name = gpu();
    if (name.empty())
        GTEST_SKIP() << "no Vulkan device here imports images";
    NEED_DISPLAY(display);
    const std::string uses = "--use 'vulkan:" + name + ":storage' --use drm:@vkms:scanout --format XR24 --size 640x480";
    const Answer planned = allocinfo("plan " + uses + " --add-heap 'vulkan:" + name +
                                     ":storage' --add-heap gbm:@vkms:scanout --prefer gbm --json 2>/dev/null");
    ASSERT_EQ(planned.status, 0) << planned.out;
    const Json document = Json::parse(planned.out);
    EXPECT_EQ(document["request"]["uses"][0].get<std::string>().rfind("vulkan:", 0), 0U);
    EXPECT_EQ(document["chosen"]["kind"], "gbm");
    EXPECT_EQ(heap_of(document, "vulkan")["verdict"], "accepted") << planned.out;
    const Answer verified = allocinfo("verify " + uses + " --add-heap 'vulkan:" + name + ":storage' --json");
    const Json verification = Json::parse(verified.out)["verification"];
    for (const Json& use : verification["uses"]) {
        devices::cb::Content content;
        if (use["reason"].is_string())
            content.reason = use["reason"];
        if (devices::lost_writeback(display, content)) {
            kernel_keeps_memory();
            GTEST_SKIP() << "this kernel's vkms lost a writeback";
        }
        EXPECT_EQ(use["result"], "same") << use.dump(1);
    }
    EXPECT_EQ(verified.status, 0) << verified.out;
}
#endif

TEST_F(AllocinfoAndVulkan, WhatIsNotThereIsSaidInOneLine)
{
    if (gpu().empty())
        GTEST_SKIP() << "no Vulkan device here imports images";
    const Answer nobody = allocinfo("heaps --add-heap vulkan:nobody:storage 2>&1");
    EXPECT_EQ(nobody.status, 3);
    EXPECT_EQ(std::count(nobody.out.begin(), nobody.out.end(), '\n'), 1) << nobody.out;
    EXPECT_NE(nobody.out.find("nobody"), std::string::npos) << nobody.out;
    EXPECT_EQ(allocinfo("heaps --add-heap vulkan:nobody:showing 2>/dev/null").status, 1);
}

TEST_F(Allocinfo, BenchAccessMeasuresEveryHeapAndPlansWithIt)
{
    const std::string file = "/tmp/cpu-costs-" + std::to_string(::getpid()) + ".json";
    const Answer heaps = allocinfo("heaps --json");
    const Json known = Json::parse(heaps.out)["heaps"];
    if (std::none_of(known.begin(), known.end(), [](const Json& heap) { return heap["usable"].get<bool>(); }))
        GTEST_SKIP() << "no heap can be used here";
    const Answer bench = allocinfo("bench-access --size 256K --json --save " + file);
    ASSERT_EQ(bench.status, 0) << bench.out;
    std::ifstream saved(file);
    Json document = Json::parse(saved);
    EXPECT_EQ(document, Json::parse(bench.out));
    std::map<std::string, Json> measured;
    for (const Json& heap : document["heaps"])
        measured[heap["heap"]] = heap;
    for (const Json& heap : known) {
        ASSERT_TRUE(measured.contains(heap["name"])) << heap;
        const Json& entry = measured[heap["name"]];
        // That a card has no dumb buffers shows when it is opened.
        const bool lacks = !entry["error"].is_null() && entry["error"]["category"] == "unsupported";
        const bool can = heap["usable"].get<bool>() && heap["same_as"].is_null() && !lacks;
        EXPECT_EQ(entry["error"].is_null(), can) << entry;
        if (can) {
            EXPECT_GT(entry["read_ns_per_mib"], 0) << entry;
        }
    }

    // What was measured depends on the machine; what follows from a number does not: let the
    // heap that would be last be the only one that is cheap.
    const std::string words = "plan --use cpu:rw --format XR24 --size 640x480 --json";
    const Answer plain = allocinfo(words);
    ASSERT_EQ(plain.status, 0) << plain.out;
    std::string last;
    const Json before = Json::parse(plain.out);
    for (const Json& heap : before["heaps"]) {
        if (heap["verdict"] == before["heaps"][0]["verdict"])
            last = heap["name"];
    }
    for (Json& heap : document["heaps"]) {
        if (heap["error"].is_null())
            heap["read_ns_per_mib"] = heap["heap"] == last ? 1000 : 1000000000;
    }
    std::ofstream(file) << document;
    const Answer planned = allocinfo(words + " --cpu-costs " + file);
    ASSERT_EQ(planned.status, 0) << planned.out;
    EXPECT_EQ(Json::parse(planned.out)["chosen"]["heap"], last);
    EXPECT_TRUE(Json::parse(planned.out)["heaps"][0]["cpu_time_ns"].is_number());

    const Answer now = allocinfo(words + " --measure-cpu");
    ASSERT_EQ(now.status, 0) << now.out;
    EXPECT_TRUE(Json::parse(now.out)["cpu_cost_effect"].is_object());
    EXPECT_TRUE(Json::parse(now.out)["heaps"][0]["cpu_time_ns"].is_number());

    std::ofstream(file) << "{}";
    EXPECT_EQ(allocinfo(words + " --cpu-costs " + file + " 2>/dev/null").status, 3);
    EXPECT_EQ(allocinfo(words + " --measure-cpu --cpu-costs " + file + " 2>/dev/null").status, 1);
    EXPECT_EQ(allocinfo("bench-access --heap nowhere 2>/dev/null").status, 1);
    EXPECT_EQ(allocinfo("bench-access --size 0 2>/dev/null").status, 1);
    ::unlink(file.c_str());
}

} // namespace
