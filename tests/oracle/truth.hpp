// SPDX-License-Identifier: MIT
//
// What really happens on this machine, without a word from the library: plain numbers in, an
// answer out. The files truth*.cpp know the system's headers and nothing of include/ and src/;
// tests/checks/test_oracle.py holds them to that.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace truth {

class Buffer;

/// Where one plane lies.
struct Plane {
    std::uint32_t memory = 0; ///< which of the memories holds it
    std::uint32_t stride = 0; ///< bytes from one row to the next
    std::uint64_t offset = 0; ///< bytes from the start of that memory

    auto operator<=>(const Plane&) const = default;
};

/// An image in memory. `fourcc` is DRM's.
struct Layout {
    std::uint32_t fourcc = 0;
    std::uint64_t modifier = 0;
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::vector<Plane> planes;
    std::vector<std::uint64_t> memories; ///< the bytes of each

    auto operator<=>(const Layout&) const = default;
    std::uint64_t bytes() const;
};

enum class HeapKind : std::uint8_t { dma_heap, udmabuf, dumb, gbm, vulkan };

/// A udmabuf whose pages are those of a memory file from the last to the first: no device sees
/// contiguous memory in it, however lucky it is.
constexpr std::uint32_t backwards = 1;

/// Where memory comes from.
struct Heap {
    std::string name;
    HeapKind kind = HeapKind::dma_heap;
    std::string path;        ///< the node, or the Vulkan device's name
    std::uint32_t flags = 0; ///< GBM's, Vulkan's usage, or `backwards`
    bool region = false;     ///< a region of its own: contiguous, and not by luck
};

enum class DeviceKind : std::uint8_t {
    camera,
    m2m_source, ///< what a codec or converter reads (V4L2's OUTPUT queue)
    m2m_sink,   ///< what it writes (its CAPTURE queue)
    display,
    gpu,
    cpu,
};

/// What one device does with a buffer.
struct Use {
    std::string name;
    DeviceKind kind = DeviceKind::cpu;
    std::string path; ///< the node, or the Vulkan device's name
    bool reads = false;
    bool writes = false;
    std::uint32_t usage = 0; ///< VkImageUsageFlags
};

enum class Answer : std::uint8_t { works, fails, unknown };

struct Truth {
    Answer answer = Answer::unknown;
    std::string reason;
};

/// Tries sets of uses and remembers what came of it.
///
/// The buffers of a set are imported into all of its devices at once. Every device that writes
/// fills them in its turn, and all devices that read have to find those very frames in them; the
/// CPU looks, too. Where none of the set writes, the CPU does.
///
/// Works means: always. A heap of scattered pages gives contiguous ones by luck. So where memory
/// is ordinary, each use alone has to stream through pages in the wrong order, too. Where it does
/// not, or nobody can make such memory, it gets more buffers while the first are held, larger and
/// with an odd page at their end.
class Truths {
public:
    Truths(std::uint32_t buffers, std::uint32_t frames) : buffers_(buffers), frames_(frames) {}

    /// Heaps that are asked about; what a use does with one tells of the luck that it may have
    /// had with another.
    void know(std::vector<Heap> heaps) { heaps_ = std::move(heaps); }

    /// A set that works together with others works without them, and a set fails where a part of
    /// it does: both are used to stream less.
    Truth of(const std::vector<Use>& set, const Heap& heap, const Layout& layout);

    std::uint64_t streams() const noexcept { return streams_; }
    std::uint64_t set_streams() const noexcept { return set_streams_; }
    std::uint64_t frames() const noexcept { return compared_; }

    /// How long the streams of each use alone took, and those of sets.
    const std::map<std::string, double>& seconds() const noexcept { return seconds_; }

private:
    using Place = std::pair<std::string, Layout>; ///< a heap's name and a layout

    const Truth& alone(const Use& use, const Heap& heap, const Layout& layout);
    Truth find_alone(const Use& use, const Heap& heap, const Layout& layout);
    Truth rule_out_luck(const Use& use, const Heap& heap, const Layout& layout);
    /// Memories are larger by `extra`; `held` gets the buffers afterwards.
    Truth stream(const std::vector<Use>& set, const Heap& heap, const Layout& layout, std::uint32_t frames,
                 std::uint64_t extra = 0, std::vector<Buffer>* held = nullptr);

    std::uint32_t buffers_;
    std::uint32_t frames_;
    std::vector<Heap> heaps_;
    std::map<std::pair<std::string, Place>, Truth> alone_;
    std::map<Place, std::map<std::string, Use>> works_alone_;
    std::map<Place, std::vector<std::vector<std::string>>> works_together_;
    std::map<std::pair<std::vector<std::string>, Place>, Truth> together_;
    std::uint64_t streams_ = 0;
    std::uint64_t set_streams_ = 0;
    std::uint64_t compared_ = 0;
    std::map<std::string, double> seconds_;
};

} // namespace truth
