// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <string>
#include <string_view>

/// Ordinary files that the library writes.
namespace commonbuf::os {

/// An empty file for writing, made or emptied. Errors: see category_of().
Result<UniqueFd> create_file(const std::string& path);

/// Writes all of `bytes`. `operation` names the file in errors, which are those of write(2).
Status write_all(int fd, std::string_view bytes, const std::string& operation);

} // namespace commonbuf::os
