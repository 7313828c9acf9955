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

/// The part of an image that a plane shows (SRC_X, SRC_Y, SRC_W, SRC_H), in 1/65536 of a pixel.
struct SourceRect {
    std::uint32_t x = 0;
    std::uint32_t y = 0;
    std::uint32_t width = 0;
    std::uint32_t height = 0;

    /// Makes one from whole pixels, up to 65535 each.
    static constexpr SourceRect pixels(std::uint16_t x, std::uint16_t y, std::uint16_t width,
                                       std::uint16_t height) noexcept
    {
        constexpr std::uint32_t one = 65536;
        return {x * one, y * one, width * one, height * one};
    }
};

/// Where on the display a plane shows it (CRTC_X, CRTC_Y, CRTC_W, CRTC_H), in pixels of the mode.
/// It may reach beyond the edges.
struct CrtcRect {
    std::int32_t x = 0;
    std::int32_t y = 0;
    std::uint32_t width = 0;
    std::uint32_t height = 0;
};

/// Who waits for the work on the buffers of a commit.
enum class FenceWait : std::uint8_t {
    /// The library waits: the kernel gets the commit when every fence has signalled. Until then
    /// the commit can be cancelled, and the result of failed work is never shown. Accepts any
    /// fence, even one that never signals. Costs up to one refresh if nobody drives the queue in
    /// time.
    library,
    /// The kernel waits (IN_FENCE_FD): it gets the commit at once and shows it at the first
    /// refresh after the fences have signalled, without waking the program. **Such a commit
    /// cannot be cancelled**: the CRTC takes no other commit until the fences signal, and closing
    /// the card waits too. Use it only for work that is sure to end: of a GPU or another device
    /// whose driver ends hung work, or of this library's displays, except for writebacks, of
    /// which drivers lose some. Do not use it for timelines of another program (sw_sync, syncobj
    /// points that nobody has submitted yet). KMS shows the result of failed work as if it were
    /// good; the library tells afterwards, when Committed::shown or Committed::written is waited
    /// for. If the driver refuses commits with fences, the library waits instead, from the first
    /// refusal on.
    kernel,
};

/// A change of one display from one refresh to the next, all of it or nothing: an atomic commit
/// that has not been made yet (DRM_IOCTL_MODE_ATOMIC).
///
///     drm::Commit commit(display);
///     commit.enable().show(display.primary(), buffer, drawn);
///     auto done = queue.commit(commit, deadline);
///
/// A value that holds its buffers; use it from one thread at a time. Mistakes (an unknown
/// property, a buffer that the card refuses) are reported when it is tested or committed. What it
/// does not mention stays as it is.
class COMMONBUF_API Commit {
public:
    /// Makes an empty commit. Reports and traces call it `name`.
    explicit Commit(Display display, std::string name = "display", Place where = Place::here());

    /// Shows the whole buffer on the plane, scaled to the whole display, once `ready` and the
    /// jobs that write the buffer have signalled. A cursor plane shows it unscaled, in the top left
    /// corner. The display reads the buffer until another commit replaces it.
    Commit& show(const DisplayPlane& plane, const Buffer& buffer, const Fence& ready = {});

    /// Shows a part of the buffer, anywhere on the display.
    Commit& show(const DisplayPlane& plane, const Buffer& buffer, const Fence& ready, const SourceRect& source,
                 const CrtcRect& target);

    /// Turns the plane off.
    Commit& hide(const DisplayPlane& plane);

    /// Writes what this commit shows into the buffer, once. The display must have a writeback
    /// connector. The first writeback of a display that is already on adds a connector to it,
    /// which kernels accept only with allow_modeset().
    Commit& write_back(const Buffer& buffer);

    /// Turns the display on: its mode, CRTC and connectors. This is a modeset, which takes long
    /// and is needed once.
    Commit& enable();

    /// Turns the display off, with its planes.
    Commit& disable();

    /// Waits for this fence too.
    Commit& after(const Fence& fence);

    /// Chooses who waits; FenceWait::library until told otherwise.
    Commit& wait_by(FenceWait who) noexcept;

