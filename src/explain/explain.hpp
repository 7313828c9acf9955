// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/report.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace commonbuf::explain {

/// Say in one line why no heap serves: every heap with what decided.
std::string summary(const Report& report);

/// Describe a verdict, and whose it is: "refused by USE at CALL with EFAULT: the reason".
std::string describe(const Verdict& verdict, std::string_view use = {});

/// Say where a conversion would do, of so many uses.
std::string describe(const NearestConversion& nearest, std::size_t uses);

/// Say what the CPU costs did to the choice, with the times behind it. `heaps` is not empty.
std::string describe(const CpuCostEffect& effect, const std::vector<HeapVerdict>& heaps);

/// Write a time for people: "0.31 ms".
std::string in_words(std::chrono::nanoseconds time);

} // namespace commonbuf::explain
