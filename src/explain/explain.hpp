// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/report.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace commonbuf::explain {

/// Why no heap serves, in one line: every heap with what decided.
std::string summary(const Report& report);

/// Where a conversion would do, of so many uses.
std::string describe(const NearestConversion& nearest, std::size_t uses);

/// What the CPU costs did to the choice, with the times behind it.
std::string describe(const CpuCostEffect& effect, const std::vector<HeapVerdict>& heaps);

} // namespace commonbuf::explain
