// SPDX-License-Identifier: MIT
//
// The planes of a DRM device as uses, and its writeback connectors. The trial is a PRIME import and
// ADDFB2: neither needs DRM master, and neither shows anything. They prove little: drivers on the
// shmem helpers take every dma-buf and look at its memory only at the first commit
// (drm_gem_shmem_helper.c). So the best verdict here is "accepted".
#include "backends/drm/importer.hpp"

#include "backends/drm/file.hpp"
#include "backends/drm/framebuffer.hpp"
#include "backends/drm/objects.hpp"
#include "backends/drm/plane_formats.hpp"
#include "backends/drm/resources.hpp"
#include "base/text.hpp"
#include "format/twins.hpp"
#include "os/os.hpp"
#include "os/reach.hpp"

#include <commonbuf/drm/device.hpp>

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace commonbuf::drm {
namespace {

class FramebufferTrial final : public Trial {
public:
    FramebufferTrial(std::shared_ptr<File> file, const Layout& layout) : file_(std::move(file)), layout_(layout) {}

    Verdict attempt(std::span<const int> memories) override
    {
        const auto object = FramebufferObject::create(file_, layout_, memories);
        file_->tell();
        return object ? Verdict::accepted("DRM_IOCTL_MODE_ADDFB2",
                                          "the driver made a framebuffer; only a commit tells whether it can show it, "
                                          "and on a virtual machine the host may refuse even then, without a word")
                      : Verdict::refused(object.error());
    }

private:
    std::shared_ptr<File> file_;
    Layout layout_;
};

std::vector<FormatModifier> shared(const std::vector<FormatModifier>& a, const std::vector<FormatModifier>& b)
{
    std::vector<FormatModifier> both;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    return both;
}

std::vector<FormatModifier> united(const std::vector<FormatModifier>& a, const std::vector<FormatModifier>& b)
{
    std::vector<FormatModifier> all;
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
    return all;
}

/// A framebuffer is the same for all of them, but what was shown, written or refused at work is not.
std::string identity_of(const File& file, std::string_view role)
{
    return file.identity().empty() ? std::string() : text::format("{} {}", file.identity(), role);
}

std::string format_name(const FormatModifier& each) { return to_string(each.format); }
/// Advice on a code of V4L2 that DRM has another name for.
std::string other_name(Format format)
{
    const TiledTwin* twin = format.is_v4l2 ? tiled_twin(format.fourcc) : nullptr;
    return twin == nullptr ? ""
                           : text::format("ask for {}: {} is {}", to_string(twin->drm.format), to_string(format),
                                          to_string(twin->drm));
}

std::string size_name(const ImageSize& size) { return text::format("{}x{}", size.width, size.height); }

/// What planes and writeback connectors have in common as uses.
class FramebufferImporter : public Importer {
public:
    const std::string& name() const noexcept override { return name_; }
    const std::string& identity() const noexcept override { return identity_; }

    Result<std::unique_ptr<Trial>> begin_trial(const Layout& layout) override
    {
        return std::make_unique<FramebufferTrial>(file_, layout);
    }

    const std::shared_ptr<File>& file() const noexcept { return file_; }

protected:
    FramebufferImporter(std::shared_ptr<File> file, std::string_view role)
        : file_(std::move(file)),
          role_(role),
          name_(text::format("drm:{}:{}", file_->info().path, role_)),
          identity_(identity_of(*file_, role_))
    {}

    std::string operation() const { return text::format("use {} for {}", file_->info().path, role_); }

    /// Errors: unsupported (the device imports nothing, or not this size).
    Status check(const Request& request, std::uint32_t max_width, std::uint32_t max_height) const
    {
        if (!file_->info().imports)
            return Error::unsupported(operation(), "the driver does not import dma-bufs (DRM_CAP_PRIME)");
        if (request.width > max_width || request.height > max_height)
            return Error::unsupported(operation(), text::format("{}x{} is larger than the {}x{} that the device shows",
                                                                request.width, request.height, max_width, max_height));
        return {};
    }

    /// Adds the ways in which one format is accepted: linear with what was measured and `more`, all
    /// others as the GPU lays them out. `known` is sorted.
    Status append(Support& support, const std::vector<FormatModifier>& known, Format format, std::uint32_t width,
                  const Constraints& more) const
    {
        const FormatInfo* info = format_info(format);
        auto entry = std::lower_bound(known.begin(), known.end(), FormatModifier{format, linear});
        const auto reach = os::reach_of(file_->sysfs() + "/device");
        // A driver without modifiers shows linear images, because dumb buffers are linear.
        bool is_linear = false;
        for (; entry != known.end() && entry->format == format; ++entry) {
            if (entry->modifier == linear || entry->modifier == implicit_modifier)
                is_linear = true;
            else
                append_tiled(support, *entry, within(reach, {}));
        }
        const bool any = is_linear || (!support.entries.empty() && support.entries.back().format == format);
        // What the device's own allocator laid out is accepted without a modifier too: the driver
        // knows how it lies.
        if (any && info != nullptr)
            support.entries.push_back({format, implicit_modifier, Memories::single, {}});
        if (!is_linear || info == nullptr)
            return {};
        const auto measured = file_->constraints(format, width);
        if (!measured)
            return measured.error();
        SharedConstraints asked = within(reach, *measured);
        if (role_ != "scanout" || more != Constraints()) {
            Constraints own = *asked;
            for (Origin& origin : own.origins)
                origin.device = name_;
            auto merged = merge(own, more);
            if (!merged)
                return merged.error();
            asked = std::move(*merged);
        }
        support.entries.push_back({format, linear, Memories::single, asked});
        if (info->plane_count > 1)
            support.entries.push_back({format, linear, Memories::per_plane, asked});
        return {};
    }

private:
    /// A framebuffer has a handle for each plane, whatever its modifier. Images in tiles come with
    /// several memories only from V4L2, in some of its codes.
    static void append_tiled(Support& support, const FormatModifier& pair, const SharedConstraints& asked)
    {
        support.entries.push_back({pair.format, pair.modifier, Memories::single, asked});
        if (tiled_twin({pair.format, pair.modifier, Memories::per_plane}) != nullptr)
            support.entries.push_back({pair.format, pair.modifier, Memories::per_plane, asked});
    }

    /// The same constraints, and addresses that the device reaches.
    SharedConstraints within(std::optional<std::uint32_t> reach, const SharedConstraints& asked) const
    {
        if (!reach)
            return asked;
        Constraints limited = *asked;
        limited.address_bits = std::min(limited.address_bits, *reach);
        limited.add_origin({Constraint::address_bits, *reach, name_, "dma_mask_bits"});
        return limited;
    }

    std::shared_ptr<File> file_;
    std::string role_;
    std::string name_;
    std::string identity_;
};

constexpr std::string_view writeback_role = "writeback";

std::string role_of(const PlaneChoice& planes)
{
    std::string role = planes.flip == Flip::at_once ? "async-" : "";
    if (planes.one)
        return role + text::format("plane={}", planes.one->id);
    if (planes.type == PlaneType::primary)
        return role + "scanout";
    return role + std::string(to_string(planes.type));
}

class ScanoutImporter final : public FramebufferImporter {
public:
    ScanoutImporter(std::shared_ptr<File> file, PlaneChoice planes)
        : FramebufferImporter(std::move(file), role_of(planes)),
          planes_(std::move(planes))
    {}

    Result<std::shared_ptr<const Support>> support(const Request& request) override
    {
        const auto scanout = file()->scanout_support();
        if (!scanout)
            return scanout.error();
        if (Status can = check(request, (*scanout)->max_width, (*scanout)->max_height); !can)
            return can.error();
        if (planes_.flip == Flip::at_once && !file()->info().atomic_async_flips)
            return Error::unsupported(operation(), "the driver cannot flip without waiting for vblank in an atomic "
                                                   "commit (DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP)");
        const std::vector<DisplayPlane> chosen = choose((*scanout)->planes);
        if (chosen.empty())
            return Error::unsupported(operation(), text::format("the device has no {} plane", to_string(planes_.type)));
        Constraints rows;
        if (Status fits = check_cursors(chosen, request); !fits)
            return fits.error();
        const std::vector<FormatModifier> shown = shown_by(chosen);
        auto support = std::make_shared<Support>();
        for (const Format format : request.formats()) {
            if (chosen.front().type == PlaneType::cursor)
                rows = without_padding(format, request.width, chosen.front());
            if (Status added = append(*support, shown, format, request.width, rows); !added)
                return added.error();
        }
        support->sort();
        if (!support->entries.empty())
            return support;
        return refusal(request, (*scanout)->planes, shown);
    }

    const PlaneChoice& planes() const noexcept { return planes_; }

private:
    std::vector<DisplayPlane> choose(const std::vector<DisplayPlane>& all) const
    {
        if (planes_.one)
            return {*planes_.one};
        std::vector<DisplayPlane> chosen;
        std::copy_if(all.begin(), all.end(), std::back_inserter(chosen),
                     [&](const DisplayPlane& plane) { return plane.type == planes_.type; });
        return chosen;
    }

    const std::vector<FormatModifier>& shown_by(const DisplayPlane& plane) const
    {
        return planes_.flip == Flip::at_once && !plane.async_formats.empty() ? plane.async_formats : plane.formats;
    }

    /// A program chooses among overlays; primary planes and cursors come with their CRTC.
    std::vector<FormatModifier> shown_by(const std::vector<DisplayPlane>& chosen) const
    {
        std::vector<FormatModifier> pairs = shown_by(chosen.front());
        for (const DisplayPlane& plane : chosen)
            pairs = plane.type == PlaneType::overlay ? united(pairs, shown_by(plane)) : shared(pairs, shown_by(plane));
        return pairs;
    }

    Status check_cursors(const std::vector<DisplayPlane>& chosen, const Request& request) const
    {
        const ImageSize wanted{request.width, request.height};
        for (const DisplayPlane& plane : chosen) {
            const auto& sizes = plane.cursor_sizes;
            if (sizes.empty() || std::find(sizes.begin(), sizes.end(), wanted) != sizes.end())
                continue;
            return Error::unsupported(operation(),
                                      text::format("cursor plane {} takes {} for sure, not {}", plane.id,
                                                   names_of(sizes, size_name), size_name(wanted)),
                                      "draw the pointer into the corner of an image of such a size");
        }
        return {};
    }

    /// Cursor planes have no stride: rows follow each other.
    Constraints without_padding(Format format, std::uint32_t width, const DisplayPlane& plane) const
    {
        Constraints rows;
        const FormatInfo* info = format_info(format);
        const std::uint64_t row = info != nullptr ? min_stride(*info, 0, width) : 0;
        if (row == 0 || row > std::numeric_limits<std::uint32_t>::max())
            return rows;
        rows.min_stride = rows.max_stride = static_cast<std::uint32_t>(row);
        const char* call = value_of(plane, "SIZE_HINTS") != 0 ? "SIZE_HINTS" : "DRM_CAP_CURSOR_WIDTH";
        rows.add_origin({Constraint::min_stride, row, name(), call});
        rows.add_origin({Constraint::max_stride, row, name(), call});
        return rows;
    }

    /// Says what there is instead, and which planes show the image.
    Error refusal(const Request& request, const std::vector<DisplayPlane>& all,
                  const std::vector<FormatModifier>& shown) const
    {
        const auto formats = request.formats();
        const auto wanted = [&](const FormatModifier& each) {
            return std::find(formats.begin(), formats.end(), each.format) != formats.end();
        };
        std::vector<std::string> others;
        for (const DisplayPlane& plane : all) {
            if (std::any_of(plane.formats.begin(), plane.formats.end(), wanted))
                others.push_back(text::format("{} plane {}", to_string(plane.type), plane.id));
        }
        if (others.empty() && !planes_.one)
            return Error::unsupported(operation(),
                                      text::format("no plane shows {}; they show {}", to_string(request.format),
                                                   names_of(shown, format_name, "nothing")),
                                      other_name(request.format));
        std::string detail = planes_.one
                                 ? text::format("plane {} does not show {}; it shows {}", planes_.one->id,
                                                to_string(request.format), names_of(shown, format_name, "nothing"))
                                 : text::format("{} planes do not show {}; they show {}", to_string(planes_.type),
                                                to_string(request.format), names_of(shown, format_name, "nothing"));
        if (!others.empty())
            detail += text::format("; {} {} it", text::join(others, ", "), others.size() == 1 ? "shows" : "show");
        return Error::unsupported(operation(), std::move(detail),
                                  others.empty() ? other_name(request.format)
                                                 : "ask for another type of plane, or for one plane by its id");
    }

    PlaneChoice planes_;
};

class WritebackImporter final : public FramebufferImporter {
public:
    explicit WritebackImporter(std::shared_ptr<File> file) : FramebufferImporter(std::move(file), writeback_role) {}

    Result<std::shared_ptr<const Support>> support(const Request& request) override
    {
        const auto scanout = file()->scanout_support();
        if (!scanout)
            return scanout.error();
        if (Status can = check(request, (*scanout)->max_width, (*scanout)->max_height); !can)
            return can.error();
        const auto connectors = read_writeback_connectors(*file());
        if (!connectors)
            return connectors.error();
        std::optional<std::vector<FormatModifier>> written;
        for (const Connector& connector : *connectors) {
            std::vector<FormatModifier> formats;
            formats.reserve(connector.write_formats.size());
            for (const Format format : connector.write_formats)
                formats.push_back({format, linear});
            std::sort(formats.begin(), formats.end());
            written = written ? shared(*written, formats) : std::move(formats);
        }
        if (!written)
            return Error::unsupported(operation(), "the device has no writeback connector");
        auto support = std::make_shared<Support>();
        for (const Format format : request.formats()) {
            if (Status added = append(*support, *written, format, request.width, {}); !added)
                return added.error();
        }
        support->sort();
        if (!support->entries.empty())
            return support;
        return Error::unsupported(operation(),
                                  text::format("no writeback connector writes {}; they write {}",
                                               to_string(request.format), names_of(*written, format_name, "nothing")));
    }
};

} // namespace

std::vector<std::string> identities_of(const File& file, const DisplayPlane& plane, Flip flip)
{
    return {identity_of(file, role_of({.type = plane.type, .flip = flip})),
            identity_of(file, role_of({.type = plane.type, .one = plane, .flip = flip}))};
}

std::string writeback_identity(const File& file) { return identity_of(file, writeback_role); }

std::vector<std::string> all_identities(const File& file)
{
    std::vector<std::string> all;
    for (const PlaneType type : {PlaneType::primary, PlaneType::overlay, PlaneType::cursor}) {
        for (const Flip flip : {Flip::at_vblank, Flip::at_once})
            all.push_back(identity_of(file, role_of({.type = type, .flip = flip})));
    }
    all.push_back(writeback_identity(file));
    return all;
}

Use make_scanout(std::shared_ptr<File> file, PlaneChoice planes)
{
    return Use(std::make_shared<ScanoutImporter>(std::move(file), std::move(planes)));
}

Use make_writeback(std::shared_ptr<File> file) { return Use(std::make_shared<WritebackImporter>(std::move(file))); }

std::optional<Device> device_of(const Use& use)
{
    const auto* importer = dynamic_cast<const ScanoutImporter*>(&use.importer());
    return importer != nullptr ? std::optional(Device(importer->file())) : std::nullopt;
}

std::optional<UsedPlanes> planes_of(const Use& use)
{
    const auto* importer = dynamic_cast<const ScanoutImporter*>(&use.importer());
    if (importer == nullptr)
        return std::nullopt;
    const PlaneChoice& planes = importer->planes();
    return UsedPlanes{planes.type, planes.one ? std::optional(planes.one->id) : std::nullopt};
}

} // namespace commonbuf::drm
