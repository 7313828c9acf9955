// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/place.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace commonbuf {

/// What the access checker does when it finds a mistake. COMMONBUF_CHECK=log or =abort in the
/// environment turns it on without changing the program.
enum class CheckerMode : std::uint8_t {
    off,
    log,   ///< reports it (set_log(), or standard error)
    abort, ///< reports it and ends the program
};

/// Uses of a buffer that work today and show torn or stale pixels tomorrow.
enum class Mistake : std::uint8_t {
    cpu_outside_bracket,   ///< pixels are touched before read()/write() or after end()
    cpu_writes_in_read,    ///< pixels are written in an access that was begun for reading
    cpu_while_device,      ///< the CPU accesses the buffer while a device works on it
    bracket_left_open,     ///< a CPU access is open when the buffer goes to a device, or at the end
    devices_without_order, ///< two devices use one buffer, one of them writes, and no fence orders them
    queued_too_early,      ///< the buffer goes to V4L2, which has no fences, before its fence has signalled
    fence_error_ignored,   ///< a job used the result of a failed job, and nobody looked at the error
    used_while_released,   ///< the buffer is used while a pool has it
};

/// Returns the name of a mistake as it stands in reports, for example "cpu-while-device".
COMMONBUF_API std::string_view to_string(Mistake mistake) noexcept;

/// One of the two accesses of a mistake.
struct CheckedAccess {
    std::string who;  ///< "CPU", or the name of a job or of a V4L2 node
    std::string what; ///< for example "writes"
    Place where;      ///< where the access was begun
};

struct Finding {
    Mistake mistake = Mistake::cpu_outside_bracket;
    std::string buffer;   ///< names the buffer, for people
    CheckedAccess first;  ///< the access that was there first
    CheckedAccess second; ///< the access that came in between
    std::string message;  ///< all of this in one line
};

/// Turns the checker on or off.
///
/// `handler` gets every finding, in the thread that made the mistake; without a handler findings
/// go to the log. The library holds no lock meanwhile: a handler may call the library, and threads
/// that make mistakes at the same time call it at the same time. A call that has begun goes on after
/// another handler was set. CheckerMode::abort ends the program when the handler returns.
///
/// The checker knows only what happened since it was turned on: do that before the first buffer is
/// made. Each pair of places is reported once.
///
/// While the checker is on, buffers are mapped so that the CPU can touch them only within brackets
/// and only as these allow. Any other touch is caught as SIGSEGV, reported, and let through. A
/// program that installs its own handler for SIGSEGV later cannot use the checker.
COMMONBUF_API void set_checker_mode(CheckerMode mode, std::function<void(const Finding&)> handler = {});

/// Returns the number of findings since the program began.
COMMONBUF_API std::uint64_t checker_findings() noexcept;

} // namespace commonbuf
