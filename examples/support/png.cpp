// SPDX-License-Identifier: MIT
#include "png.hpp"

#include <drm_fourcc.h>
#include <png.h>

#include <cerrno>
#include <vector>

commonbuf::Status write_png(const commonbuf::Buffer& buffer, commonbuf::Deadline deadline, const std::string& path)
{
    using commonbuf::Category;
    const commonbuf::Layout& layout = buffer.layout();
    if (layout.format != DRM_FORMAT_XRGB8888 && layout.format != DRM_FORMAT_ARGB8888)
        return commonbuf::Error::unsupported("write " + path, "a picture is written from XR24 or AR24, not from " +
                                                                  to_string(layout.format));
    auto access = buffer.read(deadline);
    if (!access)
        return access.error();

    constexpr std::size_t in = 4;
    constexpr std::size_t out = 3;
    std::vector<unsigned char> pixels(std::size_t{layout.width} * layout.height * out);
    const auto plane = access->plane(0);
    for (std::size_t y = 0; y < layout.height; ++y) {
        for (std::size_t x = 0; x < layout.width; ++x) {
            const auto* bgrx = plane.data() + y * layout.planes[0].stride + x * in;
            auto* rgb = pixels.data() + (y * layout.width + x) * out;
            for (std::size_t i = 0; i < out; ++i)
                rgb[i] = static_cast<unsigned char>(bgrx[out - 1 - i]);
        }
    }
    if (auto ended = access->end(); !ended)
        return ended;

    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = layout.width;
    image.height = layout.height;
    image.format = PNG_FORMAT_RGB;
    if (png_image_write_to_file(&image, path.c_str(), 0, pixels.data(), 0, nullptr) == 0)
        return commonbuf::Error::kernel_failure("write " + path, image.message);
    return {};
}
