// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/constraints.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/usage.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace commonbuf {

/// How much is known, from best to worst.
enum class Outcome : std::uint8_t {
    proved,    ///< the device took the memory and mapped it
    accepted,  ///< the device took the descriptor; whether it can use the memory shows later
    not_tried, ///< nothing is known; the reason says why
    refused,   ///< a call failed
};

/// "proved", "accepted", "not-tried", "refused", as in JSON.
COMMONBUF_API std::string_view to_string(Outcome outcome) noexcept;

/// What is known of one heap for one use.
struct Verdict {
    Outcome outcome = Outcome::not_tried;
    std::string stage;         ///< the call that decided, for example "VIDIOC_PREPARE_BUF"; may be empty
    int sys_errno = 0;         ///< 0 where the call did not fail
    std::string reason;        ///< a sentence for people
    std::uint64_t needed = 0;  ///< bytes that the device asked for; 0 where sizes do not matter
    std::uint64_t offered = 0; ///< bytes that the memory had
};

/// A verdict that a failed call gives.
COMMONBUF_API Verdict refused(const Error& error);
COMMONBUF_API Verdict refused(const Error& error, std::string stage);

struct UseVerdict {
    std::string use; ///< as the use names itself, for example "drm:/dev/dri/card0:scanout"
    Verdict verdict;
};

enum class HeapKind : std::uint8_t {
    dma_heap, ///< /dev/dma_heap/NAME
    udmabuf,  ///< memfd pages through /dev/udmabuf
    drm_dumb, ///< dumb buffers of a DRM device
    gbm,      ///< buffer objects of a DRM device, by GBM
    v4l2,     ///< buffers of a V4L2 queue's own
    vulkan,   ///< images and memory of a Vulkan device
    custom,   ///< a caller's own
};

/// "dma-heap", "udmabuf", "drm-dumb", "gbm", "v4l2", "vulkan", "custom", as in JSON.
COMMONBUF_API std::string_view to_string(HeapKind kind) noexcept;

/// What memory is like, as far as it is known without asking a device. What is not known
/// is left to the trials.
struct MemoryProperties {
    std::optional<bool> contiguous;
    std::optional<bool> cached;                ///< whether the CPU's mapping goes through its caches
    std::optional<bool> protected_;            ///< whether it is out of the CPU's reach
    std::optional<std::uint32_t> address_bits; ///< physical addresses are below 2 to this power

    friend bool operator==(const MemoryProperties&, const MemoryProperties&) = default;
};

/// What is known of a heap without allocating from it.
struct HeapInfo {
    std::string name; ///< unique on this machine, for example "system"
    HeapKind kind = HeapKind::dma_heap;
    std::string path; ///< the device node

    /// Small regions set aside for devices that need them. True for every dma-heap
    /// but the kernel's documented `system`, and for dumb buffers: memory of unknown
    /// origin counts as scarce.
    bool scarce = false;

    MemoryProperties memory;

    /// The other name of the same region, where this name is a legacy duplicate.
    std::string same_as;

    /// What stands in the way of using it; empty for a heap that can be used.
    std::optional<Error> obstacle;
};

/// What became of one heap in a plan.
struct HeapVerdict {
    HeapInfo heap;
    Verdict verdict; ///< the worst of its uses, or what failed before any use
    std::vector<UseVerdict> uses;

    /// What the CPU's uses cost for one image in this heap, by Preferences::cpu_costs. None
    /// where the CPU is no use or the heap was not measured.
    std::optional<std::chrono::nanoseconds> cpu_time{};
};

/// A layout that was considered before the chosen one, and who refused it.
struct LayoutVerdict {
    Layout layout;
    std::string use;
    Verdict verdict;
};

/// What one flag of a usage stood for (see resolve()).
struct ResolvedUsage {
    Usage usage = Usage::none;
    std::vector<std::string> uses;
    std::vector<UseVerdict> left_out; ///< devices of the class that do not take the image, and why
};

/// Everything behind a plan, or behind there being none.
struct COMMONBUF_API Report {
    Request request;
    std::vector<std::string> uses;
    std::vector<ResolvedUsage> usages;    ///< where the caller named no devices: how they were found
    std::optional<Layout> layout;         ///< the layout of the heap verdicts
    Constraints constraints;              ///< merged over all uses
    std::vector<HeapVerdict> heaps;       ///< in the order of the choice, best first
    std::vector<LayoutVerdict> set_aside; ///< layouts that some use refused
    std::vector<UseVerdict> not_served;   ///< uses that no layout at all serves
    /// Where the uses share no way of lying in memory: the one that the fewest uses lack,
    /// and which do, so that a caller can convert there. Empty otherwise.
    std::string nearest;
    /// What Preferences::cpu_costs did to the choice, with the times behind it. Empty where
    /// there were none.
    std::string cpu_costs;

    /// For people: a few lines, the chosen heap first.
    std::string explain() const;
};

} // namespace commonbuf
