// SPDX-License-Identifier: MIT
//
// The small programs of examples/ that use Vulkan: they check themselves, and the access checker
// and the validation layers, where there are any, look on.
#include "example.hpp"
#include "gpu.hpp"

#include <gtest/gtest.h>

namespace {

class ExamplesOfVulkan : public GpuTest {};

constexpr const char* watched = "VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation "
                                "VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT "
                                "COMMONBUF_CHECK=abort ";

TEST_F(ExamplesOfVulkan, APictureIsRenderedAndShown)
{
    NEED_EXAMPLE("offscreen");
    example::expect_help("offscreen");
    NEED_GPU(gpu);
    NEED_EXAMPLES_DISPLAY();
    const auto outcome = example::run(std::string(watched) + "offscreen");
    SKIP_LOST_WRITEBACK(outcome);
    example::expect_good("offscreen", outcome);
}

TEST_F(ExamplesOfVulkan, ACamerasFrameIsATexture)
{
    NEED_EXAMPLE("camera-texture");
    example::expect_help("camera-texture");
    NEED_GPU(gpu);
    NEED_CAMERA(camera, devices::camera("vivid-000-vid-cap"));
    example::expect_good("camera-texture", example::run(std::string(watched) + "camera-texture"));
}

} // namespace
