// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <string>

namespace commonbuf::os {

/// Makes the error of a failed open(2). For EACCES it says which users may open the file.
Error open_failure(int error, const std::string& path);

} // namespace commonbuf::os
