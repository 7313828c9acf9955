// SPDX-License-Identifier: MIT
//
// What a display requires of strides and offsets, which no call tells: trial framebuffers (ADDFB2)
// over one dumb buffer, changing one number at a time. ADDFB2 checks the numbers and the size of
// the memory, and shows nothing.
#include "backends/drm/measure.hpp"

#include "base/text.hpp"
#include "os/dumb_buffer.hpp"

#include <commonbuf/layout.hpp>

#include <drm.h>
#include <drm_mode.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

namespace commonbuf::drm {
namespace {

class Prober {
public:
    Prober(const File& file, int fd, const FormatInfo& info, std::uint32_t width)
        : file_(file),
          fd_(fd),
          dumb_(make_dumb(fd, file.info().path)),
          info_(info),
          width_(width)
    {
        // Few rows, so that long strides fit into the buffer; but displays have a minimum height.
        drm_mode_card_res resources{};
        if (const int error = file.ioctl(DRM_IOCTL_MODE_GETRESOURCES, &resources); error != 0)
            trouble_ = Error::from_errno(error, file.where("DRM_IOCTL_MODE_GETRESOURCES"));
        constexpr std::uint32_t whole_samples = 4;
        height_ = (std::max(resources.min_height, 1U) + whole_samples - 1) / whole_samples * whole_samples;
    }

    /// Says why a call failed for a reason other than the numbers. Then nothing was learned.
    const std::optional<Error>& trouble() const noexcept { return trouble_; }
    const Result<os::DumbBuffer>& dumb() const noexcept { return dumb_; }

    /// Returns the layout with this stride; nothing if the buffer is too small for it.
    std::optional<Layout> layout(std::uint32_t stride) const
    {
        const auto made = linear_layout({info_.format, width_, height_}, stride, Memories::single);
        return made && made->total_size() + slack <= dumb_->size() ? std::optional(*made) : std::nullopt;
    }

    /// Tries whether the driver makes a framebuffer of this.
    bool takes(const std::optional<Layout>& layout)
    {
        if (!layout)
            return false;
        drm_mode_fb_cmd2 request{.width = width_,
                                 .height = height_,
                                 .pixel_format = info_.format.fourcc,
                                 .flags = file_.info().modifiers ? unsigned{DRM_MODE_FB_MODIFIERS} : 0U};
        for (std::uint32_t i = 0; i < layout->plane_count; ++i) {
            request.handles[i] = dumb_->handle();
            request.pitches[i] = layout->planes[i].stride;
            request.offsets[i] = static_cast<std::uint32_t>(layout->planes[i].offset);
        }
        const int error = os::ioctl_again(fd_, DRM_IOCTL_MODE_ADDFB2, &request);
        if (error == 0)
            os::ioctl_again(fd_, DRM_IOCTL_MODE_RMFB, &request.fb_id);
        else if (error != EINVAL && error != ERANGE && error != EOVERFLOW)
            trouble_ = Error::from_errno(error, file_.where("DRM_IOCTL_MODE_ADDFB2"));
        return error == 0;
    }

private:
    /// Memory that is short allows a smaller one.
    static Result<os::DumbBuffer> make_dumb(int fd, const std::string& path)
    {
        auto dumb = os::DumbBuffer::create(fd, path, {side, side, bits});
        return dumb || dumb.error().category != Category::out_of_memory
                   ? std::move(dumb)
                   : os::DumbBuffer::create(fd, path, {side, side / 16, bits});
    }

    static constexpr std::uint64_t slack = 8192; ///< for planes that are moved back

    static constexpr std::uint32_t side = 1024;
    static constexpr std::uint32_t bits = 32;

    const File& file_;
    int fd_;
    Result<os::DumbBuffer> dumb_;
    const FormatInfo& info_;
    std::uint32_t width_;
    std::uint32_t height_ = 0;
    std::optional<Error> trouble_;
};

constexpr auto steps = std::to_array<std::uint32_t>({1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096});

/// Returns the smallest multiple of `step`, but not of twice that, that is at least `least`.
template <typename Number>
Number odd_multiple(Number least, std::uint32_t step)
{
    const Number count = (least + step - 1) / step;
    return (count % 2 != 0 ? count : count + 1) * step;
}

/// Finds the longest stride that is accepted. Returns nothing if there is no limit below a length
/// that no display needs, or if the buffer is too small to look for one.
std::optional<std::uint32_t> longest(Prober& prober, std::uint32_t least, std::uint32_t step)
{
    constexpr std::uint32_t no_limit = 1U << 17U;
    std::uint32_t refused = no_limit / step * step;
    while (!prober.layout(refused) && refused > 2 * least)
        refused = refused / 2 / step * step;
    if (refused <= 2 * least || prober.takes(prober.layout(refused)))
        return std::nullopt;
    std::uint32_t taken = least;
    while (refused - taken > step) {
        const std::uint32_t middle = taken + (refused - taken) / 2 / step * step;
        (prober.takes(prober.layout(middle)) ? taken : refused) = middle;
    }
    return taken;
}

/// Finds the alignment of the last plane's offset; nothing if no offset is accepted.
std::optional<std::uint32_t> offset_step(Prober& prober, std::uint32_t stride)
{
    const auto natural = prober.layout(stride);
    if (!natural || natural->plane_count < 2)
        return std::nullopt;
    for (const std::uint32_t step : steps) {
        Layout moved = *natural;
        Plane& last = moved.planes[moved.plane_count - 1];
        last.offset = odd_multiple(last.offset, step);
        if (prober.takes(moved))
            return step;
    }
    return std::nullopt;
}

} // namespace

Result<Constraints> measure_framebuffers(const File& file, int fd, Format format, std::uint32_t width)
{
    const FormatInfo* info = format_info(format);
    constexpr std::uint32_t most_pixels = 16384;
    if (info == nullptr || width > most_pixels || !file.info().dumb_buffers)
        return Constraints{};
    Prober prober(file, fd, *info, width);
    if (!prober.dumb() || prober.trouble())
        return prober.dumb() ? *prober.trouble() : prober.dumb().error();

    Constraints found;
    const auto note = [&](Constraint constraint, std::uint64_t value) {
        found.add_origin(
            {constraint, value, text::format("drm:{}:scanout", file.info().path), "DRM_IOCTL_MODE_ADDFB2"});
    };
    const auto least = static_cast<std::uint32_t>(min_stride(*info, 0, width));
    const auto* const align = std::find_if(steps.begin(), steps.end(), [&](std::uint32_t step) {
        return prober.takes(prober.layout(odd_multiple(least, step)));
    });
    if (align != steps.end()) {
        const std::uint32_t stride = odd_multiple(least, *align);
        if (*align != 1) {
            found.stride_align = *align;
            note(Constraint::stride_align, *align);
        }
        if (const auto most = longest(prober, stride, *align)) {
            found.max_stride = *most;
            note(Constraint::max_stride, *most);
        }
        if (const auto offset = offset_step(prober, stride); offset.value_or(1) != 1) {
            found.offset_align = *offset;
            note(Constraint::offset_align, *offset);
        }
    }
    // If not even a plain framebuffer is accepted, the trial will say why.
    if (prober.trouble())
        return *prober.trouble();
    return found;
}

} // namespace commonbuf::drm
