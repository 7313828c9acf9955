// SPDX-License-Identifier: MIT
#include "doctor/document.hpp"
#include "doctor/facts.hpp"
#include "render.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

namespace allocinfo::doctor {
namespace {

using commonbuf::Category;
using commonbuf::Error;
using commonbuf::HeapInfo;
using commonbuf::HeapKind;

HeapInfo heap(const std::string& name, HeapKind kind, const std::string& path)
{
    HeapInfo info;
    info.name = name;
    info.kind = kind;
    info.path = path;
    return info;
}

Error obstacle(Category category, int number)
{
    return Error::of(category, "open it", "the detail").with_errno(number);
}

/// A machine on which nothing is wrong.
Facts healthy()
{
    Facts facts;
    facts.kernel = "6.12.9-amd64";
    facts.user = "ann";
    facts.heaps = {heap("system", HeapKind::dma_heap, "/dev/dma_heap/system"),
                   heap("udmabuf", HeapKind::udmabuf, "/dev/udmabuf")};
    facts.devices = {{Device::Kind::v4l2, "/dev/video0", "cam", true, {}},
                     {Device::Kind::drm, "/dev/dri/card0", "card", true, {}}};
    facts.sync_files = true;
    facts.size_limit_mb = 256;
    facts.list_limit = 1024;
    facts.cma_total = 64U << 20U;
    facts.cma_free = 60U << 20U;
    facts.regions = {{"reserved", 64U << 20U, 60U << 20U, 0}};
    facts.open_files = 1024;
    facts.buffer_list = true;
    return facts;
}

/// The finding on a topic that is not fine, or else the fine one; a default one for none.
Finding finding(const Facts& facts, const std::string& topic)
{
    const auto all = diagnose(facts);
    const auto found = std::find_if(all.begin(), all.end(), [&](const Finding& each) { return each.topic == topic; });
    return found != all.end() ? *found : Finding{};
}

bool orders(const Finding& finding, const std::string& command)
{
    return std::find(finding.commands.begin(), finding.commands.end(), command) != finding.commands.end();
}

TEST(Doctor, FindsNothingWrongWhereNothingIs)
{
    for (const Finding& each : diagnose(healthy())) {
        EXPECT_EQ(each.severity, Severity::ok) << each.topic << ": " << each.found;
        EXPECT_TRUE(each.advice.empty()) << each.topic;
        EXPECT_FALSE(each.looked_at.empty() || each.found.empty()) << each.topic;
    }
}

TEST(Doctor, WhateverIsWrongComesWithAdvice)
{
    Facts facts;
    facts.kernel = "5.4.0";
    facts.user = "ann";
    facts.sync_files = false;
    facts.cma_total = 100;
    facts.cma_free = 1;
    const auto all = diagnose(facts);
    EXPECT_EQ(all.front().severity, Severity::problem);
    for (const Finding& each : all)
        EXPECT_TRUE(each.severity < Severity::warning || !each.advice.empty()) << each.topic;
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end(),
                               [](const Finding& a, const Finding& b) { return a.severity > b.severity; }));
}

TEST(Doctor, OldKernelsHaveNoDmaHeaps)
{
    Facts facts = healthy();
    facts.kernel = "5.4.0-150-generic";
    EXPECT_EQ(finding(facts, "kernel").severity, Severity::warning);
    facts.kernel = "5.6";
    EXPECT_EQ(finding(facts, "kernel").severity, Severity::ok);
    facts.kernel = "10.0";
    EXPECT_EQ(finding(facts, "kernel").severity, Severity::ok);
}

TEST(Doctor, NoUsableHeapIsAProblem)
{
    Facts facts = healthy();
    for (HeapInfo& each : facts.heaps)
        each.obstacle = obstacle(Category::permission_denied, EACCES);
    EXPECT_EQ(finding(facts, "heaps").severity, Severity::problem);
    facts.heaps.clear();
    EXPECT_EQ(finding(facts, "heaps").severity, Severity::problem);
    EXPECT_EQ(finding(facts, "dma-heaps").severity, Severity::warning);
    EXPECT_EQ(finding(facts, "udmabuf").severity, Severity::warning);
}

TEST(Doctor, AKernelWithRegionsAloneIsNoted)
{
    Facts facts = healthy();
    facts.heaps[0].name = "reserved";
    EXPECT_EQ(finding(facts, "dma-heaps").severity, Severity::note);
    EXPECT_NE(finding(facts, "dma-heaps").advice.find("CONFIG_DMABUF_HEAPS_SYSTEM"), std::string::npos);
}

