// SPDX-License-Identifier: MIT
#include "os/reach.hpp"

#include "os/os.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <string_view>

namespace commonbuf::os {
namespace {

std::optional<std::uint64_t> leading_number(std::string_view text)
{
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end != text.data() ? std::optional(value) : std::nullopt;
}

} // namespace

// The zones of /proc/zoneinfo begin at start_pfn and span so many pages. A device's memory has a zone without
// start_pfn.
std::optional<std::uint32_t> bits_of_memory()
{
    const auto zones = read_text("/proc/zoneinfo");
    if (!zones)
        return std::nullopt;
    std::string_view rest = *zones;
    std::uint64_t spanned = 0;
    std::uint64_t end = 0;
    while (!rest.empty()) {
        std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
        constexpr std::string_view spans = "spanned";
        constexpr std::string_view starts = "start_pfn:";
        if (line.starts_with(spans))
            spanned = leading_number(line.substr(spans.size())).value_or(0);
        else if (line.starts_with(starts) && spanned != 0)
            end = std::max(end, leading_number(line.substr(starts.size())).value_or(0) + spanned);
    }
    if (end == 0)
        return std::nullopt;
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return std::bit_width(end * page - 1);
}

std::optional<std::uint32_t> reach_of(const std::string& device)
{
    constexpr std::uint32_t all = 64;
    const auto text = read_text(device + "/dma_mask_bits");
    const auto bits = text ? leading_number(*text) : std::nullopt;
    if (!bits || *bits == 0 || *bits >= all)
        return std::nullopt;
    // "identity" is an IOMMU that does nothing.
    if (read_text(device + "/iommu_group/type").value_or("").starts_with("DMA"))
        return std::nullopt;
    if (const auto memory = bits_of_memory(); memory && *memory <= *bits)
        return std::nullopt;
    return static_cast<std::uint32_t>(*bits);
}

} // namespace commonbuf::os
