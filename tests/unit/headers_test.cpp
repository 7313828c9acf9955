// SPDX-License-Identifier: MIT
//
// The table of formats against the headers of this system. A fourcc that is new in a
// header is neither in the table nor left out, and is named here.
#include "kernel_header.hpp"
#include "paths.hpp"

#include <commonbuf/format.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <regex>
#include <set>
#include <sstream>

namespace commonbuf {
namespace {

using kernel_header::Define;

const std::vector<Define>& drm()
{
    static const auto defines = kernel_header::read_formats(kernel_header::drm_fourcc_h());
    return defines;
}

const std::vector<Define>& v4l2()
{
    static const auto defines = kernel_header::read_formats(kernel_header::videodev2_h());
    return defines;
}

const Define* find(const std::vector<Define>& defines, std::uint32_t code)
{
    const auto found =
        std::find_if(defines.begin(), defines.end(), [code](const Define& each) { return each.code == code; });
    return found != defines.end() ? &*found : nullptr;
}

/// src/format/left-out.txt: names, each with the reason above it.
std::map<std::string, std::string> left_out()
{
    std::map<std::string, std::string> reasons;
    std::istringstream lines(kernel_header::read_file(LEFT_OUT_TXT));
    std::string reason;
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line.starts_with("#"))
            continue;
        if (line.starts_with("[")) {
            reason = line.substr(1, line.find(']') - 1);
            continue;
        }
        std::istringstream names(line);
        for (std::string name; names >> name;) {
            EXPECT_FALSE(reason.empty()) << name << " has no reason";
            EXPECT_TRUE(reasons.emplace(name, reason).second) << name << " is left out twice";
        }
    }
    return reasons;
}

TEST(Headers, EveryCodeIsInTheTableOrLeftOutWithAReason)
{
    const auto reasons = left_out();
    std::size_t in_table = 0;
    std::size_t without = 0;
    const auto account = [&](const Define& define, bool known) {
        const bool out = reasons.contains(define.name);
        EXPECT_TRUE(known || out) << define.name << " is new: put it into src/format/table.cpp or left-out.txt";
        EXPECT_FALSE(known && out) << define.name
                                   << " is in the table, and left out because: " << reasons.find(define.name)->second;
        ++(known ? in_table : without);
    };
    for (const Define& define : drm())
        account(define, format_info(define.code) != nullptr);
    for (const Define& define : v4l2())
        account(define, format_from_v4l2(define.code) != nullptr);
    std::printf("%zu codes in the table, %zu left out with a reason (%s, %s)\n", in_table, without,
                kernel_header::drm_fourcc_h().c_str(), kernel_header::videodev2_h().c_str());
}

TEST(Headers, WhatIsLeftOutOfV4l2IsOpaque)
{
    const auto reasons = left_out();
    for (const Define& define : v4l2()) {
        if (reasons.contains(define.name)) {
            EXPECT_TRUE(is_opaque(Format::v4l2(define.code))) << define.name;
        }
    }
}

TEST(Headers, NamesAreTheKernels)
{
    for (const FormatInfo& row : all_formats()) {
        if (row.format.is_v4l2)
            continue;
        const std::string name = "DRM_FORMAT_" + std::string(row.name);
        const auto named =
            std::find_if(drm().begin(), drm().end(), [&name](const Define& each) { return each.name == name; });
        const Define* coded = find(drm(), row.format.fourcc);
        // Older headers lack what newer ones have; both name and code are then new.
        if (named == drm().end() && coded == nullptr)
            continue;
        ASSERT_NE(named, drm().end()) << name << " has another name: " << coded->name;
        EXPECT_EQ(named->code, row.format.fourcc) << name;
    }
}

TEST(Headers, BlocksAndPlanesAreWhatTheWordsSay)
{
    std::size_t checked = 0;
    for (const Define& define : drm()) {
        const FormatInfo* row = format_info(define.code);
        if (row == nullptr)
            continue;
        const auto words = define.words();
        ASSERT_EQ(words.size(), row->plane_count) << define.name;
        for (std::size_t i = 0; i < words.size(); ++i) {
            EXPECT_EQ(words[i].bits, 8U * row->planes[i].block_bytes) << define.name << " plane " << i;
            EXPECT_EQ(words[i].samples(), row->planes[i].block_width) << define.name << " plane " << i;
        }
        if (row->plane_count > 1) {
            const auto subsampling = define.subsampling();
            ASSERT_TRUE(subsampling) << define.name;
            for (std::size_t i = 1; i < row->plane_count; ++i) {
                EXPECT_EQ(subsampling->columns, row->planes[i].hsub) << define.name;
                EXPECT_EQ(subsampling->rows, row->planes[i].vsub) << define.name;
            }
            EXPECT_EQ(subsampling->columns, row->hsub) << define.name;
            EXPECT_EQ(subsampling->rows, row->vsub) << define.name;
        } else {
            // YUYV's two pixels share Cb and Cr; R1's eight share nothing.
            const std::string channels = words[0].in_word();
            const bool shares = words[0].samples() == 2 && channels.find('U') != std::string::npos;
            EXPECT_EQ(row->hsub, shares ? 2 : 1) << define.name;
            EXPECT_EQ(row->vsub, 1) << define.name;
        }
        ++checked;
    }
    EXPECT_GT(checked, 90U);
}