TEST(Doctor, UdmabufThatIsNotThereIsAModuleToLoad)
{
    Facts facts = healthy();
    facts.heaps[1].obstacle = obstacle(Category::not_present, ENOENT);
    EXPECT_EQ(finding(facts, "udmabuf").severity, Severity::warning);
    EXPECT_TRUE(orders(finding(facts, "udmabuf"), "modprobe udmabuf"));
    facts.heaps[1].obstacle = obstacle(Category::kernel_failure, EIO);
    EXPECT_NE(finding(facts, "udmabuf").found.find("EIO"), std::string::npos);
}

TEST(Doctor, UdmabufsLimits)
{
    Facts facts = healthy();
    facts.size_limit_mb = 64;
    EXPECT_EQ(finding(facts, "udmabuf-size").severity, Severity::note);
    EXPECT_NE(finding(facts, "udmabuf-size").found.find("8K"), std::string::npos);
    facts.size_limit_mb = 16;
    EXPECT_EQ(finding(facts, "udmabuf-size").severity, Severity::warning);
    EXPECT_TRUE(orders(finding(facts, "udmabuf-size"), "echo 256 > /sys/module/udmabuf/parameters/size_limit_mb"));
    facts.size_limit_mb = UINT64_MAX;
    EXPECT_EQ(finding(facts, "udmabuf-size").severity, Severity::ok);
    EXPECT_EQ(finding(facts, "udmabuf-list").topic, "");
    facts.list_limit = 255;
    EXPECT_EQ(finding(facts, "udmabuf-list").severity, Severity::warning);
}

TEST(Doctor, AGroupThatIsLetInIsJoined)
{
    Facts facts = healthy();
    facts.closed = {{"/dev/video0", "video", true, "its mode lets group video in"},
                    {"/dev/video1", "video", true, "the same"}};
    const Finding found = finding(facts, "permissions-video");
    EXPECT_EQ(found.severity, Severity::warning);
    EXPECT_EQ(found.looked_at, "/dev/video0, /dev/video1");
    EXPECT_EQ(found.found, "its mode lets group video in");
    EXPECT_EQ(found.commands, std::vector<std::string>{"usermod -aG video ann"});
}

TEST(Doctor, ANodeOfRootAloneGetsARule)
{
    struct Case {
        const char* path;
        const char* topic;
        const char* rule;
        const char* group;
    };
    for (
        const Case& each : {
            Case{"/dev/dma_heap/system", "permissions-dma-heaps",
                 R"(echo 'SUBSYSTEM=="dma_heap", GROUP="video", MODE="0660"' >> /etc/udev/rules.d/70-commonbuf.rules)",
                 "video"},
            Case{
                "/dev/udmabuf", "permissions-udmabuf",
                R"(echo 'SUBSYSTEM=="misc", KERNEL=="udmabuf", GROUP="kvm", MODE="0660"' >> /etc/udev/rules.d/70-commonbuf.rules)",
                "kvm"},
            Case{
                "/dev/dri/card1", "permissions-displays",
                R"(echo 'SUBSYSTEM=="drm", KERNEL=="card*", GROUP="video", MODE="0660"' >> /etc/udev/rules.d/70-commonbuf.rules)",
                "video"},
            Case{
                "/dev/dri/renderD128", "permissions-render",
                R"(echo 'SUBSYSTEM=="drm", KERNEL=="renderD*", GROUP="render", MODE="0660"' >> /etc/udev/rules.d/70-commonbuf.rules)",
                "render"},
        }) {
        Facts facts = healthy();
        facts.closed = {{each.path, "root", false, "lets root alone in"}};
        const Finding found = finding(facts, each.topic);
        EXPECT_EQ(found.severity, Severity::warning) << each.path;
        EXPECT_TRUE(orders(found, each.rule)) << (found.commands.empty() ? "no commands" : found.commands[0]);
        EXPECT_TRUE(orders(found, std::string("usermod -aG ") + each.group + " ann"));
        // A node that group root may open is closed to users all the same.
        facts.closed[0].group_may_open = true;
        EXPECT_TRUE(orders(finding(facts, each.topic), each.rule)) << each.path;
    }
}

