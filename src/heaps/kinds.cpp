// SPDX-License-Identifier: MIT
#include "heaps/kinds.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace commonbuf::heaps {
namespace {

// clang-format off
constexpr std::array table{
    //       kind                 word      rank  reports_exhaustion  falls_back_to_page_allocator
    KindInfo{HeapKind::dma_heap, "dma-heap", 0,   true,               false},
    KindInfo{HeapKind::udmabuf,  "udmabuf",  1,   false,              false},
    KindInfo{HeapKind::drm_dumb, "drm-dumb", 2,   false,              false},
    KindInfo{HeapKind::gbm,      "gbm",      3,   false,              false},
    KindInfo{HeapKind::v4l2,     "v4l2",     4,   false,              true},
    KindInfo{HeapKind::vulkan,   "vulkan",   5,   false,              false},
    KindInfo{HeapKind::custom,   "custom",   6,   true,               false},
};
// clang-format on

constexpr bool in_order()
{
    for (std::size_t i = 0; i < table.size(); ++i) {
        if (table[i].kind != static_cast<HeapKind>(i))
            return false;
    }
    return table.back().kind == HeapKind::custom;
}
static_assert(in_order(), "the table is read by number: a row for each kind, in the order of the enumeration");

} // namespace

const KindInfo& info_of(HeapKind kind) noexcept
{
    return table[std::min(static_cast<std::size_t>(kind), table.size() - 1)];
}

} // namespace commonbuf::heaps

namespace commonbuf {

std::string_view to_string(HeapKind kind) noexcept { return heaps::info_of(kind).word; }

} // namespace commonbuf
