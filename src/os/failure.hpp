// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <string>

namespace commonbuf::os {

/// The category that an errno value has when nothing more is known. ENODEV counts as
/// a device that was lost; where a file is being opened, use open_failure().
Category category_of(int error) noexcept;

/// The error of a system call that failed with `error` (a positive errno value).
Error failure(int error, std::string operation, std::string detail = {}, std::string advice = {});

/// The error of an open(2) that failed: for EACCES it says who would be let in.
Error open_failure(int error, const std::string& path);

} // namespace commonbuf::os
