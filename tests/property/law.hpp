// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace law {

/// How many random cases: 100,000, or COMMONBUF_CASES for slow builds.
inline int cases()
{
    const char* wanted = std::getenv("COMMONBUF_CASES");
    return wanted != nullptr ? std::atoi(wanted) : 100000;
}

/// Tries a law on random cases and prints the result.
template <typename Law>
void holds(const char* name, Law law, int wanted = cases())
{
    rc::detail::TestMetadata metadata;
    metadata.id = name;
    metadata.description = name;
    rc::detail::TestParams parameters = rc::detail::configuration().testParams;
    parameters.maxSuccess = wanted;
    const auto result = rc::detail::checkTestable(std::move(law), metadata, parameters);
    std::ostringstream report;
    rc::detail::printResultMessage(result, report);
    std::printf("%s: %s\n", name, report.str().c_str());
    rc::detail::SuccessResult success;
    EXPECT_TRUE(result.match(success)) << report.str();
    EXPECT_EQ(success.numSuccess, wanted);
}

} // namespace law
