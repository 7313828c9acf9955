// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/checker.hpp>

#include <cstdlib>
#include <string_view>

/// Sets the access checker as the environment has it.
inline void restore_check()
{
    const char* mode = std::getenv("COMMONBUF_CHECK");
    const std::string_view word = mode != nullptr ? mode : "off";
    commonbuf::set_checker_mode(word == "abort" ? commonbuf::CheckerMode::abort
                                : word == "log" ? commonbuf::CheckerMode::log
                                                : commonbuf::CheckerMode::off);
}
