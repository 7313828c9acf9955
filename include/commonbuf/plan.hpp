// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/report.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace commonbuf {

struct PlanState; // the library's own

/// The chosen layout, the heaps in order, and every verdict behind that order.
///
/// A value: copies plan the same. Thread-safe as long as it is not assigned to.
class COMMONBUF_API Plan {
public:
    const Layout& layout() const noexcept;

    /// The first heap, with its verdicts.
    const HeapVerdict& chosen() const noexcept;

    /// Everything that planning learned, as data.
    const Report& report() const noexcept;

    /// Explain the plan to people: a few lines.
    std::string explain() const;

    /// Allocate a buffer from the chosen heap. If that is full, it comes from the next heap with
    /// as good a verdict, and Buffer::fallback() and the log say so; never from a worse one, and
    /// never from another one without Preferences::fall_back. Verified and proved count as equals here.
    ///
    /// Errors: out_of_memory (the heaps that may serve are full; all are named), and those of
    /// Heap::allocate().
    Result<Buffer> allocate() const;

    /// Allocate `count` buffers, or none if one of them fails. Request::count does not limit them.
    /// For buffers that come back when their fences have signalled, see Pool.
    ///
    /// Errors: those of allocate().
    Result<std::vector<Buffer>> allocate(std::uint32_t count) const;

    /// Tell whether every use of this plan can use an existing buffer, of this or another plan.
    /// Errors: incompatible, with the reason.
    Status serves(const Buffer& buffer) const;

    /// For the library's own.
    explicit Plan(std::shared_ptr<const PlanState> state) noexcept;
    const PlanState& state() const noexcept { return *state_; }

private:
    std::shared_ptr<const PlanState> state_;
};

} // namespace commonbuf
