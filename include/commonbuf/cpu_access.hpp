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
/// Comes from Buffer::read() and its siblings; call end() and look at its result.
/// The destructor ends the access too, but cannot report a failure. Use it from
/// one thread at a time; several accesses to one buffer may be open at once, and
/// the library sees to it that the kernel gets balanced brackets.
class COMMONBUF_API CpuAccess {
public:
    CpuAccess(CpuAccess&&) noexcept;
    CpuAccess& operator=(CpuAccess&&) noexcept;
    CpuAccess(const CpuAccess&) = delete;
    CpuAccess& operator=(const CpuAccess&) = delete;
    ~CpuAccess();

    /// The bytes of a plane, from its first to the end of its last row; empty for a
    /// plane that does not exist and after end(). Not to be touched after end(). Rows are layout().planes[i].stride
    /// apart. Writing through the span of a read access is undefined.
    std::span<std::byte> plane(std::size_t index, Place where = Place::here()) const noexcept;

    /// All bytes of a memory, with the padding and whatever lies around the planes; empty for a
    /// memory that does not exist and after end(). The same rules as for plane().
    std::span<std::byte> memory(std::size_t index) const noexcept;

    /// Ends the access. Errors: device_lost, kernel_failure; invalid_argument when it
    /// was ended before.
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
