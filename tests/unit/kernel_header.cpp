// SPDX-License-Identifier: MIT
#include "kernel_header.hpp"
#include "paths.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

namespace kernel_header {
namespace {

std::string path_of(const char* variable, const char* built_with)
{
    const char* other = std::getenv(variable);
    return other != nullptr ? other : built_with;
}

bool is_padding(const std::string& channel) { return std::string("xXz0").find(channel) != std::string::npos; }

/// "Cr0" is V, "Y1" is Y, "R" is R.
std::string letter(std::string channel)
{
    while (!channel.empty() && std::isdigit(static_cast<unsigned char>(channel.back())) != 0)
        channel.pop_back();
    if (channel == "Cb")
        return "U";
    return channel == "Cr" ? "V" : channel;
}

std::optional<Word> word_in(const std::string& text)
{
    static const std::regex pattern(R"(\[(\d+):0\]\s+([A-Za-z0-9]+(?::[A-Za-z0-9]+)*))");
    std::smatch match;
    if (!std::regex_search(text, match, pattern)) {
        static const std::regex brightness(R"((\d+)-bit Y-only)");
        if (std::regex_search(text, match, brightness))
            return Word{static_cast<unsigned>(std::stoul(match[1])), {"Y"}};
        return std::nullopt;
    }
    Word word{static_cast<unsigned>(std::stoul(match[1])) + 1, {}};
    std::istringstream channels(match[2]);
    for (std::string channel; std::getline(channels, channel, ':');) {
        if (!is_padding(channel))
            word.channels.push_back(letter(channel));
    }
    return word;
}

/// Text before a line's #define that belongs to the comment on lines of its own.
class Comments {
public:
    void read(const std::string& line)
    {
        const auto begin = line.find("/*");
        if (begin != std::string::npos)
            text_.clear();
        if (begin != std::string::npos || open_)
            text_ += line + '\n';
        if (begin != std::string::npos)
            open_ = true;
        if (line.find("*/") != std::string::npos)
            open_ = false;
    }
    const std::string& last() const { return text_; }

private:
    std::string text_;
    bool open_ = false;
};

} // namespace

unsigned Word::samples() const
{
    long most = 1;
    for (const std::string& channel : channels)
        most = std::max<long>(most, std::count(channels.begin(), channels.end(), channel));
    return static_cast<unsigned>(most);
}

std::string Word::in_word() const
{
    std::string text;
    for (const std::string& channel : channels)
        text += channel;
    return text;
}

std::string Word::in_memory() const
{
    std::string text;
    for (auto channel = channels.rbegin(); channel != channels.rend(); ++channel)
        text += *channel;
    return text;
}

std::vector<Word> Define::words() const
{
    if (const auto word = word_in(comment))
        return {*word};
    std::vector<Word> planes;
    static const std::regex index(R"(index (\d)\s*[:=](.*))");
    std::istringstream lines(group);
    for (std::string line; std::getline(lines, line);) {
        std::smatch match;
        if (std::regex_search(line, match, index) && std::stoul(match[1]) == planes.size())
            planes.push_back(word_in(match[2]).value_or(Word{}));
    }
    return planes;
}

std::optional<Subsampling> Define::subsampling() const
{
    for (const std::string& text : {comment, group}) {
        static const std::regex pattern(R"((\d)x(\d) subsampled)");
        std::smatch match;
        if (text.find("non-subsampled") != std::string::npos)
            return Subsampling{};
        if (std::regex_search(text, match, pattern))
            return Subsampling{static_cast<unsigned>(std::stoul(match[1])),
                               static_cast<unsigned>(std::stoul(match[2]))};
    }
    return std::nullopt;
}

std::vector<Define> read_formats(const std::string& path)
{
    static const std::regex makes_code(R"(^#define\s+(\w+)\s+(fourcc_code|v4l2_fourcc|v4l2_fourcc_be)\b)");
    static const std::regex whole(R"re(^#define\s+(\w+)\s+(\w+)\('(.)',\s*'(.)',\s*'(.)',\s*'(.)'\)\s*(.*)$)re");
    std::vector<Define> defines;
    Comments comments;
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
        if (!std::regex_search(line, makes_code)) {
            if (!line.starts_with("#"))
                comments.read(line);
            continue;
        }
        std::smatch match;
        if (!std::regex_match(line, match, whole)) {
            ADD_FAILURE() << path << ": not understood: " << line;
            continue;
        }
        Define define{match[1], 0, match[7], comments.last()};
        for (unsigned i = 0; i < 4; ++i)
            define.code |= std::uint32_t{static_cast<unsigned char>(match[3 + i].str()[0])} << (8 * i);
        if (match[2] == "v4l2_fourcc_be")
            define.code |= 1U << 31U;
        defines.push_back(define);
    }
    EXPECT_GT(defines.size(), 50U) << path << " has hardly any formats: is it the right header?";
    return defines;
}

std::map<std::string, std::uint64_t> read_modifiers(const std::string& path)
{
    const std::string text = read_file(path);
    std::map<std::string, std::uint64_t> vendors;
    static const std::regex vendor(R"(#define\s+DRM_FORMAT_MOD_VENDOR_(\w+)\s+(\w+))");
    for (std::sregex_iterator each(text.begin(), text.end(), vendor), end; each != end; ++each)
        vendors[(*each)[1]] = std::stoull((*each)[2], nullptr, 0);

    std::map<std::string, std::uint64_t> modifiers;
    static const std::regex single(R"(#define\s+(\w+)\s+fourcc_mod_code\((\w+),\s*(\d+)\))");
    for (std::sregex_iterator each(text.begin(), text.end(), single), end; each != end; ++each)
        modifiers[(*each)[1]] = (vendors.at((*each)[2]) << 56U) | std::stoull((*each)[3]);
    EXPECT_GT(modifiers.size(), 10U) << path << " has hardly any modifiers";
    return modifiers;
}

std::string drm_fourcc_h() { return path_of("COMMONBUF_DRM_FOURCC_H", SYSTEM_DRM_FOURCC_H); }
std::string videodev2_h() { return path_of("COMMONBUF_VIDEODEV2_H", SYSTEM_VIDEODEV2_H); }
std::string vulkan_core_h() { return path_of("COMMONBUF_VULKAN_CORE_H", SYSTEM_VULKAN_CORE_H); }

std::string read_file(const std::string& path)
{
    std::ifstream file(path);
    EXPECT_TRUE(file) << path << " cannot be read";
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

} // namespace kernel_header
