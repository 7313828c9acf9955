// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <optional>
#include <string>
#include <string_view>

/// What the words of the command line have in common.
namespace allocinfo {

/// The three parts of "kind:target:role". The target may hold colons, as PCI addresses do.
struct Parts {
    std::string_view kind;
    std::string_view target;
    std::string_view role;
};

std::optional<Parts> split(std::string_view word);

/// An error about the words themselves: is_usage_error().
commonbuf::Error wrong(std::string detail, std::string advice);

/// That this build cannot do it.
commonbuf::Error left_out(std::string_view backend);

/// Whether an error is about the words of the command line, not about the machine.
bool is_usage_error(const commonbuf::Error& error);

} // namespace allocinfo
