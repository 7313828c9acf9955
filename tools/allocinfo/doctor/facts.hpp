// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/heap.hpp>
#include <commonbuf/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What is wrong on a machine, and what to do about it. Facts are gathered apart from their meaning,
/// so that tests can diagnose invented machines.
namespace allocinfo::doctor {

/// A node of a device or a heap that this user may not open, and the group that may.
struct Node {
    std::string path;
    std::string group;           ///< the group that owns it
    bool group_may_open = false; ///< its mode lets the group read and write
    std::string message;         ///< the error of opening it
};

struct Device {
    enum class Kind : std::uint8_t { v4l2, drm };
    Kind kind = Kind::v4l2;
    std::string path;
    std::string name;
    std::optional<bool> imports;              ///< whether it takes dma-bufs; none if it did not answer
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
    std::optional<std::uint64_t> available; ///< since Linux 6.9
    std::uint64_t failures = 0;             ///< pages that could not be allocated
};

struct Facts {
    std::string kernel; ///< "6.12.9-amd64"
    std::string user;   ///< the user that runs this program
    std::vector<commonbuf::HeapInfo> heaps;
    std::vector<Device> devices;
    std::vector<Node> closed;                   ///< the nodes of heaps and devices that this user may not open
    std::vector<Holder> holders;                ///< other programs that have devices open
    std::optional<bool> sync_files;             ///< EXPORT_SYNC_FILE exists; none without a dma-buf to ask
    std::optional<std::uint64_t> size_limit_mb; ///< udmabuf's
    std::optional<std::uint64_t> list_limit;    ///< udmabuf's
    std::optional<std::uint64_t> cma_total;     ///< bytes; 0 or none if there is no CMA
    std::optional<std::uint64_t> cma_free;      ///< bytes
    std::vector<Region> regions;                ///< if the kernel lists them (CONFIG_CMA_SYSFS)
    std::uint64_t open_files = 0;               ///< the limit of this program
    bool buffer_list = false;                   ///< debugfs shows every dma-buf
};

/// Gathers the facts of this machine. Opens the nodes that it may, allocates one page, and leaves
/// everything as it was.
Facts gather();

enum class Severity : std::uint8_t {
    ok,
    note,    ///< worth knowing; nothing fails because of it
    warning, ///< something cannot be used; other things can
    problem, ///< commonbuf cannot work
};

/// What was found out about one thing.
struct Finding {
    Severity severity = Severity::ok;
    std::string topic;     ///< short, and the same in every version: "kernel", "udmabuf", "cma"
    std::string looked_at; ///< files and calls
    std::string found;
    std::string advice;                ///< what to do; empty if nothing is to be done
    std::vector<std::string> commands; ///< to run as root
};

/// Says what the facts mean, the worst first. Pure.
std::vector<Finding> diagnose(const Facts& facts);

} // namespace allocinfo::doctor
