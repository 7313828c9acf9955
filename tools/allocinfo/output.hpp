// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <string>
#include <string_view>

namespace allocinfo {

/// Makes `content` the file at `path`, whole or not at all: readers see the old file or
/// the new one. Where `path` is no regular file (a pipe, /dev/stdout), it is written to
/// as it is.
///
/// Errors: what the system answers, with the path.
commonbuf::Status write_file(const std::string& path, std::string_view content);

} // namespace allocinfo
