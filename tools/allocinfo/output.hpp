// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace allocinfo {

/// Writes a file that the command line names, as a whole or not at all: readers see the old file or the new one. A
/// link stays one if it is this user's or root's: what it leads to is written. Into a pipe and a character device
/// (/dev/stdout, /dev/null) the content is written; a pipe without a reader is waited for a second.
///
/// Errors: what the system answers, with the path; permission_denied (another user's file or link);
/// invalid_argument (a disk, a folder, a socket).
commonbuf::Status write_file(const std::string& path, std::string_view content);

/// Says which of these paths are one file, if two are: one would destroy the other. Empty paths and "-" do not count.
std::optional<std::string> named_twice(std::initializer_list<std::string> paths);

} // namespace allocinfo
