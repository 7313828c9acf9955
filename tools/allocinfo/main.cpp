// SPDX-License-Identifier: MIT
//
// allocinfo: which memory suits which devices on this machine, and why.
#include "commands/command.hpp"
#include "text.hpp"

#include <commonbuf/commonbuf.hpp>

#include <CLI/CLI.hpp>

#include <cstddef>
#include <exception>
#include <iostream>
#include <new>
#include <span>
#include <string_view>

namespace {

using namespace allocinfo;

int run(int count, char** arguments)
{
    CLI::App app("Find which memory suits which devices on this machine, and why.", "allocinfo");
    app.set_version_flag("--version", "allocinfo " COMMONBUF_VERSION);
    app.require_subcommand(1);
    app.footer(words_help);
    Words words;
    for (const Command& command : commands()) {
        CLI::App* app_of_command = app.add_subcommand(command.name, command.summary);
        app_of_command->add_flag("--json", words.json, "print data instead of text");
        Options options(*app_of_command, words);
        command.add_options(options);
    }
    try {
        app.parse(count, arguments);
    } catch (const CLI::Success& success) {
        return app.exit(success); // --help and --version
    } catch (const CLI::ParseError& error) {
        std::cerr << "allocinfo: " << commonbuf::text::printable(error.what()) << "; see allocinfo --help\n";
        return usage;
    }
    for (const Command& command : commands()) {
        if (app.got_subcommand(command.name))
            return command.run(words);
    }
    return usage;
}

} // namespace

int main(int count, char** arguments)
{
    try {
        // --name= would take the next word of the command line for its value.
        for (const char* argument : std::span(arguments, static_cast<std::size_t>(count))) {
            const std::string_view word = argument;
            if (word.starts_with("--") && word.find('=') == word.size() - 1) {
                std::cerr << "allocinfo: " << commonbuf::text::printable(word)
                          << ": it has no value; see allocinfo --help\n";
                return usage;
            }
        }
        const int status = run(count, arguments);
        std::cout.flush();
        if (!std::cout) {
            std::cerr << "allocinfo: the output cannot be written\n";
            return trouble;
        }
        return status;
    } catch (const std::bad_alloc&) {
        std::cerr << "allocinfo: there is not enough memory for this; raise the limit (ulimit -v), or close other "
                     "programs\n";
        return trouble;
    } catch (const std::exception& error) {
        std::cerr << "allocinfo: " << commonbuf::text::printable(error.what()) << '\n';
        return trouble;
    }
}
