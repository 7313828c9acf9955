// SPDX-License-Identifier: MIT
#pragma once

#include "../model.hpp"

#include <string>

namespace allocinfo {

/// One self-contained page for a document of `plan`: no script, nothing from elsewhere.
/// Well-formed as XML too.
std::string html_page(const Json& given);

} // namespace allocinfo
