// SPDX-License-Identifier: MIT
#pragma once

#include "verify/picture.hpp"

#include <commonbuf/content.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace commonbuf::content {

/// How an image differs from what it should be.
struct Comparison {
    std::optional<Difference> first; ///< its frame is 0
    std::uint64_t wrong_bytes = 0;
};

/// Compares every row of every plane; `found` has the format and size of `expected`.
Comparison compare(const Picture& expected, const View& found);

/// The same for two copies.
Comparison compare(const Picture& expected, const Picture& found);

/// Compares bytes that are no image to the library, such as a compressed frame.
/// Lengths count: a byte that is missing is wrong.
Comparison compare(std::span<const std::byte> expected, std::span<const std::byte> found);

struct Guess {
    Cause cause = Cause::unknown;
    std::string reason;
};

/// What the differences look like.
///
/// `picture` is what a device has seen or should have written, `memory` the buffer that
/// it read from or wrote to, whose content and layout the caller vouches for:
///
///     written by the device   the picture that was expected, and the memory as found
///     read by the device      the picture that it made, and the memory as it was filled
///
/// `canary` is what stood in the buffer before the device wrote.
Guess guess(const Picture& picture, const View& memory, std::optional<std::byte> canary);

/// Adds what one frame gave to what is known of a stream.
void add(Content& content, std::uint32_t frame, const Comparison& comparison);

/// The same for a frame that the device wrote, with a guess if it is the first that differs.
void add(Content& content, std::uint32_t frame, const Picture& expected, const View& found,
         std::optional<std::byte> canary);

/// Notes what the first difference looks like.
void note(Content& content, const Guess& guess);

/// A stream whose frames were all compared: it is the same if nothing was different.
Content finished(Content content);

} // namespace commonbuf::content
