// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <vector>

struct gbm_bo;

namespace commonbuf::gbm {

/// The layout of a buffer object, in GBM's numbers, which are not checked, and its memories.
struct Image {
    Layout layout;
    std::vector<UniqueFd> memories;
};

/// Asks GBM how an object lies in memory, and exports its memories. Errors name `tried`:
/// unsupported (an unknown format, or an object that is not exported), too_many_files.
Result<Image> describe(gbm_bo* object, const Tried& tried);

} // namespace commonbuf::gbm
