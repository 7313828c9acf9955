// SPDX-License-Identifier: MIT
#include <commonbuf/report.hpp>

namespace commonbuf {

std::string_view to_string(RankKey key) noexcept
{
    switch (key) {
    case RankKey::outcome: return "outcome";
    case RankKey::preference: return "preference";
    case RankKey::cpu_time: return "cpu-time";
    case RankKey::scarcity: return "scarcity";
    case RankKey::kind: return "kind";
    case RankKey::name: return "name";
    }
    return "unknown";
}

std::string_view to_string(CpuCostEffect::Kind kind) noexcept
{
    switch (kind) {
    case CpuCostEffect::Kind::no_cpu_use: return "no-cpu-use";
    case CpuCostEffect::Kind::not_measured: return "not-measured";
    case CpuCostEffect::Kind::unchanged: return "unchanged";
    case CpuCostEffect::Kind::changed: return "changed";
    }
    return "unknown";
}

} // namespace commonbuf
