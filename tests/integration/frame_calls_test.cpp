// SPDX-License-Identifier: MIT
//
// The system calls of a frame in the steady state, counted by strace(1) on real drivers, beside those of a loop
// that consists of nothing else (tests/bench/raw_loop.cpp). Programs run twice, and the longer run minus the
// shorter one is what the frames between cost.
#include "devices.hpp"
#include "example.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <unistd.h>

namespace {

class FrameCalls : public devices::Test {};
class FrameCallsAndVulkan : public devices::Test {};

using Calls = std::map<std::string, double>;

constexpr int short_run = 60;
constexpr int long_run = 160;

/// How often a program makes each call, by the names of ioctls. Nothing if it does not show so many frames; that
/// some of the camera's are lost, as on a busy machine, does not matter.
Calls calls_of(const std::string& program, int frames)
{
    std::string file = testing::TempDir() + "commonbuf-calls-XXXXXX";
    const int descriptor = ::mkstemp(file.data());
    EXPECT_GE(descriptor, 0);
    ::close(descriptor);
    const auto count = std::to_string(frames);
    const auto outcome = example::run("strace -f -qq -s 0 -o " + file + " " + program + " --frames " + count);
    const bool all = outcome.text.find(count + " frames shown") != std::string::npos;
    EXPECT_TRUE(all) << program << ": " << outcome.text;
    std::istringstream lines(devices::read_text(file));
    ::unlink(file.c_str());
    Calls calls;
    for (std::string line; std::getline(lines, line);) {
        // "123 ioctl(5, VIDIOC_DQBUF, ..." or "123 close(7) = 0", and "123 <... ppoll resumed>" of one that was told.
        const auto name = line.find_first_not_of("0123456789 ");
        const auto end = line.find('(');
        if (name == std::string::npos || end == std::string::npos || line[name] == '<' || end < name)
            continue;
        std::string call = line.substr(name, end - name);
        if (const auto request = line.find(", ", end); call == "ioctl" && request != std::string::npos)
            call = line.substr(request + 2, line.find_first_of(",)", request + 2) - request - 2);
        if (call.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_|") !=
            std::string::npos)
            call = "another ioctl";
        ++calls[call];
    }
    return all ? calls : Calls();
}

/// The calls of one frame of a program that shows "--frames".
Calls calls_of_a_frame(const std::string& program)
{
    const Calls fewer = calls_of(program, short_run);
    Calls frame = calls_of(program, long_run);
    if (fewer.empty() || frame.empty())
        return {};
    for (const auto& [name, count] : fewer)
        frame[name] -= count;
    for (auto& [name, count] : frame)
        count /= long_run - short_run;
    std::erase_if(frame, [](const auto& each) { return each.second == 0; });
    return frame;
}

/// All of them, and says which. On real machines the time of day is read without a call (vDSO); the lab's
/// user-mode kernel has no such page.
double total(const std::string& name, const Calls& calls)
{
    double sum = 0;
    std::string list;
    for (const auto& [call, count] : calls) {
        if (call != "clock_gettime")
            sum += count;
        std::array<char, 64> number{};
        std::snprintf(number.data(), number.size(), " %.2f", count);
        list += (list.empty() ? " " : ", ") + call + number.data();
    }
    std::printf("  %-44s %6.2f calls a frame:%s\n", name.c_str(), sum, list.c_str());
    return sum;
}

/// What came too late or twice, on a busy machine, makes a call more here and there.
constexpr double chance = 1.0;

TEST_F(FrameCalls, OfACameraOnADisplayAreThoseOfALoopOfIoctls)
{
    NEED_EXAMPLE("camera-to-display");
    NEED_EXAMPLE("strace");
    NEED_EXAMPLES_DISPLAY();
    NEED_CAMERA(camera, devices::camera("vivid-001-vid-cap"));
    const auto card = devices::cb::drm::Device::open("@vkms");
    const std::string program =
        "camera-to-display --no-compare --camera " + camera.info().path + " --display " + card->info().path;
    if (const auto here = example::run(program + " --frames 2"); here.text.find("2 frames shown") == std::string::npos)
        GTEST_SKIP() << "not here: " << here.text;
    const auto raw = std::filesystem::read_symlink("/proc/self/exe").replace_filename("raw-loop").string() +
                     " --camera " + camera.info().path + " --display " + card->info().path;
    const Calls events = calls_of_a_frame(raw);
    ASSERT_FALSE(events.empty());
    total("a loop of ioctls, with events", events);
    // Two programs that run one after the other meet a busy machine in two states.
    constexpr int tries = 3;
    bool as_few = false;
    for (int i = 0; i < tries && !as_few; ++i) {
        const Calls fences = calls_of_a_frame(raw + " --fences");
        const Calls ours = calls_of_a_frame(program);
        ASSERT_FALSE(fences.empty() || ours.empty());
        const double least = total("a loop of ioctls, with fences", fences);
        as_few = total("camera-to-display", ours) <= least + chance;
        EXPECT_FALSE(ours.contains("DMA_BUF_IOCTL_EXPORT_SYNC_FILE"));
    }
    EXPECT_TRUE(as_few) << "in none of " << tries << " tries";
}

TEST_F(FrameCallsAndVulkan, OfAPipelineAreKnown)
{
    NEED_EXAMPLE("pipeline");
    NEED_EXAMPLE("strace");
    NEED_EXAMPLES_DISPLAY();
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const auto here = example::run("pipeline --no-codec --no-compare --frames 2");
    if (here.text.find("2 frames shown") == std::string::npos)
        GTEST_SKIP() << "not here: " << here.text;
    // A driver that draws by the CPU makes calls of its own, so only those of the library are held here.
    const Calls frame = calls_of_a_frame("pipeline --no-codec --no-compare");
    ASSERT_FALSE(frame.empty());
    total("pipeline", frame);
    for (const char* call : {"VIDIOC_DQBUF", "VIDIOC_QBUF", "DRM_IOCTL_MODE_ATOMIC"}) {
        const auto known = frame.find(call);
        ASSERT_NE(known, frame.end()) << call;
        EXPECT_LE(known->second, chance + 0.2) << call;
    }
}

} // namespace
