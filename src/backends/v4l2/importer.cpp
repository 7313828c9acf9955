// SPDX-License-Identifier: MIT
//
// A V4L2 queue as a use: what TRY_FMT says about layouts.
#include "backends/v4l2/importer.hpp"

#include "backends/v4l2/format.hpp"
#include "backends/v4l2/heap.hpp"
#include "backends/v4l2/trial.hpp"
#include "base/text.hpp"
#include "format/twins.hpp"
#include "os/os.hpp"
#include "os/reach.hpp"

#include <commonbuf/v4l2/device.hpp>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <optional>

namespace commonbuf::v4l2 {
namespace {

class QueueImporter final : public Importer {
public:
    QueueImporter(std::shared_ptr<Node> node, Role role)
        : node_(std::move(node)),
          role_(role),
          name_(text::format("v4l2:{}:{}", node_->info().path, to_string(role))),
          identity_(node_->identity(role))
    {}

    const std::string& name() const noexcept override { return name_; }
    const std::string& identity() const noexcept override { return identity_; }

    std::shared_ptr<Heap> own_heap() override
    {
        if (!own_heap_ && node_->has(role_))
            own_heap_ = make_heap(node_, role_);
        return own_heap_;
    }

    Result<std::shared_ptr<const Support>> support(const Request& request) override
    {
        const std::string operation = text::format("use {} for {}", node_->info().path, to_string(role_));
        if (!node_->has(role_))
            return Error::not_present(operation, text::format("{} ({}) has no {} queue", node_->info().path,
                                                              node_->info().name, to_string(role_)));
        if (!node_->info().streaming)
            return Error::not_present(operation, "the node has no buffer queues (read and write only)");

        auto support = std::make_shared<Support>();
        std::optional<Error> why_not;
        for (const Format format : request.formats()) {
            Request one = request;
            one.format = format;
            one.alternatives.clear();
            measure_format(one, *support, why_not);
            // A device that is gone lacks no format.
            if (why_not && why_not->concerns_device())
                return std::move(*why_not);
        }
        support->sort();
        if (!support->entries.empty())
            return support;
        if (why_not)
            return std::move(*why_not);
        return Error::unsupported(operation, text::format("the node does not have the format {}; it has {}",
                                                          to_string(request.format), format_list()));
    }

    Result<Layout> fit(const Layout& layout) override
    {
        const auto answer = try_format(*node_, role_, layout);
        if (!answer)
            return answer.error();
        if (const Status same = same_image(*node_, role_, layout, *answer, "VIDIOC_TRY_FMT"); !same)
            return same.error();
        Layout fitted = layout;
        for (std::uint32_t i = 0; i < layout.memory_count; ++i)
            fitted.memory_sizes[i] = std::max<std::uint64_t>(layout.memory_sizes[i], answer->sizes[i]);
        return fitted;
    }

    Result<std::unique_ptr<Trial>> begin_trial(const Layout& layout) override
    {
        return v4l2::begin_trial(node_, role_, layout);
    }

    UsedQueue queue() const { return {Device(node_), role_}; }

private:
    /// Appends how the node takes one format to `support`, or sets `why_not`.
    void measure_format(const Request& request, Support& support, std::optional<Error>& why_not) const
    {
        std::vector<Arrangement> ways{{request.format, linear, Memories::single}};
        if (const FormatInfo* info = format_info(request.format); info != nullptr && info->plane_count > 1)
            ways.push_back({request.format, linear, Memories::per_plane});
        for (const TiledTwin& twin : tiled_twins()) {
            if (twin.drm.format == request.format)
                ways.push_back(twin.drm);
        }
        for (const Arrangement& way : ways) {
            const std::uint32_t fourcc = code_of(*node_, role_, way);
            const auto& known = node_->formats(role_);
            if (fourcc == 0 || std::find(known.begin(), known.end(), fourcc) == known.end())
                continue;
            auto entry = measure(request, way);
            if (!entry && entry.error().concerns_device()) {
                why_not = entry.error();
                return;
            }
            if (entry)
                support.entries.push_back(std::move(*entry));
            else
                why_not = entry.error();
        }
    }

