// SPDX-License-Identifier: MIT
#pragma once

#include "facts.hpp"
#include "../model.hpp"

#include <vector>

namespace allocinfo::doctor {

/// The findings as data.
Json document(const std::vector<Finding>& findings);

} // namespace allocinfo::doctor
