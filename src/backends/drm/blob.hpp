// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/file.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// Blobs: the values of properties that are not numbers.
namespace commonbuf::drm {

/// Reads a blob; empty for 0 and for blobs that are gone.
std::vector<std::byte> read_blob(const File& file, std::uint64_t id);

/// Makes a blob with this content, which stays until it is destroyed or the file is closed.
Result<std::uint32_t> create_blob(const File& file, std::span<const std::byte> content);
void destroy_blob(const File& file, std::uint32_t id) noexcept;

} // namespace commonbuf::drm