/// Bits for one pixel, on average over an image.
double bits_per_pixel(const FormatInfo& row)
{
    double bits = 0;
    for (std::size_t i = 0; i < row.plane_count; ++i) {
        const PlaneInfo& plane = row.planes[i];
        bits += 8.0 * plane.block_bytes / (plane.block_width * plane.hsub * plane.vsub);
    }
    return bits;
}

TEST(Headers, V4l2CountsTheSameBits)
{
    // Comments that count the bits that matter, and one slip.
    const std::map<std::string, double> otherwise{
        {"V4L2_PIX_FMT_Y10", 16}, {"V4L2_PIX_FMT_Y12", 16}, {"V4L2_PIX_FMT_Y012", 16}, {"V4L2_PIX_FMT_NV21M", 12}};
    std::size_t checked = 0;
    for (const Define& define : v4l2()) {
        const FormatInfo* row = format_from_v4l2(define.code);
        std::smatch match;
        static const std::regex leading(R"(^/\*\s*(\d+)\s)");
        if (row == nullptr || !std::regex_search(define.comment, match, leading))
            continue;
        const auto exception = otherwise.find(define.name);
        EXPECT_EQ(bits_per_pixel(*row), exception != otherwise.end() ? exception->second : std::stod(match[1]))
            << define.name;
        ++checked;
    }
    EXPECT_GT(checked, 60U);
}

/// The channels of a V4L2 format as its comment or its name says, in order of memory.
std::string v4l2_channels(const Define& define)
{
    std::smatch match;
    // "BGRX-8-8-8-8" and "BGR 16-bit": memory. "ARGB-1-5-5-5" and "aaaarrrr ggggbbbb": a word.
    static const std::regex widths(R"(\s([A-Z]{3,4})-(\d+)((?:-\d+)+))");
    static const std::regex bits(R"(\s([arxgb]{8}) ([arxgb]{8}))");
    static const std::regex wide(R"(\s([A-Z]{3,4}) 16-bit)");
    static const std::regex pairs(R"(_([YUV]{4})$)");
    static const std::regex pairs_in_comment(R"(\s([YUV]{4}) 4:2:2)");
    std::string channels;
    bool word = false;
    if (std::regex_search(define.comment, match, widths)) {
        channels = match[1];
        word = match[2].str() != "8" || match[3].str().find("-8-8") == std::string::npos;
    } else if (std::regex_search(define.comment, match, bits)) {
        channels = match[1].str() + match[2].str();
        channels.erase(std::unique(channels.begin(), channels.end()), channels.end());
        std::transform(channels.begin(), channels.end(), channels.begin(),
                       [](unsigned char each) { return static_cast<char>(std::toupper(each)); });
        word = true;
    } else if (std::regex_search(define.comment, match, wide) ||
               std::regex_search(define.comment, match, pairs_in_comment) ||
               std::regex_search(define.name, match, pairs)) {
        channels = match[1];
    }
    channels.erase(std::remove(channels.begin(), channels.end(), 'X'), channels.end());
    if (word)
        std::reverse(channels.begin(), channels.end());
    return channels;
}

TEST(Headers, TwinsHaveTheirChannelsInOneOrder)
{
    std::size_t checked = 0;
    for (const Define& define : v4l2()) {
        const FormatInfo* row = format_from_v4l2(define.code);
        const Define* twin = row != nullptr && !row->format.is_v4l2 ? find(drm(), row->format.fourcc) : nullptr;
        if (twin == nullptr)
            continue;
        if (row->plane_count == 2) {
            // "Y/CbCr" in memory is the word "Cr:Cb".
            const bool cb_first = define.comment.find("CbCr") != std::string::npos;
            EXPECT_NE(twin->comment.find(cb_first ? "Cr:Cb" : "Cb:Cr"), std::string::npos) << define.name;
            ++checked;
        } else if (row->plane_count == 3) {
            const bool cb_first = define.name.find("YUV") != std::string::npos;
            const bool drm_cb_first = twin->comment.find("Cb (1)") != std::string::npos;
            EXPECT_EQ(cb_first, drm_cb_first) << define.name;
            ++checked;
        } else if (const std::string channels = v4l2_channels(define); !channels.empty()) {
            EXPECT_EQ(channels, twin->words().at(0).in_memory()) << define.name << " and " << twin->name;
            ++checked;
        } else {
            EXPECT_EQ(twin->words().at(0).channels.size(), 1U) << define.name << ": its order is not checked";
        }
    }
    EXPECT_GT(checked, 55U);
}

TEST(Headers, EveryModifierHasAClass)
{
    std::size_t compressed = 0;
    for (const auto& [name, value] : kernel_header::read_modifiers(kernel_header::drm_fourcc_h())) {
        const ModifierClass kind = classify(value);
        EXPECT_NE(kind, ModifierClass::unknown) << name << " is new: see src/format/modifiers.cpp";
        const bool says_so = name.find("CCS") != std::string::npos || name.find("COMPRESSED") != std::string::npos;
        EXPECT_EQ(kind == ModifierClass::compressed, says_so) << name;
        compressed += says_so ? 1 : 0;
    }
    EXPECT_GT(compressed, 5U);
}

} // namespace
} // namespace commonbuf
