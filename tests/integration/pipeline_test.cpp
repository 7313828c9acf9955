// SPDX-License-Identifier: MIT
//
// The whole pipeline as a program: camera, GPU, codec and display, to its end and interrupted.
// Whether frames are lost depends on how busy the machine is: scripts/demo looks at that.
#include "example.hpp"
#include "gpu.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>

namespace {

class PipelinesOfVulkan : public GpuTest {
protected:
    /// A number that the program's report has before these words; -1 where it has none.
    static long before(const std::string& text, const std::string& words)
    {
        std::smatch match;
        return std::regex_search(text, match, std::regex("(\\d+) " + words)) ? std::stol(match[1]) : -1;
    }

    static void expect_sound(const std::string& text)
    {
        EXPECT_EQ(before(text, "CPU copies"), 0) << text;
        EXPECT_GE(before(text, "in flight at once"), 3) << text;
        EXPECT_EQ(before(text, "wrong pixels"), 0) << text;
        EXPECT_EQ(before(text, "reports"), 0) << text;
    }
};

#define NEED_PIPELINE()                                                                                                \
    NEED_EXAMPLE("pipeline");                                                                                          \
    NEED_GPU(gpu);                                                                                                     \
    NEED_EXAMPLES_DISPLAY();                                                                                           \
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));                                                         \
    NEED_CAMERA(encoder, devices::camera("stateful-encoder"));                                                         \
    if (std::getenv("COMMONBUF_PATCHED_KERNEL") == nullptr)                                                            \
    GTEST_SKIP() << "this kernel's vkms loses writebacks"

TEST_F(PipelinesOfVulkan, EveryPixelIsWhatTheReferenceSays)
{
    NEED_PIPELINE();
    // More frames than any machine has time for beside the comparing: the pipeline is full, and
    // the camera loses some.
    const auto outcome = example::run("COMMONBUF_CHECK=abort pipeline --frames 30 --rate 60 --validate");
    expect_sound(outcome.text);
    EXPECT_EQ(before(outcome.text, "frames shown"), 30) << outcome.text;
    EXPECT_EQ(before(outcome.text, "pictures compared"), 30) << outcome.text;
    EXPECT_EQ(before(outcome.text, "frames encoded and decoded"), 30) << outcome.text;
    EXPECT_EQ(before(outcome.text, "messages"), 0) << outcome.text;
}

TEST_F(PipelinesOfVulkan, EndsCleanlyWhenItIsInterruptedInTheMiddle)
{
    NEED_PIPELINE();
    const auto count = devices::dma_buf_count();
    example::Outcome outcome;
    // A busy machine takes long until the first pictures are compared.
    for (const char* seconds : {"2", "10", "40"}) {
        outcome = example::run("seconds=" + std::string(seconds) + R"(
            log=$(mktemp)
            COMMONBUF_CHECK=abort pipeline --frames 100000 --rate 10 --validate >$log 2>&1 &
            for i in $(seq 300); do grep -q XR24 $log && break; sleep 0.1; done
            sleep $seconds
            kill -INT $!
            wait $!
            status=$?
            cat $log
            rm $log
            exit $status)");
        if (before(outcome.text, "pictures compared") > 0)
            break;
    }
    EXPECT_GE(outcome.status, 0) << "it was not killed: " << outcome.text;
    EXPECT_NE(outcome.text.find("\ninterrupted\n"), std::string::npos) << outcome.text;
    expect_sound(outcome.text);
    EXPECT_EQ(before(outcome.text, "messages"), 0) << outcome.text;
    EXPECT_EQ(devices::dma_buf_count(), count);
}

TEST_F(PipelinesOfVulkan, SaysWhichDeviceIsMissing)
{
    NEED_EXAMPLE("pipeline");
    const auto outcome = example::run("pipeline --camera @nobody");
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.text.find("@nobody"), std::string::npos) << outcome.text;
}

} // namespace
