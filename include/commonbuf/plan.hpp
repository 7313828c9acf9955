// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/report.hpp>

#include <memory>
#include <string>

namespace commonbuf {

struct PlanState; // the library's own

/// The chosen layout, the heaps in order, and every verdict behind that order.
///
/// A value: copies plan the same. Thread-safe as long as it is not assigned to.
class COMMONBUF_API Plan {
public:
    const Layout& layout() const noexcept;

    /// The heap that serves first, with its verdicts.
    const HeapVerdict& chosen() const noexcept;

    /// Everything that was learned, as data.
    const Report& report() const noexcept;

    /// The same for people: a few lines.
    std::string explain() const;

    /// A buffer from the chosen heap; where that runs dry, from the next heap whose
    /// verdict is as good, and Buffer::fallback() and the log say so. Never from a worse
    /// one, and with Preferences::fall_back off never from another one.
    ///
    /// Errors: exhausted (the heaps that may serve are full; all are named), and what
    /// Heap::allocate() gives.
    Result<Buffer> allocate() const;

    /// Whether every use of this plan can use a buffer that is there already, from this or
    /// another plan. Errors: incompatible, with what speaks against it.
    Status serves(const Buffer& buffer) const;

    /// For the library's own.
    explicit Plan(std::shared_ptr<const PlanState> state) noexcept;
    const PlanState& state() const noexcept { return *state_; }

private:
    std::shared_ptr<const PlanState> state_;
};

} // namespace commonbuf
