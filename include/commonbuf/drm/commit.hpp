// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/drm/display.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/fence.hpp>
#include <commonbuf/place.hpp>
#include <commonbuf/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace commonbuf::drm {

/// A part of an image, in 1/65536 of a pixel as SRC_X and the like have it.
struct Source {
    std::uint32_t x = 0;
    std::uint32_t y = 0;
    std::uint32_t width = 0;
    std::uint32_t height = 0;

    /// Whole pixels; up to 65535 each.
    static constexpr Source pixels(std::uint16_t x, std::uint16_t y, std::uint16_t width, std::uint16_t height) noexcept
    {
        constexpr std::uint32_t one = 65536;
        return {x * one, y * one, width * one, height * one};
    }
};

/// Where it goes on the display, in pixels of the mode. It may reach beyond the edges.
struct Target {
    std::int32_t x = 0;
    std::int32_t y = 0;
    std::uint32_t width = 0;
    std::uint32_t height = 0;
};

/// Who waits for the work on the buffers of a commit.
enum class FenceWait : std::uint8_t {
    /// The library: the kernel gets the commit when every fence has signalled. Until then it
    /// can be taken back, and work that fails is never shown. Costs up to a refresh where
    /// nobody drives the queue in time. Any fence will do, also one that never signals.
    library,
    /// The kernel (IN_FENCE_FD): the commit goes to it at once and is shown at the first
    /// refresh after the fences have signalled, without waking the program. **It cannot be
    /// taken back**: the CRTC takes no other commit until they signal, and closing the card
    /// waits too. Only for work that surely ends: of a GPU or another device whose driver
    /// ends hung work, of this library's displays; not of another program's timelines
    /// (sw_sync, syncobj points nobody has submitted yet). KMS shows what failed as if it
    /// were good; the library tells afterwards (Committed::shown).
    kernel,
};

/// What is to change on one display from one refresh to the next, all of it or nothing:
/// an atomic commit that nobody has made yet (DRM_IOCTL_MODE_ATOMIC).
///
///     drm::Commit commit(display);
///     commit.light().show(display.primary(), buffer, drawn);
///     auto done = queue.commit(commit, deadline);
///
/// A value that holds its buffers; use it from one thread at a time. What is wrong with it
/// (a property that is not there, a buffer that the card refuses) is said when it is judged
/// or committed. What it does not mention stays as it is.
class COMMONBUF_API Commit {
public:
    /// `name` says in reports and traces who works here.
    explicit Commit(Display display, std::string name = "display", Place where = Place::here());

    /// The plane shows the whole buffer, stretched to the whole display, when `ready` and the
    /// jobs that write the buffer have signalled. Until another commit takes its place, the
    /// display reads it.
    Commit& show(const DisplayPlane& plane, const Buffer& buffer, const Fence& ready = {});

    /// The same for a part of it, anywhere on the display.
    Commit& show(const DisplayPlane& plane, const Buffer& buffer, const Fence& ready, const Source& source,
                 const Target& target);

    /// The plane shows nothing.
    Commit& hide(const DisplayPlane& plane);

    /// What is shown from this commit on is written into the buffer, once. The display must
    /// have a writeback connector. The first writeback of a display that is lit already brings
    /// a connector more: kernels take that with allow_modeset() alone.
    Commit& write_back(const Buffer& buffer);

    /// Lights the display: its mode, CRTC and connectors. A modeset, which takes long, and
    /// is needed once.
    Commit& light();

    /// Turns the display off, with its planes.
    Commit& turn_off();

    /// Something else that has to be over before.
    Commit& after(const Fence& fence);

    /// FenceWait::library, until told otherwise.
    Commit& wait_by(FenceWait who) noexcept;

    /// Lets the driver do what may flicker or take long (DRM_MODE_ATOMIC_ALLOW_MODESET), as
    /// light() and turn_off() do, for properties that need it.
    Commit& allow_modeset() noexcept;

    /// The kernel sends an event when it is shown: see read_flip_events().
    Commit& event(std::uint64_t user_data) noexcept;

    /// Sets a property of an object that belongs to the display, by name: for all that has no
    /// function here. The second takes the name of a value, the third makes a blob of the bytes
    /// that lives as long as the kernel needs it; no bytes are no blob.
    Commit& set(const DisplayObject& object, std::string_view property, std::uint64_t value);
    Commit& set(const DisplayObject& object, std::string_view property, std::string_view value_name);
    Commit& set(const DisplayObject& object, std::string_view property, std::span<const std::byte> blob);

    const Display& display() const noexcept { return display_; }
    const std::string& name() const noexcept { return name_; }
    const Place& where() const noexcept { return where_; }

    /// The buffers that it shows and the one it writes.
    std::vector<Buffer> buffers() const;

private:
    friend class CommitRequest; // the library's own
    friend class CommitQueue;

    struct Shown {
        std::uint32_t plane = 0;
        std::optional<Buffer> buffer; ///< nothing hides the plane
        std::optional<Source> source;
        std::optional<Target> target;
    };
    struct Setting {
        std::uint32_t object = 0;
        std::uint32_t property = 0;
        std::uint64_t value = 0;
        std::optional<std::vector<std::byte>> blob;
    };
    enum class Power : std::uint8_t { as_it_is, on, off };

    Shown& shown(const DisplayPlane& plane);
    Commit& set(const DisplayObject& object, const PropertyInfo& property, std::uint64_t value);
    const PropertyInfo* settable(const DisplayObject& object, std::string_view property);
    void mistake(std::string detail);

    Display display_;
    std::string name_;
    Place where_;
    std::vector<Shown> shown_;
    std::optional<Buffer> written_;
    Fence after_;
    std::vector<Setting> settings_;
    std::optional<Error> mistake_; ///< the first
    std::optional<std::uint64_t> event_;
    Power power_ = Power::as_it_is;
    FenceWait wait_ = FenceWait::library;
    bool modeset_ = false;
};

/// What the kernel says of several ways to show the same.
struct Judgement {
    std::optional<std::size_t> accepted; ///< the first of the candidates that it takes
    std::vector<Error> refused;          ///< why not those before it: all where none is taken
};

/// Asks the kernel about candidates, best first, until it takes one (TEST_ONLY). Nothing
/// changes, and no fence is looked at. What it takes, it may still refuse when it is
/// committed: drivers map memory only then.
///
/// Errors: permission_denied (not DRM master), device_lost (unplugged, or a lease was
/// revoked), exhausted. A refusal is an answer, not an error.
COMMONBUF_API Result<Judgement> judge(std::span<const Commit> candidates);

} // namespace commonbuf::drm
