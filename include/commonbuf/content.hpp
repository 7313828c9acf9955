// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace commonbuf {

class Buffer;
class Use;

/// What a comparison of pixels said.
enum class Sameness : std::uint8_t {
    same,        ///< every byte that means something was as it should be
    different,   ///< at least one was not: the memory or the layout does not serve this device
    failed,      ///< the device refused the memory or stopped; nothing could be compared
    not_checked, ///< this device gives no way to know; the reason says why
};

/// "same", "different", "failed", "not-checked", as in JSON.
COMMONBUF_API std::string_view to_string(Sameness sameness) noexcept;

/// What the pattern of wrong bytes looks like. A guess: it says where to look first.
enum class Cause : std::uint8_t {
    none,            ///< nothing is wrong
    unknown,         ///< something is, and the pattern is none of the following
    stride,          ///< the device uses other bytes from row to row than the layout says
    offset,          ///< it looks for a plane at another place
    nothing_written, ///< the buffer is as it was before
    address_limit,   ///< from some page on nothing was reached
    stale_cache,     ///< whole cache lines or pages are old, the ones between are not
    swapped_planes,  ///< two planes have each other's content
};

/// "none", "unknown", "stride", "offset", "nothing-written", "address-limit",
/// "stale-cache", "swapped-planes", as in JSON.
COMMONBUF_API std::string_view to_string(Cause cause) noexcept;

/// The first byte that was not as it should be: in the buffer for a device that writes
/// images, in what it made of them for one that reads (the picture that a display writes
/// back, the frame that a codec gives).
struct Difference {
    std::uint32_t frame = 0; ///< counts from 0
    std::uint32_t plane = 0;
    std::uint32_t memory = 0; ///< which of the buffer's memories holds that plane
    std::uint32_t row = 0;    ///< of the plane, from the top
    std::uint64_t byte = 0;   ///< in that row
    std::uint8_t expected = 0;
    std::uint8_t found = 0;
};

/// What proof by content found out about one use.
///
/// A device's content is not known in advance, but the same work done with the
/// device's own memory is: it runs once with buffers of its own (V4L2 MMAP, DRM dumb
/// buffers) and once with the buffers in question, and every byte of every row of every
/// plane is compared. Bits that the format leaves unused (the X of XRGB8888) are not.
struct Content {
    Sameness result = Sameness::not_checked;
    std::uint32_t frames = 0;        ///< how many were compared
    std::optional<Difference> first; ///< set when different and the place is known (CRCs have none)
    std::uint64_t wrong_bytes = 0;   ///< in all frames together
    Cause cause = Cause::none;
    std::string stage;  ///< what was compared with what; for a failure, the call that failed
    std::string reason; ///< a sentence for people; for a difference, the numbers behind the cause
    int sys_errno = 0;  ///< of a failure; 0 where no call failed
};

/// Proves one use by content: the device really writes or reads `frames` images in these buffers,
/// one after the other, and what came of it is compared with the same work in the device's own
/// memory (see Content). All buffers have one layout, and nobody else works on them.
///
/// A device that somebody else streams from, or a display that somebody else is master of, is left
/// alone, and the answer says so. Formats, controls and displays are put back as they were, also
/// after a failure. Allocator::verify() does this for all uses of a plan.
///
/// Errors: invalid_argument (no buffer, no frame), unsupported (the library was built without proof
/// by content), timed_out, device_gone, and what the kernel says when it refuses a buffer or a stream.
COMMONBUF_API Result<Content> verify(const Use& use, std::span<const Buffer> buffers, std::uint32_t frames,
                                     Deadline deadline);

/// Lets the uses of a device that the library does not know take part in proof by content:
/// implement it beside Importer, in the same class. Nobody has to.
class COMMONBUF_API Verifiable {
public:
    virtual ~Verifiable();
    Verifiable() = default;
    Verifiable(const Verifiable&) = delete;
    Verifiable& operator=(const Verifiable&) = delete;

    /// Does the work of commonbuf::verify() for this use. There is at least one buffer and one frame.
    virtual Result<Content> verify(std::span<const Buffer> buffers, std::uint32_t frames, Deadline deadline) = 0;
};

} // namespace commonbuf
