// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

/// What became of the frames of a stream.
struct Score {
    std::uint32_t shown = 0;
    std::uint32_t lost = 0;    ///< for want of a buffer
    std::uint32_t dropped = 0; ///< by the camera itself, which had one
    std::uint32_t out_of_order = 0;
    bool writes_back = false; ///< the display can be asked what it showed
    std::uint32_t compared = 0;
    std::uint64_t wrong_pixels = 0;
    std::uint64_t copies = 0;    ///< CPU accesses between the devices
    std::uint32_t unwritten = 0; ///< pictures that the display's driver should have written back, and did not
    std::uint32_t in_fences = 0; ///< commits that the kernel held until a fence had signalled
    std::size_t in_flight = 0;   ///< at most, at once: from the camera's first byte until no device has it any more

    /// The lines on what the camera dropped and what was compared; `with` is what pictures were
    /// compared with, and `asked` is false where the user wanted none compared.
    std::string dropped_and_compared(const std::string& with, bool asked) const;

    /// Whether nothing went wrong. The access checker's findings count too.
    bool good() const;
};

/// The access checker's line; empty where it does not look on.
std::string checker_line();
