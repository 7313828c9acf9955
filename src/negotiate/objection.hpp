// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/constraints.hpp>
#include <commonbuf/heap_info.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/verdict.hpp>

#include <optional>
#include <string>

namespace commonbuf::negotiate {

/// What speaks against a layout or a memory, judged only by the constraints. Pure.
struct Objection {
    Constraint constraint = Constraint::stride_align;
    std::string reason;  ///< with the numbers, and who asked
    bool certain = true; ///< otherwise it is not known whether the memory is like that
};

/// Why a layout does not satisfy the constraints; always certain.
std::optional<Objection> objection(const Layout& layout, const Constraints& constraints);

/// Why memory of this kind does not satisfy the constraints, the certain ones first.
std::optional<Objection> objection(const MemoryProperties& memory, const Constraints& constraints);

/// The verdict that an objection stands for: refused, or at most accepted.
Verdict to_verdict(const Objection& objection);

} // namespace commonbuf::negotiate
