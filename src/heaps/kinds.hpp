// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/verdict.hpp>

#include <cstdint>
#include <string_view>

/// What the library knows of each kind of heap. Nothing else asks for a kind by name.
namespace commonbuf::heaps {

struct KindInfo {
    HeapKind kind;
    std::string_view word; ///< in JSON and in `--prefer`
    std::uint8_t rank;     ///< of heaps that are otherwise equal, the lower one comes first

    /// A scarce heap of this kind answers ENOMEM when it is full, so it can be asked. The others
    /// may give ordinary memory, and when that runs out the kernel kills a program instead.
    bool reports_exhaustion;

    /// A driver that needs contiguous memory asks CMA first and the page allocator then, which
    /// warns in the kernel's log if a piece is larger than it ever has.
    bool falls_back_to_page_allocator;
};

/// The row of a kind in the table.
const KindInfo& info_of(HeapKind kind) noexcept;

} // namespace commonbuf::heaps
