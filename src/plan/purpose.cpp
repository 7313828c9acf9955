// SPDX-License-Identifier: MIT
#include <commonbuf/purpose.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace commonbuf {
namespace {

constexpr std::array names{
    std::pair(Purpose::camera_output, "camera-output"),         std::pair(Purpose::video_encoder, "video-encoder"),
    std::pair(Purpose::video_decoder, "video-decoder"),         std::pair(Purpose::gpu_texture, "gpu-texture"),
    std::pair(Purpose::gpu_render_target, "gpu-render-target"), std::pair(Purpose::composer, "composer"),
    std::pair(Purpose::cpu_read_rarely, "cpu-read-rarely"),     std::pair(Purpose::cpu_read_often, "cpu-read-often"),
    std::pair(Purpose::cpu_write_rarely, "cpu-write-rarely"),   std::pair(Purpose::cpu_write_often, "cpu-write-often"),
};

} // namespace

std::string_view to_string(Purpose flag) noexcept
{
    const auto* const found =
        std::find_if(names.begin(), names.end(), [flag](const auto& each) { return each.first == flag; });
    return found != names.end() ? found->second : "unknown";
}

std::optional<Purpose> parse_purpose(std::string_view name) noexcept
{
    const auto* const found =
        std::find_if(names.begin(), names.end(), [name](const auto& each) { return each.second == name; });
    return found != names.end() ? std::optional(found->first) : std::nullopt;
}

} // namespace commonbuf
