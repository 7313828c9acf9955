// SPDX-License-Identifier: MIT
#pragma once

#include "exit.hpp"
#include "model.hpp"
#include "verify.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What each command does, once its words are read. Every one prints its document and
/// returns the exit status.
namespace allocinfo {

struct PlanOptions {
    std::vector<std::string> uses;
    std::vector<std::string> usage; ///< what the image is for, instead of uses or beside them
    std::vector<std::string> heaps; ///< of devices, beside those of the machine
    std::vector<std::string> prefer;
    std::vector<std::string> forbid;
    std::string format; ///< one, or several from best to worst with commas between
    std::string size;
    std::uint32_t count = 1;
    std::string html;      ///< where the page goes; "-" is standard output, empty for no page
    std::string remember;  ///< the file of verdicts; empty for none
    std::string cpu_costs; ///< a file of bench-access; empty for none
    bool measure_cpu = false;
};

struct BenchAccessOptions {
    std::uint64_t bytes = 8U << 20U;
    std::vector<std::string> heaps; ///< all that can be used where none is named
    std::vector<std::string> added; ///< heaps of devices, beside those of the machine
    std::string save;               ///< where the document goes too; empty for nowhere
};

struct ConstraintsOptions {
    std::string use;
    std::string format; ///< empty for every format that the device has
    std::string size = "1280x720";
};

struct TimelineOptions {
    std::string file;
    std::string output;         ///< where the picture goes; "-" is standard output, empty for none
    std::optional<double> from; ///< milliseconds
    std::optional<double> to;
};

Exit list_heaps(const std::vector<std::string>& added, bool json);
Exit list_devices(const std::string& size, bool json);
Exit run_plan(const PlanOptions& options, bool json);
Exit run_constraints(const ConstraintsOptions& options, bool json);
Exit run_doctor(bool json);
Exit run_verify(const VerifyWords& words, bool json);
Exit run_bench_access(const BenchAccessOptions& options, bool json);
Exit run_timeline(const TimelineOptions& options, bool json);

// For the commands themselves.

/// A document on standard output, as data or for people.
void print(const Json& document, bool json);

/// One line on standard error.
void complain(const commonbuf::Error& error);

/// The exit status that suits an error.
Exit status_of(const commonbuf::Error& error);

} // namespace allocinfo
