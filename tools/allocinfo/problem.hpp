// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace allocinfo {

/// The exit status of the program; the man page lists it.
enum Exit : int {
    done = 0,
    usage = 1,   ///< the command line makes no sense
    no_heap = 2, ///< no heap serves every use; something stands in the way; verify found a difference
    trouble = 3, ///< a device cannot be used, or a file cannot be read or written
};

/// An error, and the exit status that it leads to.
struct Problem : commonbuf::Error {
    /// A failure of the library: its category decides. `invalid_argument` is wrong usage,
    /// `incompatible` and `out_of_memory` mean that no heap serves, the rest is trouble.
    // Implicit, so that a failure of the library can be passed on.
    Problem(commonbuf::Error error);

    /// A failure whose place says more than its category.
    Problem(commonbuf::Error error, Exit exit) : commonbuf::Error(std::move(error)), status(exit) {}

    Exit status = trouble;
};

/// Whether the command line is wrong, not the machine.
inline bool is_usage_error(const Problem& problem) { return problem.status == usage; }

/// A mistake in the command line.
Problem wrong(std::string detail, std::string advice);

/// This build of allocinfo lacks a backend.
Problem left_out(std::string_view backend);

/// A value, or the Problem that says why there is none.
template <typename T>
class [[nodiscard]] Expected : public tl::expected<T, Problem> {
public:
    using Base = tl::expected<T, Problem>;
    using Base::Base;

    Expected() = default;
    // Implicit, as for commonbuf::Result.
    Expected(Problem problem) : Base(tl::unexpect, std::move(problem)) {}
    Expected(commonbuf::Error error) : Expected(Problem(std::move(error))) {}
    Expected(commonbuf::Result<T> result) requires(!std::is_void_v<T>)
        : Base(result ? Base(std::move(*result)) : Base(tl::unexpect, Problem(std::move(result.error()))))
    {}
};

} // namespace allocinfo
