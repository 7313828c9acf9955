// SPDX-License-Identifier: MIT
#pragma once

namespace commonbuf {

/// A place in a caller's source, for the reports of the access checker. As a default
/// argument `Place where = Place::here()` it is where the function is called.
/// (std::source_location, which clang 14 does not have.) A value; the strings are literals.
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