TEST(Doctor, TwoNamesOfOneRegion)
{
    Facts facts = healthy();
    facts.heaps.push_back(heap("reserved", HeapKind::dma_heap, "/dev/dma_heap/reserved"));
    facts.heaps.back().same_as = "default_cma_region";
    EXPECT_EQ(finding(facts, "duplicate-heap").severity, Severity::note);
    EXPECT_NE(finding(facts, "duplicate-heap").advice.find("default_cma_region"), std::string::npos);
}

TEST(Doctor, ContiguousMemory)
{
    Facts facts = healthy();
    facts.cma_total = 0;
    EXPECT_EQ(finding(facts, "cma").severity, Severity::note);
    facts.cma_total.reset();
    EXPECT_EQ(finding(facts, "cma").severity, Severity::note);
    facts.cma_total = 64U << 20U;
    facts.cma_free = 2U << 20U;
    EXPECT_EQ(finding(facts, "cma").severity, Severity::warning);
    EXPECT_NE(finding(facts, "cma").found.find("2 MiB of 64 MiB"), std::string::npos);

    facts.regions = {{"camera@0", 64U << 20U, 60U << 20U, 7}};
    EXPECT_EQ(finding(facts, "cma-region").severity, Severity::note);
    facts.regions[0].available = 1;
    EXPECT_EQ(finding(facts, "cma-region").severity, Severity::warning);
    facts.regions[0] = {"camera@0", 64U << 20U, {}, 0};
    EXPECT_EQ(finding(facts, "cma-region").severity, Severity::ok);
}

TEST(Doctor, SyncFiles)
{
    Facts facts = healthy();
    facts.sync_files = false;
    EXPECT_EQ(finding(facts, "sync-files").severity, Severity::warning);
    facts.sync_files.reset();
    EXPECT_EQ(finding(facts, "sync-files").severity, Severity::note);
}

TEST(Doctor, Devices)
{
    Facts facts = healthy();
    facts.devices[0].imports = false;
    EXPECT_EQ(finding(facts, "device").severity, Severity::note);
    facts.devices[0].imports.reset(); // it did not say: nothing is claimed
    EXPECT_EQ(finding(facts, "device").topic, "");
    facts.devices[0].obstacle = obstacle(Category::busy, EBUSY);
    EXPECT_EQ(finding(facts, "device").severity, Severity::warning);
    EXPECT_EQ(finding(facts, "device").advice, "end the program that has it open");
    // Permissions have a finding of their own.
    facts.devices[0].obstacle = obstacle(Category::permission_denied, EACCES);
    EXPECT_EQ(finding(facts, "device").topic, "");
    facts.devices.clear();
    EXPECT_EQ(finding(facts, "devices").severity, Severity::note);
}

TEST(Doctor, WhoHoldsADevice)
{
    Facts facts = healthy();
    facts.holders = {{"/dev/dri/card0", 812, "weston"}};
    EXPECT_EQ(finding(facts, "held").severity, Severity::note);
    EXPECT_EQ(finding(facts, "held").found, "process 812 (weston) has it open");
}

TEST(Doctor, OpenFilesAndDebugging)
{
    Facts facts = healthy();
    facts.open_files = 64;
    EXPECT_EQ(finding(facts, "open-files").severity, Severity::warning);
    facts.buffer_list = false;
    EXPECT_EQ(finding(facts, "debugfs").severity, Severity::note);
}

TEST(Doctor, TheDocumentAndItsText)
{
    Facts facts = healthy();
    EXPECT_EQ(document(diagnose(facts))["worst"], "ok");
    facts.closed = {{"/dev/dma_heap/system", "root", false, "lets root alone in"}};
    const Json data = document(diagnose(facts));
    EXPECT_EQ(data["worst"], "warning");
    EXPECT_EQ(data["findings"][0]["topic"], "permissions-dma-heaps");
    EXPECT_TRUE(data["findings"].back()["advice"].is_null());
    const std::string text = render(data, Colour::no);
    EXPECT_TRUE(text.starts_with("warning  /dev/dma_heap/system: lets root alone in\n")) << text;
    EXPECT_NE(text.find("usermod -aG video ann"), std::string::npos) << text;
}

TEST(Doctor, ThisMachineCanBeLookedAt)
{
    const Facts facts = gather();
    EXPECT_FALSE(facts.kernel.empty());
    EXPECT_FALSE(facts.user.empty());
    EXPECT_GT(facts.open_files, 0U);
    EXPECT_FALSE(diagnose(facts).empty());
}

} // namespace
} // namespace allocinfo::doctor
