// SPDX-License-Identifier: MIT
#pragma once

#include "heaps.hpp"
#include "uses.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

namespace oracle {

enum class Answer : std::uint8_t { works, fails, unknown };

struct Truth {
    Answer answer = Answer::unknown;
    std::string reason;
};

/// What really happens with memory of a heap in a layout, whatever a plan says of it:
/// buffers are allocated there, the device streams through them, and every byte is
/// compared. Kept, because many sets share a use.
///
/// A heap of scattered pages gives contiguous ones by luck. Works means: always. So
/// where memory is ordinary, more buffers are made while the first are held, larger and with
/// an odd page at their end, and these have to stream too.
class Truths {
public:
    Truths(std::uint32_t buffers, std::uint32_t frames, const std::vector<OracleHeap>& heaps)
        : buffers_(buffers),
          frames_(frames),
          heaps_(heaps)
    {}

    const Truth& of(const NamedUse& use, const OracleHeap& heap, const commonbuf::Layout& layout);

    std::uint64_t streams() const noexcept { return streams_; }
    std::uint64_t frames() const noexcept { return compared_; }

    /// How long the streams of each use took.
    const std::map<std::string, double>& seconds() const noexcept { return seconds_; }

private:
    using Key = std::tuple<std::string, std::string, std::string>;

    Truth find(const NamedUse& use, const OracleHeap& heap, const commonbuf::Layout& layout);
    Truth stream(const NamedUse& use, const std::vector<commonbuf::Buffer>& buffers, std::uint32_t frames);

    std::uint32_t buffers_;
    std::uint32_t frames_;
    const std::vector<OracleHeap>& heaps_;
    std::uint64_t streams_ = 0;
    std::uint64_t compared_ = 0;
    std::map<std::string, double> seconds_;
    std::map<Key, Truth> known_;
};

} // namespace oracle