    /// What the driver makes of a layout that may not be one; nothing if it does not take it at
    /// all. Errors: what else it answers.
    Result<std::optional<Answer>> sample(const Layout& layout, std::uint32_t field) const
    {
        v4l2_format format = to_v4l2(*node_, role_, layout, field);
        const int error = node_->ioctl(VIDIOC_TRY_FMT, &format);
        if (error == EINVAL)
            return std::nullopt;
        if (error != 0)
            return node_->failed(error, "VIDIOC_TRY_FMT");
        return from_v4l2(format);
    }

    /// A layout of which nothing is known yet but the arrangement.
    static Layout probe_of(const Request& request, const Arrangement& way)
    {
        Layout probe;
        probe.format = request.format;
        probe.modifier = way.modifier;
        probe.width = request.width;
        probe.height = request.height;
        probe.lines_before = request.lines_before;
        probe.lines_after = request.lines_after;
        const FormatInfo* info = format_info(request.format);
        probe.plane_count = info != nullptr ? info->plane_count : 1;
        probe.memory_count = way.memories == Memories::single ? 1 : probe.plane_count;
        for (std::uint32_t i = 0; i < probe.plane_count; ++i)
            probe.planes[i].memory = way.memories == Memories::single ? 0 : i;
        return probe;
    }

    /// How the node takes an image in one arrangement.
    Result<Support::Entry> measure(const Request& request, const Arrangement& way) const
    {
        Layout probe = probe_of(request, way);
        const auto own = try_format(*node_, role_, probe);
        if (!own)
            return own.error();
        Arrangement found = way;
        // How many memories an opaque format has is the driver's to say.
        if (is_opaque(request.format) && own->memory_count > 1 && own->memory_count <= max_planes) {
            found.memories = Memories::per_plane;
            probe.memory_count = probe.plane_count = own->memory_count;
        }
        if (const Status same = same_image(*node_, role_, probe, *own, "VIDIOC_TRY_FMT"); !same) {
            Error error = same.error();
            const bool resized = own->width != request.width || own->height != request.height;
            if (std::string advice = resized ? sizes_advice(*node_, own->fourcc) : ""; !advice.empty())
                error.advice = std::move(advice);
            return error;
        }
        const TiledTwin* twin = tiled_twin(way);
        if (twin == nullptr && found.memories == way.memories)
            return measure_rows(probe, *own).map([&](Constraints constraints) {
                return Support::Entry{way, std::move(constraints)};
            });
        // Nobody can work out where the pixels are: the driver's layout is the only one.
        return (twin != nullptr ? tiled(*twin, request, *own) : several_memories(request, *own))
            .map([&](const Layout& layout) {
                return Support::Entry{found, least_constraints(*own), std::make_shared<const Layout>(layout)};
            });
    }

    /// The layout that the driver answers to a code for tiles.
    Result<Layout> tiled(const TiledTwin& twin, const Request& request, const Answer& own) const
    {
        auto layout = tiled_layout(twin, request, own.strides[0], own.height);
        if (!layout) {
            Error error = layout.error();
            return Error::unsupported(node_->where("VIDIOC_TRY_FMT"), std::move(error.detail));
        }
        for (std::uint32_t i = 0; i < layout->memory_count; ++i) {
            layout->memory_sizes[i] = std::max<std::uint64_t>(layout->memory_sizes[i], own.sizes[i]);
            if (i != 0 && own.strides[i] != 0)
                layout->planes[i].stride = own.strides[i];
        }
        return layout;
    }

    /// The layout of an opaque format with several memories.
    static Result<Layout> several_memories(const Request& request, const Answer& own)
    {
        std::vector<OpaqueMemory> memories;
        memories.reserve(own.memory_count);
        for (std::uint32_t i = 0; i < own.memory_count; ++i)
            memories.push_back({own.strides[i], own.sizes[i]});
        return opaque_layout(request, memories);
    }

    /// What holds for every arrangement.
    Constraints least_constraints(const Answer& own) const
    {
        Constraints constraints;
        if (const auto reach = os::reach_of(node_->sysfs() + "/device")) {
            constraints.address_bits = *reach;
            constraints.add_origin({Constraint::address_bits, *reach, name_, "dma_mask_bits"});
        }
        // The driver may want bytes beyond the pixels, for padding or headers.
        if (own.memory_count == 1 && own.sizes[0] > own.strides[0]) {
            constraints.min_size = own.sizes[0];
            constraints.add_origin({Constraint::min_size, own.sizes[0], name_, "VIDIOC_TRY_FMT"});
        }
        return constraints;
    }

