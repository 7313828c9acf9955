// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/heap.hpp>
#include <commonbuf/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What is wrong on a machine, and what to do about it. What there is and what that
/// means are apart, so that tests can judge machines that nobody has.
namespace allocinfo::doctor {

/// A device node or a heap's node that this user may not open, and whom its mode lets in.
struct Node {
    std::string path;
    std::string group;           ///< the group that owns it
    bool group_may_open = false; ///< its mode lets the group read and write
    std::string message;         ///< what opening it said
};

struct Device {
    enum class Kind : std::uint8_t { v4l2, drm };
    Kind kind = Kind::v4l2;
    std::string path;
    std::string name;
    std::optional<bool> imports;              ///< whether it takes dma-bufs; nothing where it did not say
    std::optional<commonbuf::Error> obstacle; ///< why it could not be asked
};

/// A program that has a device open.
struct Holder {
    std::string path;
    std::uint64_t process = 0;
    std::string program;
};

/// One region of contiguous memory. Bytes.
struct Region {
    std::string name;
    std::uint64_t total = 0;
    std::optional<std::uint64_t> available; ///< kernels from 6.9 say
    std::uint64_t failures = 0;             ///< allocations of pages that it could not serve
};

struct Facts {
    std::string kernel; ///< "6.12.9-amd64"
    std::string user;   ///< who asks
    std::vector<commonbuf::HeapInfo> heaps;
    std::vector<Device> devices;
    std::vector<Node> closed;                   ///< the nodes of heaps and devices that this user may not open
    std::vector<Holder> holders;                ///< programs, this one left out, that have devices open
    std::optional<bool> sync_files;             ///< EXPORT_SYNC_FILE exists; nothing where no dma-buf could be asked
    std::optional<std::uint64_t> size_limit_mb; ///< udmabuf's
    std::optional<std::uint64_t> list_limit;    ///< udmabuf's
    std::optional<std::uint64_t> cma_total;     ///< bytes; 0 or nothing where there is none
    std::optional<std::uint64_t> cma_free;      ///< bytes
    std::vector<Region> regions;                ///< where the kernel lists them (CONFIG_CMA_SYSFS)
    std::uint64_t open_files = 0;               ///< how many this program may have
    bool buffer_list = false;                   ///< debugfs shows every dma-buf
};

/// Looks. Opens what it may, allocates one page, and leaves everything as it was.
Facts gather();

enum class Severity : std::uint8_t {
    ok,
    note,    ///< worth knowing; nothing fails by it
    warning, ///< something cannot be used, other things can
    problem, ///< commonbuf cannot work
};

/// One thing that was looked at.
struct Finding {
    Severity severity = Severity::ok;
    std::string topic;     ///< short, and the same in every version: "kernel", "udmabuf", "cma"
    std::string looked_at; ///< files and calls
    std::string found;
    std::string advice;                ///< what to do; empty where nothing is to be done
    std::vector<std::string> commands; ///< to copy, as root
};

/// What the facts mean, worst first. Pure.
std::vector<Finding> judge(const Facts& facts);

} // namespace allocinfo::doctor
