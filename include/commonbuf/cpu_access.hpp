// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/place.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace commonbuf {

class BufferState; // the library's own

/// One access to a buffer by the CPU, from START to END of DMA_BUF_IOCTL_SYNC.
///
/// Buffer::read() and its siblings make it. Call end() and look at its result: the destructor ends
/// the access too, but cannot report a failure. Use it from one thread at a time. Several accesses
/// to one buffer may be open at once; the library balances the kernel's brackets.
class COMMONBUF_API CpuAccess {
public:
    CpuAccess(CpuAccess&&) noexcept;
    /// Ends the access that this object had, as the destructor does, and takes over the other one.
    CpuAccess& operator=(CpuAccess&&) noexcept;
    CpuAccess(const CpuAccess&) = delete;
    CpuAccess& operator=(const CpuAccess&) = delete;
    ~CpuAccess();

    /// Returns the bytes of a plane, from its first row to the end of its last one.
    ///
    /// Rows are layout().planes[i].stride apart. Empty for a plane that does not exist, and after
    /// end(). Do not touch the bytes after end(), and do not write them in an access from read().
    std::span<std::byte> plane(std::size_t index, Place where = Place::here()) const noexcept;

    /// Returns all bytes of a memory, with the padding and whatever lies around the planes.
    ///
    /// Empty for a memory that does not exist, and after end(). The rules of plane() hold.
    std::span<std::byte> memory(std::size_t index) const noexcept;

    /// Ends the access.
    ///
    /// Errors: invalid_state (it has ended already); what DMA_BUF_IOCTL_SYNC answers, for example
    /// device_failed or kernel_failure.
    Status end();

    /// For the library's own use.
    CpuAccess(std::shared_ptr<BufferState> state, Access access, Place where) noexcept;

private:
    std::shared_ptr<BufferState> state_;
    Access access_;
    Place where_;
    std::uint64_t number_ = 0; ///< for the access checker
};

} // namespace commonbuf
