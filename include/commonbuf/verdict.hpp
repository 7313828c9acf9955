// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/constraints.hpp>
#include <commonbuf/error.hpp>
#include <commonbuf/export.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace commonbuf {

/// How much is known, from best to worst.
enum class Outcome : std::uint8_t {
    verified,  ///< the device worked in such memory, and the bytes were what they should be
    proved,    ///< the device attached and mapped the memory; of the bytes nothing is known
    accepted,  ///< the device took the descriptor; whether it can use the memory shows later
    not_tried, ///< nothing is known; the reason says why
    refused,   ///< a call failed, or a constraint is not met
};

/// Name an outcome as it stands in JSON: "verified", "proved", "accepted", "not-tried", "refused".
COMMONBUF_API std::string_view to_string(Outcome outcome) noexcept;

/// What is known of one heap for one use.
struct COMMONBUF_API Verdict {
    Outcome outcome = Outcome::not_tried;

    /// The call that decided, for example "VIDIOC_PREPARE_BUF"; empty if none did.
    std::string call{};

    /// The kind of the failure behind the verdict; none without a failure.
    std::optional<Category> category{};

    /// The answer of the system; 0 if no system call failed.
    int sys_errno = 0;

    /// The constraint that decided, if it was no call.
    std::optional<Constraint> constraint{};

    /// A sentence for people.
    std::string reason{};

    /// Bytes that the device asked for and that the memory had, if sizes matter.
    std::optional<std::uint64_t> needed{};
    std::optional<std::uint64_t> offered{};

    /// Whether memory may serve with this verdict: verified, proved or accepted.
    bool serves() const noexcept { return outcome <= Outcome::accepted; }

    /// Whether the same trial would end the same way a minute later. Of failures only those last
    /// that are the device's or the library's answer to this memory (Error::is_final()); of what
    /// was not tried nothing lasts.
    bool is_lasting() const noexcept;

    static Verdict verified(std::string call, std::string reason);
    static Verdict proved(std::string call, std::string reason);
    static Verdict accepted(std::string call, std::string reason);

    /// The same verdict as what a trial found out: a refusal that does not last becomes not_tried, with
    /// the reason "could not be tried: ...".
    Verdict settled() &&;

    /// A failure that says nothing about the memory: the heap cannot be used at all.
    static Verdict not_tried(const Error& error);
    static Verdict not_tried(std::string reason);

    /// What a failed call or a refusal of the library means for the memory.
    static Verdict refused(const Error& error);

    friend bool operator==(const Verdict&, const Verdict&) = default;
};

struct UseVerdict {
    std::string use; ///< as the use names itself, for example "drm:/dev/dri/card0:scanout"
    Verdict verdict;

    friend bool operator==(const UseVerdict&, const UseVerdict&) = default;
};

} // namespace commonbuf
