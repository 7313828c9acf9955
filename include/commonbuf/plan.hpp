// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/heap.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/verdict.hpp>

#include <memory>
#include <string>
#include <vector>

namespace commonbuf {

/// The chosen layout, the heaps in order, and every verdict behind that order.
///
/// A value: copies plan the same. Thread-safe as long as it is not assigned to.
class COMMONBUF_API Plan {
public:
    const Layout& layout() const noexcept { return *report_->layout; }

    /// The heap that serves first, with its verdicts.
    const HeapVerdict& chosen() const noexcept { return report_->heaps.front(); }

    /// Everything that was learned, as data.
    const Report& report() const noexcept { return *report_; }

    /// The same for people: a few lines.
    std::string explain() const { return report_->explain(); }

    /// A buffer from the chosen heap; where that runs dry, from the next heap whose
    /// verdict is as good, and Buffer::fallback() says so. Never from a worse one.
    ///
    /// Errors: exhausted (every such heap is full; all are named), and what
    /// Heap::allocate() gives.
    Result<Buffer> allocate() const;

    /// For the allocator: `heaps` are the heaps that may serve, in order.
    Plan(std::shared_ptr<const Report> report, std::vector<std::shared_ptr<Heap>> heaps) noexcept
        : report_(std::move(report)),
          heaps_(std::move(heaps))
    {}

private:
    std::shared_ptr<const Report> report_;
    std::vector<std::shared_ptr<Heap>> heaps_;
};

} // namespace commonbuf
