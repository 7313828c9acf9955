// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/use.hpp>
#include <commonbuf/verdict.hpp>

#include <string>
#include <vector>

namespace commonbuf::negotiate {

struct UseSupport {
    std::string use;
    Support support;
};

/// One layout that every use might accept, and what all of them ask for.
struct Candidate {
    Layout layout;
    Constraints constraints;
};

/// Whether a request makes sense for any device. Errors: invalid_argument with the
/// numbers, unsupported (a format the library does not know).
Status check_request(const Request& request);

/// The layouts to try, best first: the fewest memories, then the least padding. Pure.
///
/// Errors: incompatible, naming the uses that share no way of lying in memory or no
/// stride.
Result<std::vector<Candidate>> candidates(const Request& request, const std::vector<UseSupport>& uses);

} // namespace commonbuf::negotiate
