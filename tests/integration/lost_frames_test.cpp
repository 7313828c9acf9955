// SPDX-License-Identifier: MIT
//
// A frame that the camera drops by itself fails neither of the programs that show all of them;
// one for which it had no buffer does.
#include "example.hpp"
#include "gpu.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <linux/videodev2.h>
#include <sys/ioctl.h>

namespace {

/// Lets a vivid drop every fifth frame, by chance, until the end of the test.
class Lossy {
public:
    explicit Lossy(int fd) : fd_(fd)
    {
        v4l2_queryctrl control{};
        control.id = V4L2_CTRL_FLAG_NEXT_CTRL;
        while (::ioctl(fd_, VIDIOC_QUERYCTRL, &control) == 0) {
            if (std::strcmp(reinterpret_cast<const char*>(control.name), "Percentage of Dropped Buffers") == 0)
                id_ = control.id;
            control.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
        }
        set(20);
    }
    ~Lossy() { set(0); }
    Lossy(const Lossy&) = delete;
    Lossy& operator=(const Lossy&) = delete;

    bool possible() const noexcept { return set_; }

private:
    void set(std::int32_t percent)
    {
        v4l2_control value{id_, percent};
        set_ = id_ != 0 && ::ioctl(fd_, VIDIOC_S_CTRL, &value) == 0;
    }

    int fd_;
    std::uint32_t id_ = 0;
    bool set_ = false;
};

void expect_told_and_good(const example::Outcome& outcome)
{
    // On a machine with much else to do the camera may run out of buffers, which does fail it.
    const bool none_lost = outcome.text.find("40 frames shown, 0 lost") != std::string::npos;
    EXPECT_EQ(outcome.status, none_lost ? 0 : 1) << outcome.text;
    EXPECT_NE(outcome.text.find("more dropped by the camera itself"), std::string::npos) << outcome.text;
}

class ExamplesOfALossyCamera : public devices::Test {};
class ExamplesOfALossyCameraAndVulkan : public GpuTest {};

TEST_F(ExamplesOfALossyCamera, IsShown)
{
    NEED_EXAMPLE("camera-to-display");
    NEED_EXAMPLES_DISPLAY();
    NEED_CAMERA(camera, devices::camera("vivid-001-vid-cap"));
    const Lossy lossy(camera.fd());
    if (!lossy.possible())
        GTEST_SKIP() << "this vivid drops nothing";
    const auto outcome = example::run("COMMONBUF_CHECK=abort camera-to-display --frames 40 --rate 5");
    SKIP_LOST_WRITEBACK(outcome);
    if (outcome.text.find("frames shown") == std::string::npos && outcome.status == 1)
        GTEST_SKIP() << "not here: " << outcome.text;
    expect_told_and_good(outcome);
}

TEST_F(ExamplesOfALossyCameraAndVulkan, GoesThroughThePipeline)
{
    NEED_EXAMPLE("pipeline");
    NEED_GPU(gpu);
    NEED_EXAMPLES_DISPLAY();
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    const Lossy lossy(camera.fd());
    if (!lossy.possible())
        GTEST_SKIP() << "this vivid drops nothing";
    const auto outcome = example::run("COMMONBUF_CHECK=abort pipeline --frames 40 --rate 5 --no-codec");
    SKIP_LOST_WRITEBACK(outcome);
    if (outcome.text.find("frames shown") == std::string::npos && outcome.status == 1)
        GTEST_SKIP() << "not here: " << outcome.text;
    expect_told_and_good(outcome);
}

} // namespace
