// SPDX-License-Identifier: MIT
#pragma once

#include "interrupt.hpp"
#include "run_example.hpp"

#include <commonbuf/commonbuf.hpp>

#include <CLI/CLI.hpp>

#include <exception>

/// main() of an example with options: prints the error where there is one, as run_example() does.
/// `Options` has add_to(CLI::App&). Returns the exit status: 0 where the example finds its result
/// good, otherwise 1, and CLI11's for words that it does not know.
template <typename Options>
int run_app(int count, char** words, const char* description,
            commonbuf::Result<bool> (*example)(const Options& options)) noexcept
{
    try {
        interrupt_fd(); // from here on Ctrl-C ends the loop, not the program
        Options options;
        CLI::App app(description);
        options.add_to(app);
        CLI11_PARSE(app, count, words);
        const auto good = example(options);
        if (!good)
            print_error(words[0], good.error());
        return good && *good ? 0 : 1;
    } catch (const std::exception& error) {
        print_error(words[0], error);
        return 1;
    }
}
