// SPDX-License-Identifier: MIT
#include "kernel_header.hpp"

#include <commonbuf/vulkan/device.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <algorithm>
#include <regex>

namespace commonbuf::vulkan {
namespace {

TEST(VulkanUsage, IsReadFromTheWordsThatNameIt)
{
    EXPECT_EQ(parse_image_usage("storage")->flags, VkImageUsageFlags{VK_IMAGE_USAGE_STORAGE_BIT});
    EXPECT_EQ(parse_image_usage("transfer-source+transfer-destination+sampled")->flags,
              VkImageUsageFlags{VK_IMAGE_USAGE_TRANSFER_SRC_BIT} | VK_IMAGE_USAGE_TRANSFER_DST_BIT |
                  VK_IMAGE_USAGE_SAMPLED_BIT);
    for (const char* words : {"", "+", "storage+", "+storage", "storage++sampled", "Storage", "storage sampled", "0x8"})
        EXPECT_FALSE(parse_image_usage(words)) << words;
}

/// The VkFormats of vulkan_core.h by value.
const std::map<int, std::string>& vulkan_names()
{
    static const auto names = [] {
        std::map<int, std::string> result;
        const std::string text = kernel_header::read_file(kernel_header::vulkan_core_h());
        static const std::regex pattern(R"(\b(VK_FORMAT_\w+) = (\d+),)");
        for (std::sregex_iterator each(text.begin(), text.end(), pattern), end; each != end; ++each)
            result.emplace(std::stoi((*each)[2]), (*each)[1]);
        return result;
    }();
    return names;
}

struct Channel {
    char letter = 0;
    unsigned bits = 0; ///< with the unused ones behind it
};

/// What the name of a VkFormat says: "G10X6_B10X6R10X6_2PLANE_420_UNORM_3PACK16".
struct Named {
    std::vector<std::vector<Channel>> planes;
    bool is_word = false; ///< the channels stand in a word, from its highest bits down
    unsigned hsub = 1;
    unsigned vsub = 1;

    explicit Named(const std::string& name)
    {
        static const std::regex plane("_((?:[RGBA]\\d+(?:X\\d+)?)+)(?=_)");
        static const std::regex channel("([RGBA])(\\d+)(?:X(\\d+))?");
        for (std::sregex_iterator each(name.begin(), name.end(), plane), end; each != end; ++each) {
            const std::string text = (*each)[1];
            planes.emplace_back();
            for (std::sregex_iterator part(text.begin(), text.end(), channel); part != end; ++part) {
                const std::string unused = (*part)[3];
                planes.back().push_back(
                    {(*part)[1].str()[0], static_cast<unsigned>(std::stoul((*part)[2])) +
                                              (unused.empty() ? 0U : static_cast<unsigned>(std::stoul(unused)))});
            }
        }
        // _4PACK16 are four words of a channel each.
        is_word = std::regex_search(name, std::regex("_PACK\\d+$")) && planes.size() == 1 && planes[0].size() > 1;
        hsub = name.find("_420_") != std::string::npos || name.find("_422_") != std::string::npos ? 2 : 1;
        vsub = name.find("_420_") != std::string::npos ? 2 : 1;
    }

    unsigned bits(std::size_t plane) const
    {
        unsigned sum = 0;
        for (const Channel& each : planes[plane])
            sum += each.bits;
        return sum;
    }