    /// Allows changes that may flicker or take long (DRM_MODE_ATOMIC_ALLOW_MODESET), for
    /// properties that need it. enable() and disable() imply it.
    Commit& allow_modeset() noexcept;

    /// Flips without waiting for vblank, which may tear (DRM_MODE_PAGE_FLIP_ASYNC). Such a commit
    /// only replaces buffers on planes that keep their place: the kernel refuses any other change,
    /// and the commit must not enable(), disable(), hide() or write_back(). The call that makes it
    /// lasts until the flip is done, since kernels give no fence for it (OUT_FENCE_PTR): `shown` has
    /// signalled then. So the library always waits for the fences, whatever wait_by() says. A few drivers
    /// return before the flip has happened (amdgpu): so what it replaces is free, and in
    /// Committed::replaced, when the commit after it is made. Use three buffers.
    Commit& flip_async() noexcept;

    /// Asks for an event when the commit is on the screen: see read_flip_events(). A display that
    /// is off and stays off has no events: there such a commit is refused.
    Commit& event(std::uint64_t user_data) noexcept;

    /// Sets a property by name, for everything that has no function here. `object` is one of the
    /// display's. The second form takes the name of a value. The third makes a blob of the bytes
    /// that lives as long as the kernel needs it; without bytes the property gets no blob.
    /// Negative values are 64-bit two's complement. If the kernel refuses a commit for one of these
    /// properties, Error::target names it.
    Commit& set(const DisplayObject& object, std::string_view property, std::uint64_t value);
    Commit& set(const DisplayObject& object, std::string_view property, std::string_view value_name);
    Commit& set(const DisplayObject& object, std::string_view property, std::span<const std::byte> blob);

    const Display& display() const noexcept { return display_; }
    const std::string& name() const noexcept { return name_; }
    const Place& where() const noexcept { return where_; }

    /// Returns the buffers that it shows and the one that it writes.
    std::vector<Buffer> buffers() const;

private:
    friend class CommitRequest; // the library's own
    friend class CommitQueue;

    struct Shown {
        std::uint32_t plane = 0;
        std::optional<Buffer> buffer; ///< none hides the plane
        std::optional<SourceRect> source;
        std::optional<CrtcRect> target;
    };
    struct Setting {
        std::uint32_t object = 0;
        std::uint32_t property = 0;
        std::string name; ///< of the property
        std::uint64_t value = 0;
        std::optional<std::vector<std::byte>> blob;
    };
    enum class Power : std::uint8_t { as_it_is, on, off };

    Shown& shown(const DisplayPlane& plane);
    Commit& set(const DisplayObject& object, const PropertyInfo& property, std::uint64_t value);
    const PropertyInfo* settable(const DisplayObject& object, std::string_view property);
    void mistake(std::string detail, std::string_view property = {});

    Display display_;
    std::string name_;
    Place where_;
    std::vector<Shown> shown_;
    std::optional<Buffer> written_;
    Fence after_;
    std::vector<Setting> settings_;
    std::optional<Error> mistake_; ///< the first one
    std::optional<std::uint64_t> event_;
    Power power_ = Power::as_it_is;
    FenceWait wait_ = FenceWait::library;
    bool modeset_ = false;
    bool async_ = false;
};

/// What the kernel answered about several ways to show the same.
struct TestResult {
    std::optional<std::size_t> accepted; ///< index of the first candidate that it takes
    std::vector<Error> refused;          ///< why it refused the candidates before that one, or all
};

/// Tests candidates, best first, until the kernel takes one (DRM_MODE_ATOMIC_TEST_ONLY). Changes
/// nothing and looks at no fence. The kernel may still refuse at the commit what it takes here,
/// because drivers map memory only then.
///
/// Errors: not_master, permission_denied, busy, device_gone, lease_revoked, device_failed,
/// out_of_memory, too_many_files. A refused candidate is an answer, not an error.
COMMONBUF_API Result<TestResult> test_commits(std::span<const Commit> candidates);

} // namespace commonbuf::drm
