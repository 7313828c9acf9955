// SPDX-License-Identifier: MIT
#include "example.hpp"

#include "devices.hpp"
#include "screen.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

namespace example {

Outcome run(const std::string& command)
{
    Outcome outcome;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
    if (pipe == nullptr)
        return outcome;
    std::array<char, 4096> chunk{};
    while (const std::size_t got = std::fread(chunk.data(), 1, chunk.size(), pipe))
        outcome.text.append(chunk.data(), got);
    const int status = ::pclose(pipe);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return outcome;
}

Screenshot screenshot(const std::string& environment)
{
    std::string file = testing::TempDir() + "commonbuf-screenshot-XXXXXX";
    const int descriptor = ::mkstemp(file.data());
    EXPECT_GE(descriptor, 0);
    ::close(descriptor);
    Screenshot result;
    result.outcome = run(environment + " screenshot @vkms " + file);
    result.picture = devices::read_text(file);
    ::unlink(file.c_str());
    return result;
}

std::string missing(const std::string& program)
{
    return run("command -v " + program).status == 0 ? "" : program + " is not in PATH";
}

std::string no_display()
{
    const auto card = devices::cb::drm::Device::open("@vkms");
    if (!card)
        return card.error().message();
    std::string why_not;
    return Screen::open(*card, why_not) ? "" : why_not;
}

bool lost_writeback(const Outcome& outcome)
{
    // Whoever waits for it, and who waits to commit the next one.
    const auto says = [&](const char* words) { return outcome.text.find(words) != std::string::npos; };
    return std::getenv("COMMONBUF_PATCHED_KERNEL") == nullptr && outcome.status == 1 &&
           (says("did not signal before the deadline") || says("its writeback has not ended"));
}

void expect_good(const std::string& program, const Outcome& outcome)
{
    EXPECT_EQ(outcome.status, 0) << outcome.text;
    EXPECT_NE(outcome.text.find(program + ": "), std::string::npos) << "it says what came of it: " << outcome.text;
    for (const char* complaint : {"VUID", "SYNC-HAZARD", "Validation Error"}) {
        EXPECT_EQ(outcome.text.find(complaint), std::string::npos) << outcome.text;
    }
}

void expect_help(const std::string& program)
{
    const Outcome help = run(program + " --help");
    EXPECT_EQ(help.status, 2);
    EXPECT_NE(help.text.find("usage: " + program), std::string::npos) << help.text;
    const Outcome none = run(program + " /dev/null");
    EXPECT_EQ(none.status, 1) << "a device that is none: " << none.text;
    EXPECT_NE(none.text.find("/dev/null"), std::string::npos) << none.text;
}

} // namespace example
