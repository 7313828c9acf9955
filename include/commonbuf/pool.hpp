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
/// A handle: copies share the buffers. A buffer lives until the last copy of the pool and the last
/// handle of the buffer are gone. Thread-safe. A handle that was moved from has no buffers, and its
/// functions fail with invalid_state.
class COMMONBUF_API Pool {
public:
    /// Allocates `count` buffers.
    ///
    /// Errors: invalid_argument (`count` is 0); those of Plan::allocate().
    static Result<Pool> create(const Plan& plan, std::uint32_t count);

    /// Waits for a buffer that nobody uses any more: it was released, and its fence has signalled.
    ///
    /// A buffer whose fence failed is given out too, and its failure is forgotten: write the buffer
    /// anew.
    ///
    /// Errors: timed_out (says how many buffers are in use and how many wait for their fences).
    Result<Buffer> acquire(Deadline deadline, Place where = Place::here());

    /// Gives a buffer back. It is reused when `until` has signalled.
    ///
    /// Errors: invalid_argument (the buffer is not from this pool), invalid_state (it was released
    /// already).
    Status release(const Buffer& buffer, const Fence& until = {}, Place where = Place::here());

    /// Returns whether the handle refers to a pool: it does unless it was moved from.
    explicit operator bool() const noexcept { return state_ != nullptr; }

    std::size_t size() const noexcept;

    /// Returns how many buffers are in the pool, whether their fences have signalled or not.
    std::size_t free() const noexcept;

private:
    struct State;
    explicit Pool(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
};

} // namespace commonbuf