    /// Samples TRY_FMT: the driver's own stride, whether it takes others, in which steps and up
    /// to which one.
    Result<Constraints> measure_rows(const Layout& probe, const Answer& own) const
    {
        Constraints constraints = least_constraints(own);
        if (own.strides[0] == 0)
            return constraints; // compressed frames have no rows
        const std::uint32_t stride = own.strides[0];
        constraints.min_stride = stride;
        const auto next = stride_for(probe, own, stride + 1);
        if (!next)
            return next.error();
        if (*next > stride) {
            constraints.stride_align = std::gcd(stride, *next);
            constexpr std::uint32_t huge = 1U << 30U;
            const auto most = stride_for(probe, own, huge);
            if (!most)
                return most.error();
            if (*most >= *next && *most < huge)
                constraints.max_stride = *most;
        } else {
            constraints.max_stride = stride;
        }
        if (node_->is_coded(role_)) {
            const auto step = row_step(probe, own.height);
            if (!step)
                return step.error();
            constraints.height_align = *step;
        }
        const Constraints none;
        const auto note = [&](Constraint constraint, std::uint32_t Constraints::*value) {
            if (constraints.*value != none.*value)
                constraints.add_origin({constraint, constraints.*value, name_, "VIDIOC_TRY_FMT"});
        };
        note(Constraint::height_align, &Constraints::height_align);
        note(Constraint::min_stride, &Constraints::min_stride);
        note(Constraint::stride_align, &Constraints::stride_align);
        note(Constraint::max_stride, &Constraints::max_stride);
        return constraints;
    }

    /// The steps in which a codec pads the rows of its pictures, so that a picture of the probe's
    /// height gets `rows`.
    Result<std::uint32_t> row_step(Layout probe, std::uint32_t rows) const
    {
        const auto rows_for = [&](std::uint32_t height) {
            probe.height = height;
            return sample(probe, V4L2_FIELD_NONE).map([](const std::optional<Answer>& answer) {
                return answer ? answer->height : 0U;
            });
        };
        const std::uint32_t wanted = probe.height;
        auto more = rows_for(rows + 1);
        if (!more)
            return more.error();
        std::uint32_t step = std::gcd(rows, *more);
        // At the greatest height of all, smaller ones tell: two that follow each other.
        if (*more <= rows) {
            const auto half = rows_for(rows / 2 + 1);
            if (!half)
                return half.error();
            more = rows_for(*half + 1);
            if (!more)
                return more.error();
            step = *half != 0 && *half < *more && *more <= rows ? std::gcd(std::gcd(rows, *half), *more) : rows;
        }
        // The least height of all is no step either, but nothing else leads there.
        const std::uint64_t padded = (std::uint64_t{wanted} + step - 1) / step * step;
        return padded == rows ? step : rows;
    }

    /// What the driver makes of a stride, which is its own if it takes no other.
    Result<std::uint32_t> stride_for(Layout probe, const Answer& own, std::uint32_t stride) const
    {
        probe.planes[0].stride = stride;
        return sample(probe, own.asked_field).map([&](const std::optional<Answer>& answer) {
            return answer ? answer->strides[0] : own.strides[0];
        });
    }

    std::string format_list() const
    {
        constexpr std::size_t most = 12;
        std::vector<std::string> names;
        for (const std::uint32_t fourcc : node_->formats(role_)) {
            if (names.size() == most) {
                names.emplace_back("...");
                break;
            }
            names.push_back(to_string(Format::v4l2(fourcc)));
        }
        return names.empty() ? "none" : text::join(names, ", ");
    }

    std::shared_ptr<Node> node_;
    Role role_;
    std::string name_;
    std::string identity_;
    std::shared_ptr<Heap> own_heap_;
};

} // namespace

Use make_use(std::shared_ptr<Node> node, Role role)
{
    return Use(std::make_shared<QueueImporter>(std::move(node), role));
}

std::optional<UsedQueue> queue_of(const Use& use)
{
    const auto* importer = dynamic_cast<const QueueImporter*>(&use.importer());
    return importer != nullptr ? std::optional(importer->queue()) : std::nullopt;
}

} // namespace commonbuf::v4l2
