// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/unique_fd.hpp>

#include <string>
#include <vector>

struct gbm_bo;

namespace commonbuf::gbm {

/// A buffer object with its memories exported. GBM's numbers, not checked.
struct Image {
    Layout layout;
    std::vector<UniqueFd> memories;
};

/// Errors: unsupported (an unknown format; not exported), exhausted.
Result<Image> describe(gbm_bo* object, const std::string& operation);

} // namespace commonbuf::gbm
