// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstdint>
#include <string>
#include <string_view>

/// What the heap and PageOrders have in common.
namespace commonbuf::heaps::udmabuf {

inline const std::string path = "/dev/udmabuf";

/// The kernel counts in pages of its own size, a power of two from 4 KiB to 64 KiB. Multiples
/// of the largest suit every kernel.
inline constexpr std::uint64_t page = 65536;

/// Makes a memory file that cannot shrink, as udmabuf demands.
Result<UniqueFd> sealed_memory(std::uint64_t bytes);

/// Rounds a size up to whole pages. Errors: invalid_argument (0 bytes; too many).
Result<std::uint64_t> whole_pages(std::uint64_t bytes);

/// The error of a creating ioctl that failed.
Error creation_failure(int error, std::string_view call, std::uint64_t bytes);

} // namespace commonbuf::heaps::udmabuf