    /// The channels of a plane in order of memory.
    std::string in_memory(std::size_t plane) const
    {
        std::string text;
        for (const Channel& each : planes[plane])
            text += each.letter;
        return is_word ? std::string(text.rbegin(), text.rend()) : text;
    }
};

/// The letters of DRM as Vulkan says them: luma is G, Cb is B, Cr is R.
std::string as_colours(std::string channels)
{
    for (char& each : channels)
        each = each == 'Y' ? 'G' : each == 'U' ? 'B' : each == 'V' ? 'R' : each;
    return channels;
}

/// Alpha may be there or not; what is left must be the same.
std::string without_alpha(std::string channels)
{
    channels.erase(std::remove(channels.begin(), channels.end(), 'A'), channels.end());
    return channels;
}

TEST(VulkanFormats, TwinsHaveTheSameBytes)
{
    EXPECT_EQ(to_vulkan(DRM_FORMAT_ARGB8888), VK_FORMAT_B8G8R8A8_UNORM);
    EXPECT_EQ(to_vulkan(DRM_FORMAT_ABGR8888), VK_FORMAT_R8G8B8A8_UNORM);
    EXPECT_EQ(to_vulkan(DRM_FORMAT_RGB888), VK_FORMAT_B8G8R8_UNORM);
    EXPECT_EQ(to_vulkan(DRM_FORMAT_NV12), VK_FORMAT_G8_B8R8_2PLANE_420_UNORM);
    EXPECT_EQ(to_vulkan(Format::v4l2(v4l2_fourcc('Y', '0', '1', '2'))), VK_FORMAT_R12X4_UNORM_PACK16);
    EXPECT_FALSE(to_vulkan(DRM_FORMAT_NV21)) << "Vulkan has no swapped chroma";
    EXPECT_FALSE(to_vulkan(DRM_FORMAT_R10)) << "Vulkan's 10 bits are the high ones";
    EXPECT_FALSE(to_vulkan(Format::v4l2(V4L2_PIX_FMT_SRGGB16))) << "V4L2's RG16 is not RGB565";
    EXPECT_FALSE(to_vulkan(0));
}

TEST(VulkanFormats, NamesSayTheSameAsTheTable)
{
    std::size_t checked = 0;
    for (const FormatInfo& row : all_formats()) {
        const auto vulkan = to_vulkan(row.format);
        // Older headers lack A1B5G5R5.
        if (!vulkan || (!vulkan_names().contains(*vulkan) && row.format == DRM_FORMAT_ABGR1555) ||
            (!vulkan_names().contains(*vulkan) && row.format == DRM_FORMAT_XBGR1555))
            continue;
        ASSERT_TRUE(vulkan_names().contains(*vulkan)) << row.name;
        const std::string& name = vulkan_names().at(*vulkan);
        const Named named(name);
        ASSERT_EQ(named.planes.size(), row.plane_count) << row.name << " and " << name;
        for (std::size_t i = 0; i < row.plane_count; ++i)
            EXPECT_EQ(named.bits(i), 8U * row.planes[i].block_bytes) << row.name << " and " << name;
        EXPECT_EQ(named.hsub, row.hsub) << row.name << " and " << name;
        EXPECT_EQ(named.vsub, row.vsub) << row.name << " and " << name;
        ++checked;
    }
    EXPECT_GT(checked, 60U);
}

TEST(VulkanFormats, ChannelsStandInOneOrder)
{
    std::size_t checked = 0;
    for (const kernel_header::Define& define : kernel_header::read_formats(kernel_header::drm_fourcc_h())) {
        const auto vulkan = to_vulkan(define.code);
        if (!vulkan || !vulkan_names().contains(*vulkan))
            continue;
        const Named named(vulkan_names().at(*vulkan));
        const auto words = define.words();
        ASSERT_EQ(words.size(), named.planes.size()) << define.name;
        for (std::size_t i = 0; i < words.size(); ++i) {
            const std::string drm = without_alpha(as_colours(words[i].in_memory()));
            const std::string other = without_alpha(named.in_memory(i));
            // One channel may be called anything: R8's is R, and luma for Y8.
            if (drm.size() == 1 && words.size() == 1)
                EXPECT_EQ(other.size(), 1U) << define.name;
            else
                EXPECT_EQ(drm, other) << define.name << " plane " << i << " and " << vulkan_names().at(*vulkan);
        }
        ++checked;
    }
    EXPECT_GT(checked, 50U);
}

TEST(VulkanFormats, BackAndForth)
{
    for (const auto& [value, name] : vulkan_names()) {
        const auto format = from_vulkan(static_cast<VkFormat>(value));
        if (!format)
            continue;
        // sRGB comes back as what has the same bytes.
        const auto again = to_vulkan(*format);
        ASSERT_TRUE(again) << name;
        const bool same_bytes = name.find("SRGB") != std::string::npos || name.find("A8B8G8R8") != std::string::npos;
        EXPECT_TRUE(*again == static_cast<VkFormat>(value) || same_bytes) << name;
    }
    EXPECT_FALSE(from_vulkan(VK_FORMAT_UNDEFINED));
    EXPECT_EQ(from_vulkan(VK_FORMAT_B8G8R8A8_SRGB), Format(DRM_FORMAT_ARGB8888));
    EXPECT_EQ(from_vulkan(VK_FORMAT_A2R10G10B10_UNORM_PACK32), Format(DRM_FORMAT_ARGB2101010)) << "not Y410";
    EXPECT_EQ(from_vulkan(VK_FORMAT_R8_UNORM), Format(DRM_FORMAT_R8)) << "not Y8";
}

/// Whatever Vulkan has of several planes or shared chroma, and DRM too, is in the table.
TEST(VulkanFormats, WhatIsMissingIsMissingForAReason)
{
    // DRM and V4L2 have no code for these bytes.
    static const std::regex no_twin(
        "B10X6G10X6R10X6G10X6|B12X4G12X4R12X4G12X4|B16G16R16G16|" // UYVY of 10 bits and more
        "(10X6|12X4).*3PLANE_42[02]|12X4.*3PLANE_444|"            // 3 planes, high bits
        "10X6.*2PLANE_444|(12X4|G16).*2PLANE_4(22|44)");          // NV24, NV16 of more bits
    for (const auto& [value, name] : vulkan_names()) {
        const bool ycbcr = std::regex_search(name, std::regex("_4(20|22|44)_"));
        if (!ycbcr || name.ends_with("_EXT") || name.ends_with("_KHR"))
            continue;
        EXPECT_NE(from_vulkan(static_cast<VkFormat>(value)).has_value(), std::regex_search(name, no_twin)) << name;
    }
}

} // namespace
} // namespace commonbuf::vulkan
