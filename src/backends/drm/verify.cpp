// SPDX-License-Identifier: MIT
//
// Proof by content of a display. The same pictures are shown twice, from dumb buffers and
// from the buffers in question, and what the display says of them is compared: the
// picture that it writes back, or else its checksum.
#include "backends/drm/verify.hpp"

#include "backends/drm/crc.hpp"
#include "backends/drm/file.hpp"
#include "backends/drm/framebuffer_object.hpp"
#include "backends/drm/stage.hpp"
#include "buffer/buffer_state.hpp"
#include "verify/compare.hpp"
#include "base/text.hpp"

#include <drm.h>
#include <drm_mode.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace commonbuf::drm {
namespace {

using content::Picture;
using content::View;

Content not_checked(std::string reason)
{
    Content content;
    content.reason = std::move(reason);
    return content;
}

/// The first to open a card is its master; otherwise the present one must have left.
Status become_master(const File& file)
{
    drm_auth magic{};
    if (file.ioctl(DRM_IOCTL_AUTH_MAGIC, &magic) != EACCES)
        return {};
    if (const int error = file.ioctl(DRM_IOCTL_SET_MASTER, nullptr); error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_SET_MASTER"), "another program shows pictures there");
    return {};
}

Result<std::shared_ptr<File>> open_stage(const std::string& path)
{
    auto fd = os::open(path);
    if (!fd)
        return fd.error();
    auto file = File::create(std::move(*fd), path);
    if (!file)
        return file.error();
    if (const Status master = become_master(**file); !master)
        return master.error();
    // Without the third the kernel hides writeback connectors; a card without any refuses.
    constexpr std::array<std::uint64_t, 3> capabilities{DRM_CLIENT_CAP_UNIVERSAL_PLANES, DRM_CLIENT_CAP_ATOMIC,
                                                        DRM_CLIENT_CAP_WRITEBACK_CONNECTORS};
    for (const std::uint64_t capability : capabilities) {
        drm_set_client_cap request{capability, 1};
        const int error = (*file)->ioctl(DRM_IOCTL_SET_CLIENT_CAP, &request);
        if (error != 0 && capability == DRM_CLIENT_CAP_ATOMIC)
            return Error::from_errno(error, (*file)->where("DRM_CLIENT_CAP_ATOMIC"),
                                     "the driver has no atomic modesetting");
    }
    return file;
}

/// An image in the driver's own memory.
Result<Buffer> own_buffer(const File& file, const Request& request)
{
    const FormatInfo* info = format_info(request.format);
    if (info == nullptr)
        return Error::unsupported("make a dumb buffer", "the library does not know this format");
    const auto least = static_cast<std::uint32_t>(min_stride(*info, 0, request.width));
    auto layout = linear_layout(request, least, Memories::single);
    if (!layout)
        return layout.error();
    constexpr std::uint32_t bits = 8;
    drm_mode_create_dumb create{};
    create.width = request.width;
    create.height = static_cast<std::uint32_t>((layout->total_size() + least - 1) / least);
    create.bpp = bits * info->planes[0].block_bytes / info->planes[0].block_width;
    if (const int error = file.ioctl(DRM_IOCTL_MODE_CREATE_DUMB, &create); error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_MODE_CREATE_DUMB"));
    drm_prime_handle prime{};
    prime.handle = create.handle;
    prime.flags = DRM_CLOEXEC | DRM_RDWR;
    const int error = file.ioctl(DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);
    drm_mode_destroy_dumb destroy{};
    destroy.handle = create.handle;
    file.ioctl(DRM_IOCTL_MODE_DESTROY_DUMB, &destroy);
    if (error != 0)
        return Error::from_errno(error, file.where("DRM_IOCTL_PRIME_HANDLE_TO_FD"));
    std::vector<UniqueFd> memories;
    memories.emplace_back(prime.fd);
    if (auto wanted = linear_layout(request, create.pitch, Memories::single))
        layout = std::move(wanted);
    return Buffer::wrap(*layout, std::move(memories));
}

Result<std::shared_ptr<FramebufferObject>> framebuffer(const std::shared_ptr<File>& file, const Buffer& buffer)
{
    std::vector<int> memories;
    for (std::uint32_t i = 0; i < buffer.layout().memory_count; ++i)
        memories.push_back(buffer.dma_buf_fd(i));
    auto made = FramebufferObject::create(file, buffer.layout(), memories);
    if (!made)
        return std::move(made.error());
    return std::move(*made);
}

Status draw(const Buffer& buffer, std::uint32_t picture, Deadline deadline)
{
    auto access = buffer.write(deadline);
    if (!access)
        return access.error();
    content::draw({buffer.layout(), buffer.state().bytes()}, picture);
    return access->end();
}

/// What a display says that it showed: a picture, or its checksum.
struct Shown {
    Picture picture;
    std::string checksum;

    friend bool operator==(const Shown&, const Shown&) = default;
};

class ScanoutCheck {
public:
    ScanoutCheck(std::shared_ptr<File> file, Stage stage, const Layout& layout, Deadline deadline)
        : file_(std::move(file)),
          layout_(layout),
          deadline_(deadline),
          stage_(std::move(stage))
    {}

    /// Makes room for the picture that the display writes back, where it does.
    Status open_eyes()
    {
        const auto format = stage_.writeback_format();
        if (!format)
            return {};
        auto buffer = own_buffer(*file_, {*format, stage_.mode_width(), stage_.mode_height()});
        if (!buffer)
            return buffer.error();
        auto object = framebuffer(file_, *buffer);
        if (!object)
            return object.error();
        written_ = std::move(*buffer);
        written_object_ = std::move(*object);
        return {};
    }

    /// Shows `count` pictures from the driver's own memory.
    Status learn(std::uint32_t count)
    {
        // Two, so that nothing is drawn where the display looks: a checksum may be of half
        // a picture then.
        std::vector<Buffer> own;
        for (int i = 0; i < 2; ++i) {
            auto buffer = own_buffer(*file_, {layout_.format, layout_.width, layout_.height});
            if (!buffer)
                return buffer.error();
            auto object = framebuffer(file_, *buffer);
            if (!object)
                return object.error();
            own.push_back(std::move(*buffer));
            objects_.push_back(std::move(*object));
        }
        for (std::uint32_t i = 0; i < count; ++i) {
            auto shown = show(own[i % own.size()], *objects_[i % own.size()], i);
            if (!shown)
                return shown.error();
            const auto known = [&] { return std::find(expected_.begin(), expected_.end(), *shown) != expected_.end(); };
            for (int tries = 0; crc_ && known() && tries < late_frames; ++tries) {
                if (Status again = look_again(*shown); !again)
                    return again;
            }
            if (known()) {
                return Error::unsupported("look at what the display shows", "it says the same of different pictures");
            }
            expected_.push_back(std::move(*shown));
        }
        return {};
    }

    Result<Content> compare(std::span<const Buffer> buffers, std::uint32_t frames)
    {
        std::vector<std::shared_ptr<FramebufferObject>> objects;
        for (const Buffer& buffer : buffers) {
            auto object = framebuffer(file_, buffer);
            if (!object)
                return object.error();
            objects.push_back(*object);
            objects_.push_back(std::move(*object));
        }
        Content content;
        content.stage = written_ ? "what the display writes back of the driver's own memory (dumb buffers)"
                                 : "the checksum that the display makes of the driver's own memory (dumb buffers)";
        for (std::uint32_t i = 0; i < frames; ++i) {
            const auto picture = static_cast<std::uint32_t>(i % expected_.size());
            const Buffer& buffer = buffers[i % buffers.size()];
            auto shown = show(buffer, *objects[i % buffers.size()], picture);
            if (!shown)
                return shown.error();
            for (int tries = 0; crc_ && *shown != expected_[picture] && tries < late_frames; ++tries) {
                if (const Status again = look_again(*shown); !again)
                    return again.error();
            }
            if (const Status looked = look(expected_[picture], *shown, buffer, i, content); !looked)
                return looked.error();
        }
        if (content.result == Sameness::not_checked)
            content.result = Sameness::same;
        if (content.result == Sameness::same &&
            (stage_.shown_width() < layout_.width || stage_.shown_height() < layout_.height))
            content.reason = text::format("the display has no mode for {}x{}: the first {}x{} pixels were compared",
                                          layout_.width, layout_.height, stage_.shown_width(), stage_.shown_height());
        return content;
    }

private:
    /// Drivers make checksums in their own time: one that comes now may be of a frame that
    /// was on the display before.
    static constexpr int late_frames = 8;

    Status look_again(Shown& shown)
    {
        auto checksum = crc_->read(deadline_);
        if (!checksum)
            return checksum.error();
        shown.checksum = std::move(*checksum);
        return {};
    }

    Result<Shown> show(const Buffer& buffer, const FramebufferObject& object, std::uint32_t picture)
    {
        if (const Status drawn = draw(buffer, picture, deadline_); !drawn)
            return drawn.error();
        const Status done = stage_.show(object.id(), written_object_ ? written_object_->id() : 0, deadline_);
        if (!done)
            return done.error();
        if (!written_) {
            // A display that is off has no checksums.
            if (!crc_) {
                auto crc = Crc::open(file_, stage_.crtc_id(), stage_.crtc_index());
                if (!crc)
                    return crc.error();
                crc_.emplace(std::move(*crc));
            }
            auto checksum = crc_->read(deadline_);
            return checksum ? Result<Shown>(Shown{{}, std::move(*checksum)}) : checksum.error();
        }
        auto access = written_->read(deadline_);
        if (!access)
            return access.error();
        View view{written_->layout(), written_->state().bytes()};
        view.layout.width = stage_.shown_width();
        view.layout.height = stage_.shown_height();
        Shown shown{Picture(view), {}};
        if (const Status ended = access->end(); !ended)
            return ended.error();
        return shown;
    }

    Status look(const Shown& expected, const Shown& shown, const Buffer& buffer, std::uint32_t frame,
                Content& content) const
    {
        if (!written_) {
            ++content.frames;
            if (shown == expected)
                return {};
            content.result = Sameness::different;
            content.cause = Cause::unknown;
            content.reason =
                text::format("from frame {} on the checksum is another one; it says nothing of where", frame);
            return {};
        }
        const auto comparison = content::compare(expected.picture, shown.picture);
        const bool first = comparison.first && !content.first;
        content::add(content, frame, comparison);
        if (!first)
            return {};
        content.cause = Cause::unknown;
        // Where the display writes the format that it reads, it says what it read.
        if (shown.picture.format() != layout_.format)
            return {};
        auto access = buffer.read(deadline_);
        if (!access)
            return access.error();
        const auto guess = content::guess(shown.picture, {layout_, buffer.state().bytes()}, std::nullopt);
        content.cause = guess.cause;
        content.reason = guess.reason;
        return access->end();
    }

    std::shared_ptr<File> file_;
    Layout layout_;
    Deadline deadline_;
    std::optional<Buffer> written_;
    std::shared_ptr<FramebufferObject> written_object_;
    std::optional<Crc> crc_;
    std::vector<Shown> expected_;
    // The kernel turns a plane off when the framebuffer that it shows is removed: so all
    // are kept, and the stage goes first.
    std::vector<std::shared_ptr<FramebufferObject>> objects_;
    Stage stage_;
};

} // namespace

Result<Content> verify_scanout(const std::string& path, std::span<const Buffer> buffers, std::uint32_t frames,
                               Deadline deadline)
{
    const Layout& layout = buffers.front().layout();
    auto file = open_stage(path);
    if (!file)
        return not_checked("the display is left alone: " + file.error().message());
    auto stage = Stage::create(*file, layout.format, layout.width, layout.height);
    if (!stage)
        return not_checked(stage.error().message());
    ScanoutCheck check(*file, std::move(*stage), layout, deadline);
    if (const Status seen = check.open_eyes(); !seen)
        return not_checked("what the display shows cannot be written back: " + seen.error().message());
    // An odd number of buffers and an even one of pictures, or the other way round: every
    // buffer gets another picture each time.
    const std::uint32_t pictures = std::min<std::uint32_t>(buffers.size() % 2 == 1 ? 2 : 3, frames);
    if (const Status learned = check.learn(pictures); !learned)
        return not_checked("pictures in the driver's own memory cannot be shown and seen: " +
                           learned.error().message());
    return check.compare(buffers, frames);
}

} // namespace commonbuf::drm
