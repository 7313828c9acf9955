// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <string>

namespace commonbuf::os {

/// The error of an open(2) that failed: for EACCES it says who would be let in.
Error open_failure(int error, const std::string& path);

} // namespace commonbuf::os
