// SPDX-License-Identifier: MIT
#include "run_example.hpp"

#include <cstddef>
#include <exception>
#include <iostream>

namespace {

int run(int count, char** words, std::initializer_list<const char*> defaults, Example example)
{
    const std::string path = words[0];
    const std::string name = path.substr(path.rfind('/') + 1);
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
        if (outcome.error().report != nullptr)
            std::cerr << outcome.error().report->explain();
        std::cerr << name << ": " << outcome.error().message() << '\n';
        return 1;
    }
    std::cout << name << ": " << *outcome << '\n';
    return 0;
}

} // namespace

int run_example(int count, char** words, std::initializer_list<const char*> defaults, Example example) noexcept
{
    try {
        return run(count, words, defaults, example);
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
