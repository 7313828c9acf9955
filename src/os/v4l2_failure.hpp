// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/error.hpp>

namespace commonbuf::os {

/// Makes the error of a V4L2 call, with the category, the words and the advice that its errno has
/// there. A caller that does not stream itself knows no more than this either.
Error v4l2_failure(int error, Call call);

} // namespace commonbuf::os
