// SPDX-License-Identifier: MIT
#pragma once

namespace allocinfo::timeline {

/// The picture's style sheet.
extern const char* const style;

} // namespace allocinfo::timeline
