// SPDX-License-Identifier: MIT
#pragma once

#include "../model.hpp"

#include <string>

namespace allocinfo {

/// Makes one page from a document of `plan`. It is self-contained: no script, nothing to load. It is
/// well-formed as XML too.
std::string html_page(const Json& given);

} // namespace allocinfo
