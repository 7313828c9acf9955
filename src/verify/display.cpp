// SPDX-License-Identifier: MIT
//
// Proof by content of a display. The same pictures are shown twice, from dumb buffers and from the
// buffers in question, and what the display says of them is compared: the picture that it writes
// back, or else its checksum.
#include "base/text.hpp"
#include "os/os.hpp"
#include "verify/compare.hpp"
#include "verify/crc.hpp"
#include "verify/look.hpp"
#include "verify/provers.hpp"
#include "verify/screen.hpp"

#include <commonbuf/allocator.hpp>
#include <commonbuf/drm/resources.hpp>

#include <drm.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace commonbuf::content {
namespace {

/// A card that this program is DRM master of as long as this lives.
class Master {
public:
    /// Errors: permission_denied, busy (another program is master).
    static Result<Master> create(const std::string& path)
    {
        auto card = drm::Device::open(path);
        if (!card)
            return card.error();
        if (const int error = os::ioctl_again(card->fd(), DRM_IOCTL_SET_MASTER, nullptr); error != 0)
            return Error::from_errno(error, {"DRM_IOCTL_SET_MASTER", path}, "another program shows pictures there");
        return Master(*card);
    }
    Master(Master&& other) noexcept : card_(other.card_), is_master_(std::exchange(other.is_master_, false)) {}
    ~Master()
    {
        if (is_master_)
            os::ioctl_again(card_.fd(), DRM_IOCTL_DROP_MASTER, nullptr);
    }

    const drm::Device& card() const noexcept { return card_; }

private:
    explicit Master(const drm::Device& card) noexcept : card_(card) {}
    drm::Device card_;
    bool is_master_ = true;
};

/// Allocates images in the driver's own memory, in a layout that the display takes.
Result<std::vector<Buffer>> own_buffers(const drm::Device& card, const Request& request, const Use& use)
{
    const auto heaps = find_heaps();
    const auto heap = std::find_if(heaps.begin(), heaps.end(), [&](const std::shared_ptr<Heap>& each) {
        return each->info().path == card.info().path;
    });
    if (heap == heaps.end())
        return Error::not_present("find the dumb buffers of " + card.info().path, "the card has none");
    const auto plan = Allocator({*heap}).plan(request, {use, cpu(Access::read_write)});
    if (!plan)
        return plan.error();
    std::vector<Buffer> buffers;
    for (std::uint32_t i = 0; i < request.count; ++i) {
        auto buffer = plan->allocate();
        if (!buffer)
            return buffer.error();
        buffers.push_back(std::move(*buffer));
    }
    return buffers;
}

/// Makes the use of the same planes of a card that was opened anew.
Result<Use> use_of(const drm::Device& card, const drm::UsedPlanes& planes)
{
    if (!planes.plane)
        return card.scanout(planes.type);
    const auto all = drm::display_resources(card);
    if (!all)
        return all.error();
    for (const drm::DisplayPlane& plane : all->planes) {
        if (plane.id == planes.plane)
            return card.scanout(plane);
    }
    return Error::not_present("find a plane on " + card.info().path,
                              text::format("there is no plane {} any more", *planes.plane));
}

/// What a display says that it showed: a picture, or its checksum.
struct Shown {
    Picture picture;
    std::string checksum;

    friend bool operator==(const Shown&, const Shown&) = default;
};

class DisplayCheck {
public:
    DisplayCheck(Screen screen, std::vector<Buffer> own, Deadline deadline)
        : own_(std::move(own)),
          deadline_(deadline),
          screen_(std::move(screen))
    {}

    /// Makes room for the picture that the display writes back, if it does.
    Status open_eyes()
    {
        const auto format = screen_.writeback_format();
        if (!format)
            return {};
        const drm::Display& display = screen_.display();
        auto buffers = own_buffers(display.device(), {*format, display.mode().width, display.mode().height},
                                   display.device().writeback());
        if (!buffers)
            return buffers.error();
        written_ = std::move(buffers->front());
        return {};
    }

    /// Shows `count` pictures from the driver's own memory.
    Status learn(std::uint32_t count)
    {
        for (std::uint32_t i = 0; i < count; ++i) {
            auto shown = show(own_[i % own_.size()], i);
            if (!shown)
                return shown.error();
            const auto known = [&] { return std::find(expected_.begin(), expected_.end(), *shown) != expected_.end(); };
            if (Status again = look_again_while(known, *shown); !again)
                return again;
            if (known())
                return Error::unsupported("look at what the display shows", "it says the same of different pictures");
            expected_.push_back(std::move(*shown));
        }
        return {};
    }

