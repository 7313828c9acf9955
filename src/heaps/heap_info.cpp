// SPDX-License-Identifier: MIT
#include "heaps/heap_info.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace commonbuf {
namespace {

struct Kind {
    HeapKind kind;
    std::string_view name;
    heaps::HeapTraits traits;
};

//                                                  rank, reports exhaustion, takes from CMA
constexpr std::array kinds{
    Kind{HeapKind::dma_heap, "dma-heap", {0, true, false}},  Kind{HeapKind::udmabuf, "udmabuf", {1, false, false}},
    Kind{HeapKind::drm_dumb, "drm-dumb", {2, false, false}}, Kind{HeapKind::gbm, "gbm", {3, false, false}},
    Kind{HeapKind::v4l2, "v4l2", {4, false, true}},          Kind{HeapKind::vulkan, "vulkan", {5, false, false}},
    Kind{HeapKind::custom, "custom", {6, true, false}},
};

const Kind& find(HeapKind kind)
{
    static constexpr Kind unknown{{}, "unknown", {}};
    const auto* const found = std::ranges::find(kinds, kind, &Kind::kind);
    return found != kinds.end() ? *found : unknown;
}

} // namespace

std::string_view to_string(HeapKind kind) noexcept { return find(kind).name; }
heaps::HeapTraits heaps::heap_traits(HeapKind kind) noexcept { return find(kind).traits; }

} // namespace commonbuf
