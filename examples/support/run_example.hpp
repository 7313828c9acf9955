// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <exception>
#include <initializer_list>
#include <string>
#include <vector>

/// The positional arguments of an example, each given or its default.
using Words = std::vector<std::string>;

/// What an example does: one line on what came of it, or why nothing did.
using Example = commonbuf::Result<std::string> (*)(const Words& words);

/// main() of a small example: prints that line, or the error with the plan's report where there
/// is one. Returns the exit status: 0, 1 for an error, 2 for words that it does not know.
int run_example(int count, char** words, std::initializer_list<const char*> defaults, Example example) noexcept;

/// Prints an error of the program `path`, with the plan's report where there is one.
void print_error(const std::string& path, const commonbuf::Error& error);
void print_error(const char* path, const std::exception& error) noexcept;
