// SPDX-License-Identifier: MIT
#pragma once

namespace commonbuf {

/// A place in the caller's source, for the reports of the access checker.
///
/// As a default argument, `Place where = Place::here()` is the place of the call. (clang 14 has no
/// std::source_location.) A value; the strings are literals.
struct Place {
    const char* file = "";
    const char* function = "";
    unsigned line = 0;

    static constexpr Place here(const char* file = __builtin_FILE(), const char* function = __builtin_FUNCTION(),
                                unsigned line = __builtin_LINE()) noexcept
    {
        return {file, function, line};
    }
};

} // namespace commonbuf
