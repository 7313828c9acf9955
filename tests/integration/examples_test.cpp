// SPDX-License-Identifier: MIT
//
// The small programs of examples/ check themselves, and the access checker looks on.
#include "devices.hpp"
#include "example.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

class Examples : public devices::Test {};

TEST_F(Examples, TheCpuDrawsFrames)
{
    NEED_EXAMPLE("cpu-frame");
    example::expect_help("cpu-frame");
    NEED_EXAMPLES_DISPLAY();
    const auto outcome = example::run("COMMONBUF_CHECK=abort cpu-frame");
    SKIP_LOST_WRITEBACK(outcome);
    example::expect_good("cpu-frame", outcome);
}

TEST_F(Examples, AScreenshotIsWrittenBackAndSaved)
{
    NEED_EXAMPLE("screenshot");
    example::expect_help("screenshot");
    NEED_EXAMPLES_DISPLAY();
    const auto card = devices::cb::drm::Device::open("@vkms");
    if (devices::cb::drm::Display::choose(card.value()).value().writeback() == nullptr)
        GTEST_SKIP() << "the card has no writeback";
    const auto [outcome, picture] = example::screenshot("COMMONBUF_CHECK=abort");
    SKIP_LOST_WRITEBACK(outcome);
    example::expect_good("screenshot", outcome);
    EXPECT_NE(picture.find("PNG"), std::string::npos);
}

TEST_F(Examples, ADecodersPicturesAreShown)
{
    NEED_EXAMPLE("decode-to-display");
    example::expect_help("decode-to-display");
    NEED_EXAMPLES_DISPLAY();
    NEED_CAMERA(encoder, devices::camera("stateful-encoder"));
    NEED_CAMERA(decoder, devices::camera("stateful-decoder"));
    const auto outcome = example::run("COMMONBUF_CHECK=abort decode-to-display");
    SKIP_LOST_WRITEBACK(outcome);
    example::expect_good("decode-to-display", outcome);
    EXPECT_NE(outcome.text.find("decoded and shown"), std::string::npos) << outcome.text;
}

TEST_F(Examples, ACameraIsShownByAProgramThatIsHeldUp)
{
    NEED_EXAMPLE("camera-to-display");
    NEED_EXAMPLES_DISPLAY();
    if (std::getenv("COMMONBUF_PATCHED_KERNEL") == nullptr)
        GTEST_SKIP() << "this kernel may lose a writeback, which stops the program too";
    const auto held_up = std::filesystem::read_symlink("/proc/self/exe").replace_filename("libheld-up.so");
    // Faster than the display writes back, so that the camera runs out of buffers.
    const auto outcome = example::run("LD_PRELOAD=" + held_up.string() + " camera-to-display --frames 100 --rate 60");
    if (outcome.text.find("ASan runtime does not come first") != std::string::npos)
        GTEST_SKIP() << "sanitizers want to be loaded before everybody else";
    EXPECT_EQ(outcome.text.find("ld.so"), std::string::npos) << outcome.text;
    const bool started = outcome.text.find("nothing came") != std::string::npos ||
                         outcome.text.find("frames shown") != std::string::npos;
    if (outcome.status == 1 && !started)
        GTEST_SKIP() << "not here: " << outcome.text;
    // Frames are lost for want of a buffer meanwhile, and it has to say so.
    const bool all_there =
        outcome.text.find("100 frames shown, 0 lost, 0 out of order, 0 CPU copies") != std::string::npos;
    EXPECT_EQ(outcome.status, all_there ? 0 : 1) << outcome.text;
    EXPECT_NE(outcome.text.find("100 frames shown"), std::string::npos) << outcome.text;
}

/// Another program has all of the regions. The camera's own memory serves, if it is taken before the camera's
/// queue is opened.
TEST_F(Examples, ACameraIsShownWhileTheRegionsAreFull)
{
    NEED_EXAMPLE("camera-to-display");
    NEED_EXAMPLES_DISPLAY();
    NEED_CAMERA(camera, devices::camera("vivid-001-vid-cap"));
    std::vector<devices::cb::UniqueFd> taken;
    for (const auto& heap : devices::cb::find_heaps()) {
        if (!heap->info().scarce || heap->info().kind != devices::cb::HeapKind::dma_heap)
            continue;
        for (const std::uint64_t bytes : {1U << 20U, 1U << 16U}) {
            while (auto memory = heap->allocate(bytes))
                taken.push_back(std::move(*memory));
        }
    }
    if (taken.empty())
        GTEST_SKIP() << "no region here";
    const auto outcome = example::run("camera-to-display --frames 3 --rate 5");
    SKIP_LOST_WRITEBACK(outcome);
    EXPECT_EQ(outcome.status, 0) << outcome.text;
    EXPECT_NE(outcome.text.find("3 frames shown"), std::string::npos) << outcome.text;
}

} // namespace
