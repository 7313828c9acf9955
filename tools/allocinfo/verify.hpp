// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include "model.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace allocinfo {

struct VerifyWords {
    std::vector<std::string> uses;
    std::vector<std::string> heaps; ///< of devices, beside those of the machine
    std::string format;
    std::string size;
    std::uint32_t count = 1;
    std::uint32_t frames = 30;
};

/// What became of a plan and of its verification.
struct Verified {  // NOLINT(bugprone-exception-escape): Json's move is not marked noexcept in all versions
    Json document; ///< that of the plan, with the member `verification`
    std::optional<commonbuf::Error> error; ///< why there was none
    bool wrong = false;                    ///< a use failed or gave other content
};
Verified verify(const VerifyWords& words);

/// For people: the choice, and one line for each use.
std::string render_verification(const Json& document);

} // namespace allocinfo
