// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <cstddef>
#include <string>

namespace allocinfo {

/// Reads a whole file.
///
/// Errors: what the system answers, with the path; invalid_argument for a file of more than
/// `most` bytes.
commonbuf::Result<std::string> read_file(const std::string& path, std::size_t most);

} // namespace allocinfo
