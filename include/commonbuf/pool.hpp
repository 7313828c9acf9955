// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/place.hpp>
#include <commonbuf/plan.hpp>
#include <commonbuf/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace commonbuf {

/// Buffers of one plan, reused when their fences have signalled.
///
/// A handle: copies share the buffers, which live as long as the last copy and whoever holds
/// one. Thread-safe.
class COMMONBUF_API Pool {
public:
    /// Allocates `count` buffers. Errors: invalid_argument (none), exhausted, and what
    /// Plan::allocate() gives.
    static Result<Pool> create(const Plan& plan, std::uint32_t count);

    /// A buffer that nobody uses any more. Waits until one is released and its fence has
    /// signalled. A buffer whose fence failed is given out too, with its failure forgotten:
    /// it is to be written anew.
    ///
    /// Errors: timed_out (with how many are out and how many wait for their fence).
    Result<Buffer> acquire(Deadline deadline, Place where = Place::here());

    /// Gives a buffer back, to be reused when `until` has signalled.
    ///
    /// Errors: invalid_argument (not of this pool, or released already).
    Status release(const Buffer& buffer, const Fence& until = {}, Place where = Place::here());

    std::size_t size() const noexcept;

    /// How many are in the pool, whether their fences have signalled or not.
    std::size_t free() const noexcept;

private:
    struct State;
    explicit Pool(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
};

} // namespace commonbuf
