// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace allocinfo {

/// The command line, as far as a command has the option. The defaults stand here.
struct Words {
    bool json = false;
    std::vector<std::string> uses;
    std::vector<std::string> usage;       ///< what the image is for, in place of uses or beside them
    std::vector<std::string> added_heaps; ///< heaps of devices, beside those of the machine
    std::string format;                   ///< for plan also several with commas, the best first
    std::string size = "1280x720";
    std::uint32_t count = 1;

    std::vector<std::string> prefer;
    std::vector<std::string> forbid;
    std::string remember;  ///< a file of verdicts; empty for none
    std::string cpu_costs; ///< a file of bench-access; empty for none
    bool measure_cpu = false;
    std::string html; ///< the file of the page; "-" is standard output, empty for no page

    std::uint32_t frames = 30;
    std::uint32_t seconds = 60; ///< for each use

    std::uint64_t bytes = 8U << 20U;
    std::vector<std::string> only; ///< the heaps to measure; all if empty
    std::string save;              ///< a second place for the document; empty for none

    std::string file;
    std::string output;         ///< the file of the picture; "-" is standard output, empty for none
    std::optional<double> from; ///< milliseconds
    std::optional<double> to;
};

/// The three parts of "kind:target:role". The target may hold colons, as PCI addresses do.
struct Parts {
    std::string_view kind;
    std::string_view target;
    std::string_view role;
};

std::optional<Parts> split(std::string_view word);

} // namespace allocinfo
