// SPDX-License-Identifier: MIT
#pragma once

#include "words.hpp"

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace allocinfo {

/// The options of one command. Those that several commands have are written down once.
/// Only options.cpp and main.cpp know the parser behind it.
class Options {
public:
    Options(CLI::App& app, Words& words) : app_(app), words_(words) {}

    enum Need : bool { may, must };

    void uses(Need need);
    void use();
    void usage();
    void formats();
    void format(Need need, const char* purpose);
    void size(Need need, const char* purpose);
    void count();
    void added_heaps();

    /// An option that only one command has.
    void flag(const char* name, bool& value, const char* purpose);
    void word(const char* names, std::string& value, const char* type, const char* purpose, Need need = may);
    void list(const char* name, std::vector<std::string>& value, const char* type, const char* purpose);
    void number(const char* name, std::uint32_t& value, const char* purpose);
    void bytes(const char* name, std::uint64_t& value, const char* purpose);
    void milliseconds(const char* name, std::optional<double>& value, const char* purpose);

    /// Lets only one of two options be given.
    void only_one(const char* name, const char* other);

    /// Puts how uses and heaps of devices are written below the command's help.
    void explain_words();

    Words& words() { return words_; }

private:
    CLI::App& app_;
    Words& words_;
};

/// How uses and heaps of devices are written, and what the exit status says.
extern const char* const words_help;

} // namespace allocinfo
