// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <string>
#include <string_view>

/// Ordinary files that the library writes.
namespace commonbuf::os {

/// Opens an empty file for writing: creates it, or truncates it. Errors: invalid_argument (it is
/// not a regular file, or a link), permission_denied (also if it is another user's), not_present, out_of_memory
/// (no space left), too_many_files.
Result<UniqueFd> create_file(const std::string& path);

/// Fails if there is something at `path` that must not be written. Errors: invalid_argument and
/// permission_denied, as create_file().
Status check_file(const std::string& path);

/// Replaces a file as a whole or not at all; a new one only its owner may read. Errors: those of
/// create_file().
Status replace_file(const std::string& path, const std::string& content);

/// Writes all of `bytes`. `path` names the file in errors, which are those of write(2).
Status write_all(int fd, std::string_view bytes, const std::string& path);

} // namespace commonbuf::os
