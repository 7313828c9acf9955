// SPDX-License-Identifier: MIT
//
// allocinfo doctor: what is wrong on this machine, and what to do about it.
#include "commands.hpp"
#include "doctor/document.hpp"

#include <algorithm>

namespace allocinfo {

Exit run_doctor(bool json)
{
    const auto findings = doctor::judge(doctor::gather());
    print(doctor::document(findings), json);
    const bool wrong = std::any_of(findings.begin(), findings.end(), [](const doctor::Finding& each) {
        return each.severity >= doctor::Severity::warning;
    });
    return wrong ? no_heap : done;
}

} // namespace allocinfo
