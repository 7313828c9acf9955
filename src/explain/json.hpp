// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/cpu_cost.hpp>
#include <commonbuf/format.hpp>

#include <array>
#include <chrono>
#include <string>
#include <utility>

/// What writing and reading JSON share.
namespace commonbuf::explain {

/// Name a format so that it can be read back: "NV12", or its code if it has no such name:
/// "0x34325258", "v4l2:0x00000001".
std::string spell(Format format);

/// Write a modifier's number: "0x0".
std::string spell(Modifier modifier);

/// The times of a CpuCost by their members, which carry the units.
inline constexpr std::array cost_times{
    std::pair{"read_ns_per_mib", &CpuCost::read},
    std::pair{"write_ns_per_mib", &CpuCost::write},
    std::pair{"read_bracket_ns", &CpuCost::read_bracket},
    std::pair{"write_bracket_ns", &CpuCost::write_bracket},
};

} // namespace commonbuf::explain
