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
/// A value: copies plan the same, and a plan that was moved from stays as it is. Thread-safe as long as
/// it is not assigned to.
class COMMONBUF_API Plan {
public:
    // Without moves, which would leave a plan that is none.
    Plan(const Plan&) noexcept = default;
    Plan& operator=(const Plan&) noexcept = default;

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
    /// Ordinary memory is not asked for more than is available for all that are still to come: the
    /// kernel would end some program before it says no. So a count that cannot be is refused at once.
    ///
    /// Errors: those of allocate(); out_of_memory with both sizes; too_many_files (the process may not
    /// open as many descriptors).
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
