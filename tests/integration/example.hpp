// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

/// The small programs of examples/, as a user would start them.
namespace example {

struct Outcome {
    int status = -1;  ///< the exit status, 127 where it is not in PATH
    std::string text; ///< both of its outputs
};

/// Runs a command with the shell's quoting.
Outcome run(const std::string& command);

/// What the example of this name says of the display vkms, and the file that it saves.
struct Screenshot {
    Outcome outcome;
    std::string picture;
};
Screenshot screenshot(const std::string& environment);

/// Why a program is not here; empty where it is.
std::string missing(const std::string& program);

/// Why the lab's display cannot be shown anything on; empty where it can.
std::string no_display();

/// Whether a program failed for a writeback that vkms is known to lose
/// (tests/lab/patches/vkms-writeback.patch).
bool lost_writeback(const Outcome& outcome);

/// That a program found its own result right, said so, and nobody complained.
void expect_good(const std::string& program, const Outcome& outcome);

/// That it says how to start it, and what is wrong with a device that is none.
void expect_help(const std::string& program);

} // namespace example

#define NEED_EXAMPLE(program)                                                                                          \
    if (const std::string why_not = example::missing(program); !why_not.empty())                                       \
    GTEST_SKIP() << why_not

/// The display that examples show on by default.
#define NEED_EXAMPLES_DISPLAY()                                                                                        \
    if (const std::string why_not = example::no_display(); !why_not.empty())                                           \
    GTEST_SKIP() << why_not

/// Leaves a test where the kernel has lost a writeback.
#define SKIP_LOST_WRITEBACK(outcome)                                                                                   \
    if (example::lost_writeback(outcome)) {                                                                            \
        kernel_keeps_memory();                                                                                         \
        GTEST_SKIP() << "the kernel lost a writeback";                                                                 \
    }
