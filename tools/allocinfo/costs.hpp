// SPDX-License-Identifier: MIT
#pragma once

#include "model.hpp"

#include <commonbuf/cpu_cost.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// What CPU access costs in each heap: measured, written as data, and read back.
namespace allocinfo {

/// A heap with what was measured, or why it was not.
struct MeasuredHeap {
    commonbuf::HeapInfo heap;
    commonbuf::Result<commonbuf::CpuCost> cost;
};

/// Measures one heap after the other, and shows on a terminal which one. Each has 20 s.
std::vector<MeasuredHeap> measure_heaps(const std::vector<std::shared_ptr<commonbuf::Heap>>& heaps,
                                        std::uint64_t bytes);

/// Whether a word names a heap or its kind.
bool names_heap(std::string_view word, const commonbuf::HeapInfo& heap);

Json costs_document(const std::vector<MeasuredHeap>& heaps, std::uint64_t bytes);

/// Reads the costs in such a document, without the heaps that could not be measured. `path` is
/// for the errors. Errors: invalid_argument, with the place in the document.
commonbuf::Result<std::vector<commonbuf::CpuCost>> parse_costs(std::string_view text, const std::string& path);

/// The same for a file. Errors: those of read_file() too.
commonbuf::Result<std::vector<commonbuf::CpuCost>> read_costs(const std::string& path);

} // namespace allocinfo
