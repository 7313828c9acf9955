// SPDX-License-Identifier: MIT
#include "base/names.hpp"

#include <commonbuf/purpose.hpp>

namespace commonbuf {
namespace {

constexpr auto names = std::to_array<std::pair<Purpose, std::string_view>>({
    {Purpose::camera_output, "camera-output"},
    {Purpose::video_encoder, "video-encoder"},
    {Purpose::video_decoder, "video-decoder"},
    {Purpose::gpu_texture, "gpu-texture"},
    {Purpose::gpu_render_target, "gpu-render-target"},
    {Purpose::composer, "composer"},
    {Purpose::cpu_read_rarely, "cpu-read-rarely"},
    {Purpose::cpu_read_often, "cpu-read-often"},
    {Purpose::cpu_write_rarely, "cpu-write-rarely"},
    {Purpose::cpu_write_often, "cpu-write-often"},
});

} // namespace

std::string_view to_string(Purpose flag) noexcept { return name_of(names, flag); }
std::optional<Purpose> parse_purpose(std::string_view name) noexcept { return parse_name(names, name); }

} // namespace commonbuf
