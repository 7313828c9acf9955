// SPDX-License-Identifier: MIT
#include "negotiate/rank.hpp"

#include <algorithm>
#include <tuple>

namespace commonbuf {

std::string_view to_string(Outcome outcome) noexcept
{
    switch (outcome) {
    case Outcome::proved: return "proved";
    case Outcome::accepted: return "accepted";
    case Outcome::not_tried: return "not-tried";
    case Outcome::refused: return "refused";
    }
    return "unknown";
}

std::string_view to_string(HeapKind kind) noexcept
{
    switch (kind) {
    case HeapKind::dma_heap: return "dma-heap";
    case HeapKind::udmabuf: return "udmabuf";
    case HeapKind::drm_dumb: return "drm-dumb";
    }
    return "unknown";
}

Verdict refused(const Error& error, std::string stage)
{
    Verdict verdict;
    verdict.outcome = Outcome::refused;
    verdict.stage = std::move(stage);
    verdict.sys_errno = error.sys_errno;
    verdict.reason = error.message();
    return verdict;
}

} // namespace commonbuf

namespace commonbuf::negotiate {

Verdict overall(const std::vector<UseVerdict>& uses)
{
    const auto worst = std::max_element(
        uses.begin(), uses.end(), [](const auto& a, const auto& b) { return a.verdict.outcome < b.verdict.outcome; });
    return worst != uses.end() ? worst->verdict : Verdict{};
}

bool better(const HeapVerdict& a, const HeapVerdict& b)
{
    const auto key = [](const HeapVerdict& entry) {
        return std::tie(entry.verdict.outcome, entry.heap.scarce, entry.heap.kind, entry.heap.name);
    };
    return key(a) < key(b);
}

} // namespace commonbuf::negotiate
