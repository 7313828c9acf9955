// SPDX-License-Identifier: MIT
#pragma once

#include "../model.hpp"
#include "../options.hpp"
#include "../problem.hpp"

#include <span>
#include <string>

/// The commands of allocinfo: one file and one row of a table each.
namespace allocinfo {

struct Command {
    const char* name;
    const char* summary; ///< one line for --help
    void (*add_options)(Options& options);
    Exit (*run)(const Words& words); ///< prints its document
};

/// Every command, in the order of --help.
std::span<const Command> commands();

// One for each file of this folder.
extern const Command heaps_command;
extern const Command devices_command;
extern const Command plan_command;
extern const Command verify_command;
extern const Command constraints_command;
extern const Command doctor_command;
extern const Command bench_access_command;
extern const Command timeline_command;

// What the commands share.

/// Prints a document, as data or for people.
void print(const Json& document, bool json);

/// Prints one line to standard error.
void complain(const commonbuf::Error& error);

/// Prints why a command has no answer: one line, and with `json` a document too.
Exit give_up(const char* command, const Problem& problem, bool json);

/// A document as a file holds it. Bytes that are no UTF-8 are replaced.
std::string dump(const Json& document);

} // namespace allocinfo
