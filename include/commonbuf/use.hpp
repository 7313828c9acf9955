// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/constraints.hpp>
#include <commonbuf/content.hpp>
#include <commonbuf/cpu_cost.hpp>
#include <commonbuf/deadline.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/verdict.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace commonbuf {

class Buffer;
class Heap;

/// What a use accepts for one requested image: one entry for each way in which
/// the image may lie in memory, in any order, best sorted.
struct Support {
    struct Entry : Arrangement {
        SharedConstraints constraints;
        /// How the device lays the image out with this modifier. Linear and opaque layouts
        /// follow from the constraints and need none; without one, every other modifier
        /// can be used only where some other use says it.
        std::shared_ptr<const Layout> layout{};
    };
    std::vector<Entry> entries;

    /// Puts the entries into the order in which plans walk through them; otherwise every
    /// plan sorts for itself. Of entries for one way, the first stays first.
    COMMONBUF_API void sort();
};

/// Trial imports into one device with one layout. The destructor puts the device
/// back as it was.
class COMMONBUF_API Trial {
public:
    virtual ~Trial();
    Trial() = default;
    Trial(const Trial&) = delete;
    Trial& operator=(const Trial&) = delete;

    /// Imports, and lets go again. One borrowed dma-buf for each memory of the
    /// layout, each at least as large as the layout asks for.
    virtual Verdict attempt(std::span<const int> memories) = 0;

    /// Whether the device takes memory of others at all: where it has its own alone, that it
    /// refuses some says nothing of what that is like.
    virtual bool imports() const noexcept;
};

/// What can be asked of one device about one intended access. Implement it to let
/// commonbuf plan for a device that it does not know.
///
/// The allocator calls it from one thread at a time.
class COMMONBUF_API Importer {
public:
    virtual ~Importer();
    Importer() = default;
    Importer(const Importer&) = delete;
    Importer& operator=(const Importer&) = delete;

    /// Unique and printable, for example "v4l2:/dev/video0:capture".
    virtual const std::string& name() const noexcept = 0;

    /// What stays the same as long as trials would go the same: the driver, its version
    /// and the device. Verdicts are remembered under it. Empty: never remember them.
    virtual const std::string& identity() const noexcept;

    /// What the CPU does in this use, for Preferences::cpu_costs; nothing for a device.
    virtual std::optional<Access> cpu_access() const noexcept;

    /// The device's own memory, where it gives that to others. An allocator that looks for the
    /// heaps of this machine asks it in plans with this use where no other heap serves, or the
    /// caller prefers it; its name is another one than theirs. Asked anew, it is the same or
    /// behaves the same. None without an override.
    virtual std::shared_ptr<Heap> own_heap();

    /// The ways in which this use accepts the image, in the request's format or one of its
    /// alternatives; other formats may be left out. Errors: unsupported (none of these
    /// formats, or not this size, naming what is), and what opening and asking may give.
    virtual Result<std::shared_ptr<const Support>> support(const Request& request) = 0;

    /// What the device makes of a layout: the same with larger memories where it
    /// pads, or why it refuses.
    virtual Result<Layout> fit(const Layout& layout);

    /// Errors: busy (another program owns the queue), device_lost, exhausted.
    virtual Result<std::unique_ptr<Trial>> begin_trial(const Layout& layout) = 0;

    /// Proof by content: lets the device really write or read `frames` images in these
    /// buffers, one after the other, and compares what came of it with the same work in
    /// the device's own memory (see Content). All buffers have one layout. A device that
    /// streams elsewhere is left alone; what was set is put back, what was shown too.
    ///
    /// Without an override nothing is checked, and the answer says so. Errors: the
    /// kernel's refusal to take a buffer or to stream, invalid_argument (no buffer),
    /// timed_out, device_lost.
    virtual Result<Content> verify(std::span<const Buffer> buffers, std::uint32_t frames, Deadline deadline);
};

/// One device's intended access. A value: copies mean the same use.
class COMMONBUF_API Use {
public:
    explicit Use(std::shared_ptr<Importer> importer) noexcept : importer_(std::move(importer)) {}

    const std::string& name() const noexcept { return importer_->name(); }
    const std::string& identity() const noexcept { return importer_->identity(); }
    Importer& importer() const noexcept { return *importer_; }

private:
    std::shared_ptr<Importer> importer_;
};

/// How much the CPU reads and writes.
enum class CpuFrequency : std::uint8_t {
    rare,     ///< any memory will do
    frequent, ///< only memory behind the CPU's caches: without them, reading is slower by tens of times
};

/// Access by this process's CPU through a mapping.
COMMONBUF_API Use cpu(Access access, CpuFrequency frequency = CpuFrequency::rare);

} // namespace commonbuf
