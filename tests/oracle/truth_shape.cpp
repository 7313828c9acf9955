// SPDX-License-Identifier: MIT
//
// Written by the headers' own comments (drm_fourcc.h: little endian words; videodev2.h and the
// V4L2 documentation: bytes in memory), not by the library's table.
#include "truth_shape.hpp"

#include <drm_fourcc.h>
#include <linux/videodev2.h>

#include <algorithm>

namespace truth {
namespace {

const std::vector<Shape>& shapes()
{
    const PlaneShape one{1, 1, 1};
    const PlaneShape both_halved{2, 2, 2}; // Cb and Cr of 4:2:0, side by side
    const PlaneShape wide_halved{2, 2, 1}; // of 4:2:2
    const PlaneShape full{2, 1, 1};        // of 4:4:4
    const PlaneShape quarter{1, 2, 2};     // one of Cb and Cr, 4:2:0
    const PlaneShape half{1, 2, 1};        // one of them, 4:2:2
    const PlaneShape packed{4, 2, 1};      // two pixels of packed 4:2:2
    static const std::vector<Shape> all{
        {DRM_FORMAT_XRGB8888, {{4, 1, 1}}, {V4L2_PIX_FMT_XBGR32, V4L2_PIX_FMT_BGR32}, {}, true},
        {DRM_FORMAT_XBGR8888, {{4, 1, 1}}, {V4L2_PIX_FMT_RGBX32}, {}, true},
        {DRM_FORMAT_ARGB8888, {{4, 1, 1}}, {V4L2_PIX_FMT_ABGR32}, {}},
        {DRM_FORMAT_ABGR8888, {{4, 1, 1}}, {V4L2_PIX_FMT_RGBA32}, {}},
        {DRM_FORMAT_RGB888, {{3, 1, 1}}, {V4L2_PIX_FMT_BGR24}, {}},
        {DRM_FORMAT_BGR888, {{3, 1, 1}}, {V4L2_PIX_FMT_RGB24}, {}},
        {DRM_FORMAT_RGB565, {{2, 1, 1}}, {V4L2_PIX_FMT_RGB565}, {}},
        {DRM_FORMAT_R8, {one}, {V4L2_PIX_FMT_GREY}, {}},
        {DRM_FORMAT_YUYV, {packed}, {V4L2_PIX_FMT_YUYV}, {}},
        {DRM_FORMAT_YVYU, {packed}, {V4L2_PIX_FMT_YVYU}, {}},
        {DRM_FORMAT_UYVY, {packed}, {V4L2_PIX_FMT_UYVY}, {}},
        {DRM_FORMAT_VYUY, {packed}, {V4L2_PIX_FMT_VYUY}, {}},
        {DRM_FORMAT_NV12, {one, both_halved}, {V4L2_PIX_FMT_NV12}, {V4L2_PIX_FMT_NV12M}},
        {DRM_FORMAT_NV21, {one, both_halved}, {V4L2_PIX_FMT_NV21}, {V4L2_PIX_FMT_NV21M}},
        {DRM_FORMAT_NV16, {one, wide_halved}, {V4L2_PIX_FMT_NV16}, {V4L2_PIX_FMT_NV16M}},
        {DRM_FORMAT_NV61, {one, wide_halved}, {V4L2_PIX_FMT_NV61}, {V4L2_PIX_FMT_NV61M}},
        {DRM_FORMAT_NV24, {one, full}, {V4L2_PIX_FMT_NV24}, {}},
        {DRM_FORMAT_NV42, {one, full}, {V4L2_PIX_FMT_NV42}, {}},
        {DRM_FORMAT_YUV420, {one, quarter, quarter}, {V4L2_PIX_FMT_YUV420}, {V4L2_PIX_FMT_YUV420M}},
        {DRM_FORMAT_YVU420, {one, quarter, quarter}, {V4L2_PIX_FMT_YVU420}, {V4L2_PIX_FMT_YVU420M}},
        {DRM_FORMAT_YUV422, {one, half, half}, {V4L2_PIX_FMT_YUV422P}, {V4L2_PIX_FMT_YUV422M}},
        {DRM_FORMAT_YVU422, {one, half, half}, {}, {V4L2_PIX_FMT_YVU422M}},
        {DRM_FORMAT_YUV444, {one, one, one}, {}, {V4L2_PIX_FMT_YUV444M}},
        {DRM_FORMAT_YVU444, {one, one, one}, {}, {V4L2_PIX_FMT_YVU444M}},
    };
    return all;
}

std::uint32_t divided_up(std::uint32_t number, std::uint32_t by) { return (number + by - 1) / by; }

} // namespace

std::size_t Shape::row_bytes(std::size_t plane, std::uint32_t width) const
{
    return std::size_t{divided_up(width, planes[plane].hsub)} * planes[plane].bytes;
}

std::uint32_t Shape::rows(std::size_t plane, std::uint32_t height) const
{
    return divided_up(height, planes[plane].vsub);
}

std::uint32_t Shape::stride(std::size_t plane, std::uint32_t first) const
{
    return first * planes[plane].bytes * planes[0].hsub / (planes[plane].hsub * planes[0].bytes);
}

const Shape* shape_of(std::uint32_t fourcc)
{
    const auto& all = shapes();
    const auto found = std::find_if(all.begin(), all.end(), [=](const Shape& each) { return each.fourcc == fourcc; });
    return found != all.end() ? &*found : nullptr;
}

const Shape* shape_of_v4l2(std::uint32_t code, bool apart)
{
    const auto& all = shapes();
    const auto found = std::find_if(all.begin(), all.end(), [=](const Shape& each) {
        const auto& codes = apart ? each.apart : each.together;
        return std::find(codes.begin(), codes.end(), code) != codes.end();
    });
    return found != all.end() ? &*found : nullptr;
}

} // namespace truth
