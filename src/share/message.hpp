// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/fence.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/picture.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/share.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

/// The bytes of a message. Pure code: descriptors are their places in the message.
///
///     header   | magic | version | oldest | bytes | descriptors | 0
///     record   | kind | flags | bytes | payload...
///     record   | kind | flags | bytes | payload...
///
///     buffer  fence  picture  data   buffer  data   release  release
///       └───────┴───────┴──────┘       └──────┘
///       belong to the buffer before them
///
/// All numbers are little-endian and unpadded. How versions get along:
/// - A reader passes over what it does not know: records of other kinds, unless they have the flag `needed`, and
///   bytes behind those that it knows in a payload. So a later version adds records, and fields at the end.
/// - A writer says in `oldest` which version a reader must have. As long as everything can be passed over, that
///   is 1.
///
/// Version 1 is all that stands here. tests/unit/share_reader_v1.hpp is a reader of it that never changes.
namespace commonbuf::share::wire {

inline constexpr std::uint32_t magic = 0x66626d63; // "cmbf"
inline constexpr std::uint16_t version = 1;
inline constexpr std::size_t header_bytes = 16;
inline constexpr std::size_t record_bytes = 8;

enum class Kind : std::uint16_t { buffer = 1, fence = 2, picture = 3, data = 4, release = 5 };

inline constexpr std::uint16_t needed = 1; ///< a flag of a record: who does not know it must refuse the message

/// A fence on its way.
struct FenceOnWay {
    enum class State : std::uint8_t { over = 0, descriptor = 1, failed = 2 };
    State state = State::over;
    std::uint16_t place = 0;    ///< of its descriptor
    std::int32_t sys_errno = 0; ///< of failed work

    friend bool operator==(const FenceOnWay&, const FenceOnWay&) = default;
};

struct BufferOnWay {
    std::uint64_t token = 0;
    bool for_good = false;
    Layout layout;
    std::vector<std::uint16_t> memories{}; ///< the places of their descriptors; two may be one
    FenceOnWay ready{};
    Picture picture{};
    std::vector<std::byte> data{};

    friend bool operator==(const BufferOnWay&, const BufferOnWay&) = default;
};

struct ReleaseOnWay {
    std::uint64_t token = 0;
    FenceOnWay until{};

    friend bool operator==(const ReleaseOnWay&, const ReleaseOnWay&) = default;
};

struct Contents {
    std::vector<BufferOnWay> buffers;
    std::vector<ReleaseOnWay> releases;

    friend bool operator==(const Contents&, const Contents&) = default;
};

/// Writes a message that has so many descriptors.
std::vector<std::byte> write(const Contents& contents, std::size_t descriptors);

/// Reads a message that came with so many descriptors. Afterwards every number of it is within the limits, every
/// place below `descriptors`, each descriptor is used, and one of a fence only once. Layouts are not checked:
/// admit() does that.
///
/// Errors: invalid_argument (what is untrue), unsupported (it needs a newer reader).
Result<Contents> read(std::span<const std::byte> bytes, std::size_t descriptors, const Limits& limits);

} // namespace commonbuf::share::wire
