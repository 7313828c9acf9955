// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/place.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace commonbuf {

/// What the access checker does with a mistake. COMMONBUF_CHECK=log or =abort in the
/// environment turns it on without a change to the program.
enum class Check : std::uint8_t {
    off,
    log,   ///< says so (set_log(), or standard error)
    abort, ///< says so and ends the program
};

/// Ways of using a buffer that work today and show torn or stale pixels tomorrow.
enum class Mistake : std::uint8_t {
    cpu_outside_bracket,   ///< pixels touched before read()/write() or after end()
    cpu_writes_in_read,    ///< pixels written in an access that was begun for reading
    cpu_while_device,      ///< a CPU access while a device works on the buffer
    bracket_left_open,     ///< a CPU access is open while the buffer goes to a device, or at the end
    devices_without_order, ///< two devices on one buffer, one of them writes, and no fence between them
    queued_too_early,      ///< given to V4L2, which has no fences, before its fence has signalled
    fence_error_ignored,   ///< a job was done on what a failed job left, and nobody looked at its error
    used_while_released,   ///< used while a pool has it
};

/// Its name in reports, for example "cpu-while-device".
COMMONBUF_API std::string_view to_string(Mistake mistake) noexcept;

/// One of the two accesses of a mistake.
struct CheckedAccess {
    std::string who;  ///< "CPU", the name of a job or of a V4L2 node
    std::string what; ///< for example "writes"
    Place where;      ///< where it was begun
};

struct Finding {
    Mistake mistake = Mistake::cpu_outside_bracket;
    std::string buffer;   ///< which one, for people
    CheckedAccess first;  ///< who was there
    CheckedAccess second; ///< who came in between
    std::string message;  ///< all of it
};

/// Turns the checker on or off. `handler` gets every finding, from the thread that made the
/// mistake; without one they go to the log. What happened before is not known to it: turn it
/// on before the first buffer is made. Each pair of places is reported once.
///
/// While it is on, mappings of buffers are open to the CPU only within brackets and only as
/// these say; a touch outside is caught as SIGSEGV, reported, and let through. Not for
/// programs that handle SIGSEGV themselves afterwards.
COMMONBUF_API void set_check(Check mode, std::function<void(const Finding&)> handler = {});

/// How many findings there were since the program began.
COMMONBUF_API std::uint64_t check_findings() noexcept;

} // namespace commonbuf
