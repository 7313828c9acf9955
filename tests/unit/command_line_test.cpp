// SPDX-License-Identifier: MIT
//
// Command lines as the parser takes them, and what commands do with files that are not theirs to write.
#include "commands/command.hpp"
#include "options.hpp"
#include "output.hpp"
#include "text.hpp"
#include "timeline/document.hpp"
#include "timeline/trace.hpp"

#include "fake/machine.hpp"

#include <CLI/CLI.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace allocinfo {
namespace {

/// What one command makes of its words; the message of the parser if it refuses them.
struct Parsed {
    Words words;
    std::string refusal;
};

Parsed parse(const Command& command, std::vector<std::string> arguments)
{
    Parsed parsed;
    CLI::App app("test");
    CLI::App* const own = app.add_subcommand(command.name, command.summary);
    own->add_flag("--json", parsed.words.json, "data");
    Options options(*own, parsed.words);
    command.add_options(options);
    arguments.insert(arguments.begin(), command.name);
    std::reverse(arguments.begin(), arguments.end()); // as CLI11 takes them
    try {
        app.parse(arguments);
    } catch (const CLI::ParseError& error) {
        parsed.refusal = error.what();
    }
    return parsed;
}

std::vector<std::string> plan_with(std::vector<std::string> more)
{
    std::vector<std::string> words{"--use", "cpu:read", "--format", "XR24", "--size", "64x64"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

TEST(CommandLine, ListsAreSplitAtCommas)
{
    const Parsed parsed = parse(plan_command, plan_with({"--prefer", "a,b", "--prefer", "c", "--json"}));
    EXPECT_EQ(parsed.refusal, "");
    EXPECT_EQ(parsed.words.prefer, (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_TRUE(parsed.words.json);
}

TEST(CommandLine, AnEmptyWordSwallowsNothing)
{
    for (const char* option : {"--prefer", "--forbid", "--usage"}) {
        for (const char* value : {",", "a,", ",a", "a,,b"}) {
            const Parsed parsed = parse(plan_command, plan_with({option, value, "--json"}));
            EXPECT_NE(parsed.refusal.find("empty"), std::string::npos) << option << " " << value << parsed.refusal;
        }
    }
}

TEST(CommandLine, AnOptionIsNoValueOfTheOneBefore)
{
    for (const char* option :
         {"--prefer", "--forbid", "--usage", "--remember", "--html", "--cpu-costs", "--add-heap", "--use"}) {
        const Parsed parsed = parse(plan_command, plan_with({option, "--json"}));
        EXPECT_NE(parsed.refusal.find("'--json' is an option"), std::string::npos) << option << ": " << parsed.refusal;
    }
}

TEST(CommandLine, EmptyValuesAreRefused)
{
    for (const char* option :
         {"--prefer", "--forbid", "--usage", "--remember", "--html", "--cpu-costs", "--add-heap", "--use"}) {
        const Parsed parsed = parse(plan_command, plan_with({option, ""}));
        EXPECT_NE(parsed.refusal.find("no value"), std::string::npos) << option << ": " << parsed.refusal;
    }
    EXPECT_NE(parse(timeline_command, {""}).refusal, "");
    EXPECT_NE(parse(timeline_command, {"t.json", "-o", ""}).refusal, "");
    EXPECT_NE(parse(bench_access_command, {"--save", ""}).refusal, "");
    EXPECT_EQ(parse(plan_command, plan_with({"--html", "-"})).refusal, "") << "standard output";
    EXPECT_EQ(parse(timeline_command, {"t.json", "--from", "-5"}).refusal, "") << "a number";
}

TEST(Printable, NothingThatATerminalActsOnIsLeft)
{
    using commonbuf::text::printable;
    EXPECT_EQ(printable("plain – ünïcode €"), "plain – ünïcode €");
    EXPECT_EQ(printable("a\x1b[31mb\n\r\t\x7f"), "a.[31mb....");
    EXPECT_EQ(printable("\xc2\x9b"
                        "31m \xc2\xa0"),
              ".31m \xc2\xa0")
        << "control characters of 8 bits";
    EXPECT_EQ(printable("\x9b"
                        "31m \xff\xc0\xaf"),
              ".31m ...")
        << "not UTF-8";
    EXPECT_EQ(printable("\xf0\x9f\x8e\xa5\xed\xa0\x80"), "\xf0\x9f\x8e\xa5...") << "no surrogates";
}

/// What a command prints.
class Output {
public:
    Output() : out_(std::cout.rdbuf(text_.rdbuf())), err_(std::cerr.rdbuf(errors_.rdbuf())) {}
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;
    ~Output()
    {
        std::cout.rdbuf(out_);
        std::cerr.rdbuf(err_);
    }
    std::string text() const { return text_.str(); }
    std::string errors() const { return errors_.str(); }

private:
    std::ostringstream text_;
    std::ostringstream errors_;
    std::streambuf* out_;
    std::streambuf* err_;
};

class Commands : public testing::Test {
protected:
    fake::Machine machine;
    std::string folder = testing::TempDir() + "commonbuf-commands-XXXXXX";

    void SetUp() override
    {
        ASSERT_NE(::mkdtemp(folder.data()), nullptr);
        machine.add_heap("system");
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    static Words words()
    {
        Words all;
        all.uses = {"cpu:read"};
        all.format = "XR24";
        all.size = "64x64";
        return all;
    }
    std::string made(const std::string& name, const std::string& content = "x") const
    {
        const std::string path = folder + "/" + name;
        std::ofstream(path) << content;
        return path;
    }
};

TEST_F(Commands, OnlyOneDocumentGoesToStandardOutput)
{
    const Output output;
    Words both = words();
    both.json = true;
    both.html = "-";
    EXPECT_EQ(plan_command.run(both), usage);
    EXPECT_NE(output.text().find("both write to standard output"), std::string::npos);
    EXPECT_EQ(output.text().find("<html"), std::string::npos);
    Words picture;
    picture.json = true;
    picture.file = made("t.json");
    picture.output = "-";
    EXPECT_EQ(timeline_command.run(picture), usage);
}

TEST_F(Commands, AFileIsNotBothReadAndWritten)
{
    const Output output;
    const std::string trace = made("t.json", R"([{"ph":"X","pid":1,"tid":1,"ts":1,"dur":1}])");
    std::filesystem::create_symlink("t.json", folder + "/link");
    for (const std::string& name : {trace, folder + "/link", folder + "/./t.json"}) {
        Words picture;
        picture.file = trace;
        picture.output = name;
        EXPECT_EQ(timeline_command.run(picture), usage) << name;
    }
    std::ifstream file(trace);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    EXPECT_TRUE(content.starts_with("[{")) << "the trace is still there";
    Words page = words();
    page.html = page.remember = made("page");
    EXPECT_EQ(plan_command.run(page), usage);
    page.cpu_costs = std::exchange(page.remember, "");
    EXPECT_EQ(plan_command.run(page), usage);
}

TEST_F(Commands, WhatWordsHoldDoesNotReachATerminal)
{
    const Output output;
    Words evil = words();
    evil.uses = {"v4l2:/dev/\x1b[2J\x9b:capture"};
    EXPECT_NE(plan_command.run(evil), done);
    EXPECT_FALSE(output.errors().empty());
    EXPECT_EQ(output.errors().find('\x1b'), std::string::npos);
    EXPECT_EQ(output.errors().find('\x9b'), std::string::npos);
    EXPECT_EQ(output.text().find('\x1b'), std::string::npos);
}

TEST_F(Commands, VerifyLeavesABusyCameraAlone)
{
    machine.add_camera("video0", {.owned_elsewhere = true, .formats = {V4L2_PIX_FMT_XBGR32}});
    Words with_cpu = words();
    with_cpu.json = true;
    with_cpu.uses = {"v4l2:/dev/video0:capture", "cpu:read"};
    {
        const Output output;
        EXPECT_NE(verify_command.run(with_cpu), trouble) << output.errors();
        const Json uses = Json::parse(output.text())["verification"]["uses"];
        ASSERT_EQ(uses.size(), 2U) << output.text();
        EXPECT_EQ(uses[1]["use"], "v4l2:/dev/video0:capture");
        EXPECT_EQ(uses[1]["result"], "not-checked");
        EXPECT_NE(uses[1]["reason"].get<std::string>().find("left alone"), std::string::npos);
    }
    Words only = with_cpu;
    only.uses = {"v4l2:/dev/video0:capture"};
    {
        const Output output;
        EXPECT_EQ(verify_command.run(only), done) << output.errors();
        const Json verification = Json::parse(output.text())["verification"];
        EXPECT_TRUE(verification["heap"].is_null());
        EXPECT_EQ(verification["uses"][0]["result"], "not-checked");
    }
    only.json = false;
    const Output output;
    EXPECT_EQ(verify_command.run(only), done);
    EXPECT_NE(output.text().find("not checked: it is left alone"), std::string::npos) << output.text();
}

TEST_F(Commands, FilesAreWrittenWhereTheyBelong)
{
    const std::string pipe = folder + "/pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    const auto unread = write_file(pipe, "x");
    ASSERT_FALSE(unread) << "nobody reads it, and nobody has to wait for that";
    EXPECT_NE(unread.error().message().find("nobody reads"), std::string::npos) << unread.error().message();
    EXPECT_TRUE(std::filesystem::is_fifo(pipe));
    std::filesystem::create_symlink("nowhere", folder + "/dangling");
    EXPECT_FALSE(write_file(folder + "/dangling", "x"));
    EXPECT_FALSE(std::filesystem::exists(folder + "/nowhere"));
    if (::geteuid() != 0)
        return;
    // Somebody else's link or file, as they lie in /tmp.
    const std::string victim = made("victim", "precious");
    std::filesystem::create_symlink("victim", folder + "/trap");
    ASSERT_EQ(::lchown((folder + "/trap").c_str(), 65534, 65534), 0);
    EXPECT_EQ(write_file(folder + "/trap", "x").error().category, commonbuf::Category::permission_denied);
    ASSERT_EQ(::chown(victim.c_str(), 65534, 65534), 0);
    std::filesystem::create_hard_link(victim, folder + "/second-name");
    EXPECT_EQ(write_file(folder + "/second-name", "x").error().category, commonbuf::Category::permission_denied);
    std::ifstream file(victim);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "precious");
}

TEST(Timeline, ReadingAForgedTraceIsBounded)
{
    // As many devices as there can be, which was as many looks at each slice.
    std::string text = "[";
    for (int i = 0; i < 100000; ++i)
        text += commonbuf::text::format(R"({{"ph":"X","pid":{},"tid":1,"ts":{},"dur":1}},)", i % 4096, i);
    text.back() = ']';
    const auto trace = timeline::parse(text, "forged");
    ASSERT_TRUE(trace) << trace.error().message();
    EXPECT_EQ(trace->devices.size(), 4096U);
    const std::clock_t begin = std::clock();
    EXPECT_EQ(timeline::document(*trace, {0, trace->length}, "forged")["devices"].size(), 4096U);
    EXPECT_LT(std::clock() - begin, 10 * CLOCKS_PER_SEC);

    std::string many = "[0";
    for (int i = 0; i < 2000000; ++i)
        many += ",0";
    const auto refused = timeline::parse(many + "]", "many");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("more than 2000000 events"), std::string::npos)
        << refused.error().message();
    std::size_t told = 0;
    ASSERT_TRUE(timeline::parse(text, "forged", [&](std::size_t) { ++told; }));
    EXPECT_EQ(told, 100000U / 1024);
}

} // namespace
} // namespace allocinfo
