// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <cstddef>
#include <string>

namespace allocinfo {

/// All that is in a file.
///
/// Errors: what the system answers, with the path; invalid_argument without errno for a file
/// of more than `most` bytes.
commonbuf::Result<std::string> read_file(const std::string& path, std::size_t most);

} // namespace allocinfo
