// SPDX-License-Identifier: MIT
#include "backends/vulkan/usage.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>

namespace commonbuf::vulkan {
namespace {

using Word = std::pair<VkImageUsageFlags, std::string_view>;

constexpr auto words = std::to_array<Word>({
    {VK_IMAGE_USAGE_SAMPLED_BIT, "sampled"},
    {VK_IMAGE_USAGE_STORAGE_BIT, "storage"},
    {VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT, "color-attachment"},
    {VK_IMAGE_USAGE_INPUT_ATTACHMENT_BIT, "input-attachment"},
    {VK_IMAGE_USAGE_TRANSFER_SRC_BIT, "transfer-source"},
    {VK_IMAGE_USAGE_TRANSFER_DST_BIT, "transfer-destination"},
});

} // namespace

std::string usage_words(VkImageUsageFlags flags)
{
    std::vector<std::string> parts;
    for (const auto& [bit, word] : words) {
        if ((flags & bit) != 0)
            parts.emplace_back(word);
        flags &= ~bit;
    }
    if (flags != 0 || parts.empty())
        parts.push_back(text::format("{:#x}", flags));
    return text::join(parts, "+");
}

std::optional<ImageUsage> parse_image_usage(std::string_view text)
{
    ImageUsage usage;
    for (std::size_t begin = 0; begin <= text.size();) {
        const auto end = std::min(text.find('+', begin), text.size());
        const auto part = text.substr(begin, end - begin);
        const auto* const known = std::ranges::find(words, part, &Word::second);
        if (known == words.end())
            return std::nullopt;
        usage.flags |= known->first;
        begin = end + 1;
    }
    return usage;
}

} // namespace commonbuf::vulkan
