// SPDX-License-Identifier: MIT
#include "run_example.hpp"

#include <cstddef>
#include <exception>
#include <iostream>

namespace {

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

int run(int count, char** words, std::initializer_list<const char*> defaults, Example example)
{
    const std::string name = name_of(words[0]);
    const Words given(words + 1, words + count);
    if (given.size() > defaults.size() || (!given.empty() && given[0].starts_with("-"))) {
        std::cerr << "usage: " << name;
        for (const char* each : defaults)
            std::cerr << " [" << each << ']';
        std::cerr << '\n';
        return 2;
    }
    Words all(defaults.begin(), defaults.end());
    for (std::size_t i = 0; i < given.size(); ++i)
        all[i] = given[i];

    const auto outcome = example(all);
    if (!outcome) {
        print_error(name, outcome.error());
        return 1;
    }
    std::cout << name << ": " << *outcome << '\n';
    return 0;
}

} // namespace

void print_error(const std::string& path, const commonbuf::Error& error)
{
    if (error.report != nullptr)
        std::cerr << error.report->explain();
    std::cerr << name_of(path) << ": " << error.message() << '\n';
}

void print_error(const char* path, const std::exception& error) noexcept
{
    std::cerr << path << ": " << error.what() << '\n';
}

int run_example(int count, char** words, std::initializer_list<const char*> defaults, Example example) noexcept
{
    try {
        return run(count, words, defaults, example);
    } catch (const std::exception& error) {
        print_error(words[0], error);
        return 1;
    }
}