    Result<Content> compare(std::vector<Buffer> buffers, std::uint32_t frames)
    {
        buffers_ = std::move(buffers);
        for (const Buffer& buffer : buffers_) {
            if (const auto taken = screen_.display().device().framebuffer(buffer); !taken)
                return taken.error();
        }
        Content content{.stage = written_
                                     ? "what the display writes back of the driver's own memory (dumb buffers)"
                                     : "the checksum that the display makes of the driver's own memory (dumb buffers)"};
        for (std::uint32_t i = 0; i < frames; ++i) {
            const Shown& expected = expected_[i % expected_.size()];
            const Buffer& buffer = buffers_[i % buffers_.size()];
            auto shown = show(buffer, static_cast<std::uint32_t>(i % expected_.size()));
            if (!shown)
                return shown.error();
            if (const Status again = look_again_while([&] { return *shown != expected; }, *shown); !again)
                return again.error();
            if (const Status looked = judge(expected, *shown, buffer, i, content); !looked)
                return looked.error();
        }
        const Layout& image = buffers_.front().layout();
        content = finished(std::move(content));
        if (content.result == Sameness::same &&
            (screen_.shown_width() < image.width || screen_.shown_height() < image.height))
            content.reason =
                text::format("the display has no mode for {}x{}: only the first {}x{} pixels were compared",
                             image.width, image.height, screen_.shown_width(), screen_.shown_height());
        return content;
    }

private:
    Status look_again(Shown& shown)
    {
        auto checksum = crc_->read(deadline_);
        if (!checksum)
            return checksum.error();
        shown.checksum = std::move(*checksum);
        return {};
    }

    /// Drivers make checksums in their own time: one that comes now may be of a frame that was on
    /// the display before.
    template <typename Wrong>
    Status look_again_while(Wrong wrong, Shown& shown)
    {
        constexpr int late_frames = 8;
        Status done;
        for (int tries = 0; crc_ && done && wrong() && tries < late_frames; ++tries)
            done = look_again(shown);
        return done;
    }

    Result<Shown> show(const Buffer& buffer, std::uint32_t picture)
    {
        Status done = look(buffer, Access::write, deadline_, [picture](const View& view) { draw(view, picture); });
        if (done)
            done = screen_.show(buffer, written_ ? &*written_ : nullptr, deadline_);
        if (!done)
            return done.error();
        Shown shown;
        if (written_) {
            done = look(*written_, Access::read, deadline_, [&](View view) {
                view.layout.width = screen_.shown_width();
                view.layout.height = screen_.shown_height();
                shown.picture = Picture(view);
            });
        } else {
            // A display that is off has no checksums.
            if (!crc_) {
                auto crc = Crc::open(screen_.display().device(), screen_.display().crtc().id, screen_.crtc_index());
                if (!crc)
                    return crc.error();
                crc_.emplace(std::move(*crc));
            }
            done = look_again(shown);
        }
        if (!done)
            return done.error();
        return shown;
    }

    Status judge(const Shown& expected, const Shown& shown, const Buffer& buffer, std::uint32_t frame,
                 Content& content) const
    {
        if (!written_) {
            ++content.frames;
            if (shown != expected) {
                content.result = Sameness::different;
                note(content,
                     {Cause::unknown,
                      text::format("from frame {} on the checksum is different; it does not say where", frame)});
            }
            return {};
        }
        const auto comparison = content::compare(expected.picture, shown.picture);
        const bool first = comparison.first && !content.first;
        add(content, frame, comparison);
        if (first)
            content.cause = Cause::unknown;
        // If the display writes the format that it reads, it says what it read.
        if (!first || shown.picture.format() != buffer.layout().format)
            return {};
        return look(buffer, Access::read, deadline_,
                    [&](const View& view) { note(content, guess(shown.picture, view, std::nullopt)); });
    }

    // The kernel turns a plane off when the framebuffer that it shows is removed. Framebuffers go
    // with their buffers, so all are kept, and the screen goes first.
    std::vector<Buffer> own_;
    std::vector<Buffer> buffers_;
    std::optional<Buffer> written_;
    std::optional<Crc> crc_;
    std::vector<Shown> expected_;
    Deadline deadline_;
    Screen screen_;
};

} // namespace

Result<Content> verify_display(const drm::Device& card, const drm::UsedPlanes& planes, const Stream& stream)
{
    const Layout& image = stream.layout();
    const auto master = Master::create(card.info().path);
    if (!master)
        return not_checked("the display is left alone: " + master.error().message());
    // Two, so that nothing is drawn where the display looks: a checksum may be of half a picture then.
    const auto use = use_of(master->card(), planes);
    if (!use)
        return not_checked(use.error().message());
    auto own = own_buffers(master->card(), {image.format, image.width, image.height, 2}, *use);
    if (!own)
        return not_checked("pictures in the driver's own memory cannot be shown and seen: " + own.error().message());
    auto screen = Screen::choose(master->card(), planes, own->front());
    if (!screen)
        return not_checked(screen.error().message());
    DisplayCheck check(std::move(*screen), std::move(*own), stream.deadline);
    if (const Status seen = check.open_eyes(); !seen)
        return not_checked("what the display shows cannot be written back: " + seen.error().message());
    // An odd number of buffers and an even one of pictures, or the other way round: every buffer
    // gets another picture each time.
    const std::uint32_t pictures = std::min<std::uint32_t>(stream.buffers.size() % 2 == 1 ? 2 : 3, stream.frames);
    if (const Status learned = check.learn(pictures); !learned)
        return not_checked("pictures in the driver's own memory cannot be shown and seen: " +
                           learned.error().message());
    auto twins = twins_of(stream.buffers);
    if (!twins)
        return twins.error();
    return check.compare(std::move(*twins), stream.frames);
}

} // namespace commonbuf::content
