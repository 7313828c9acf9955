// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <string>
#include <string_view>

namespace allocinfo {

/// Writes a file as a whole or not at all: readers see the old file or the new one. If `path` is
/// not a regular file (a pipe, /dev/stdout), the content is written into it.
///
/// Errors: what the system answers, with the path.
commonbuf::Status write_file(const std::string& path, std::string_view content);

} // namespace allocinfo
