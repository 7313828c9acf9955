// SPDX-License-Identifier: MIT
// Precompiled for the test programs: what nearly all of them include.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>
