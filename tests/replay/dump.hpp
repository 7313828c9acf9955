// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// Machines that are not here: a dump (`allocinfo devices --json`) read into plain values.
/// docs/testing.md says what a dump holds beyond what the tool writes.
namespace replay {

namespace cb = commonbuf;

struct HeapRecord {
    cb::HeapInfo info; ///< what `allocinfo heaps` says of it
    /// What the memory really is (`truth`), which trials find out; `info.memory` where the
    /// dump does not say more.
    cb::MemoryProperties truth;
    std::optional<std::uint64_t> capacity; ///< bytes; nothing for no limit
};

/// How one plane of a tiled image is made of the image, or of the plane in front.
struct PlaneRule {
    std::uint32_t stride_align = 1;
    std::uint32_t rows_align = 1;
    /// Of planes that hold no pixels (compression): so many bytes and rows of plane 0 have
    /// one in this plane.
    std::uint32_t stride_divisor = 1;
    std::uint32_t rows_divisor = 1;
};

/// Ways that ask for the same: every format with every modifier.
struct SupportRecord {
    std::vector<cb::Format> formats;
    std::vector<cb::Modifier> modifiers;
    cb::Memories memories = cb::Memories::single;
    cb::Constraints constraints;
    std::vector<PlaneRule> planes; ///< empty where the device does not say how it lays images out
    std::uint64_t plane_align = 1; ///< planes begin and memories end at multiples of it
};

struct UseRecord {
    std::string name;
    std::vector<std::string> aliases; ///< with "@name" instead of the path
    std::string identity;
    std::optional<bool> contiguous; ///< takes contiguous memory only; nothing where no trial said so
    std::optional<std::uint32_t> address_bits;
    std::vector<SupportRecord> support;
    std::optional<cb::Error> error; ///< why the device could not be asked
};

/// In pixels.
struct Size {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
};

struct Dump {
    Size size; ///< of the image that devices were asked about
    std::vector<HeapRecord> heaps;
    std::vector<UseRecord> uses;
};

/// Reads the text of a dump. Errors: invalid_argument, naming the member that is wrong.
cb::Result<Dump> read_dump(const std::string& text);

} // namespace replay
