// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/constraints.hpp>
#include <commonbuf/cpu_cost.hpp>
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

class Heap;

/// What a use accepts for one requested image: one entry for each arrangement, in any order,
/// best sorted.
struct Support {
    struct Entry : Arrangement {
        SharedConstraints constraints;
        /// How the device lays the image out with this modifier. Linear layouts, and opaque ones with
        /// one memory, follow from the constraints and need none. Anything else can be used only if
        /// some use or heap tells the layout. Its modifier may have a column height, which that of
        /// the entry does not have (DRM_FORMAT_MOD_BROADCOM_SAND128_COL_HEIGHT).
        std::shared_ptr<const Layout> layout{};
    };
    std::vector<Entry> entries;

    /// Sort the entries in the order in which plans walk through them; otherwise every plan
    /// sorts for itself. Of several entries for one arrangement, the first stays first.
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

    /// Import memory, and release it again. There is one borrowed dma-buf for each memory of the
    /// layout, at least as large as the layout asks for.
    virtual Verdict attempt(std::span<const int> memories) = 0;

    /// Tell whether the device can import foreign memory at all. If it works only in its own, a
    /// refusal says nothing about the memory offered.
    virtual bool imports() const noexcept;
};

/// Answers for one device and one intended access. Implement it to let commonbuf plan for a
/// device that it does not know.
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

    /// A name that stays the same as long as trials would end the same way: the driver, its
    /// version and the device. Verdicts are remembered under it, or never if it is empty.
    virtual const std::string& identity() const noexcept;

    /// What the CPU does in this use, for Preferences::cpu_costs; none for a device.
    virtual std::optional<Access> cpu_access() const noexcept;

    /// The device's own memory, if it gives that to others. An allocator that looks for the heaps
    /// of this machine tries it in plans with this use if no other heap serves, or if the caller
    /// prefers it. Its name must differ from theirs. Every call gives the same heap, or one that
    /// behaves the same. None without an override.
    virtual std::shared_ptr<Heap> own_heap();

    /// Tell in which arrangements this use accepts the image, in the request's format or one of
    /// its alternatives; other formats can be left out. Errors: unsupported (none of these
    /// formats, or not this size; the message names what is supported), and those of opening and
    /// asking the device.
    virtual Result<std::shared_ptr<const Support>> support(const Request& request) = 0;

    /// Fit a layout to the device: the same layout, with larger memories if the device pads.
    /// Errors: the reason why the device refuses it.
    virtual Result<Layout> fit(const Layout& layout);

    /// Begin trials with one layout. Errors: busy (another program owns the queue), device_gone,
    /// out_of_memory.
    virtual Result<std::unique_ptr<Trial>> begin_trial(const Layout& layout) = 0;
};

/// One device's intended access. A value: copies mean the same use, and one that was moved from stays as
/// it is.
class COMMONBUF_API Use {
public:
    /// Makes a use of a device of the caller's. Without an importer it is a use that accepts nothing, and
    /// plans with it fail with invalid_argument.
    explicit Use(std::shared_ptr<Importer> importer) noexcept;

    // Without moves, which would leave a use without an importer.
    Use(const Use&) noexcept = default;
    Use& operator=(const Use&) noexcept = default;

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

/// Make the use of this process's CPU, which accesses buffers through a mapping.
COMMONBUF_API Use cpu(Access access, CpuFrequency frequency = CpuFrequency::rare);

} // namespace commonbuf
