// SPDX-License-Identifier: MIT
//
// allocinfo doctor: what is wrong on this machine, and what to do about it.
#include "../doctor/document.hpp"
#include "command.hpp"

#include <algorithm>

namespace allocinfo {
namespace {

void add_options(Options& /*options*/) {}

Exit run(const Words& words)
{
    const auto findings = doctor::diagnose(doctor::gather());
    print(doctor::document(findings), words.json);
    const bool wrong = std::any_of(findings.begin(), findings.end(), [](const doctor::Finding& each) {
        return each.severity >= doctor::Severity::warning;
    });
    return wrong ? no_heap : done;
}

} // namespace

const Command doctor_command{"doctor", "find what is wrong on this machine, and say what to do about it", add_options,
                             run};

} // namespace allocinfo
