// SPDX-License-Identifier: MIT
#include "negotiate/candidates.hpp"

#include "format/checked.hpp"
#include "negotiate/nearest.hpp"
#include "negotiate/objection.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace commonbuf::negotiate {
namespace {

std::string planning(const Request& request)
{
    return text::format("plan {} {}x{}", commonbuf::to_string(request.format), request.width, request.height);
}

/// The request as if it had asked for this format alone.
Request for_format(const Request& request, Format format)
{
    return {format, request.width, request.height, request.count, request.lines_before, request.lines_after};
}

/// The best is the greatest: heaps have it on top. Equals go by their value, so that the
/// order does not depend on chance.
constexpr auto worse = [](const auto& a, const auto& b) { return b.rank != a.rank ? b.rank < a.rank : b.way < a.way; };

} // namespace

Status fit_sizes(Layout& layout, const Constraints& constraints)
{
    for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
        const auto size = fit_size(constraints, layout.memory_sizes[i]);
        if (!size)
            return size.error();
        layout.memory_sizes[i] = *size;
    }
    return {};
}

Status check_request(const Request& request)
{
    // More than any device has; and the square of it times 8 bytes is far from 2^63.
    constexpr std::uint32_t most = 65536;
    for (const Format format : request.alternatives) {
        if (Status sensible = check_request(for_format(request, format)); !sensible)
            return sensible;
    }
    const FormatInfo* info = format_info(request.format);
    if (info == nullptr && !is_opaque(request.format))
        return Error::unsupported(planning(request), "the library does not know this format");
    for (const auto& [name, value] : {std::pair("width", request.width), std::pair("height", request.height)}) {
        if (value == 0 || value > most)
            return Error::invalid_argument(
                planning(request), text::format("a {} of {} is not between 1 and {} pixels", name, value, most));
    }
    constexpr std::uint32_t most_buffers = 1024;
    if (request.count == 0 || request.count > most_buffers)
        return Error::invalid_argument(
            planning(request), text::format("{} buffers are not between 1 and {}", request.count, most_buffers));
    if (info == nullptr)
        return {};
    if (request.width % info->hsub != 0 || request.height % info->vsub != 0)
        return Error::invalid_argument(
            planning(request), text::format("{} shares samples among {}x{} pixels", info->name, info->hsub, info->vsub),
            text::format("use {}x{}", (request.width + info->hsub - 1U) / info->hsub * info->hsub,
                         (request.height + info->vsub - 1U) / info->vsub * info->vsub));
    return {};
}

Candidates::Candidates(const Request& request, std::span<const UseSupport> uses, Constraints extra, Propose propose)
    : request_(request),
      uses_(uses),
      extra_(std::move(extra)),
      propose_(std::move(propose)),
      shared_(uses),
      order_(request)
{
    for (std::uint32_t i = 0; i < shared_.size() && !shares_; ++i)
        shares_ = order_.place(shared_[i].format) < order_.size();
}

Rank Candidates::rank(std::uint32_t way) const { return rank_of(shared_[way], order_.place(shared_[way].format)); }

/// The best way mostly serves: finding it takes one walk and no memory. Only then are the
/// others put into their order.
std::optional<Arrangement> Candidates::next_way()
{
    if (!began_) {
        began_ = true;
        std::optional<Ranked> best;
        std::optional<Format> format;
        std::size_t place = 0;
        for (std::uint32_t i = 0; i < shared_.size(); ++i) {
            const Arrangement way = shared_[i];
            if (way.format != format) {
                format = way.format;
                place = order_.place(way.format);
            }
            if (place == order_.size() || (best && place > best->rank.format))
                continue;
            if (const Rank ranked = rank_of(way, place); !best || ranked < best->rank)
                best = Ranked{ranked, i};
        }
        if (!best)
            return std::nullopt;
        first_ = best->way;
        return shared_[best->way];
    }
    if (first_) {
        for (std::uint32_t i = 0; i < shared_.size(); ++i) {
            const Rank ranked = rank(i);
            if (i != first_ && ranked.format < order_.size())
                ways_.push_back({ranked, i});
        }
        first_.reset();
        std::make_heap(ways_.begin(), ways_.end(), worse);
    }
    if (ways_.empty())
        return std::nullopt;
    std::pop_heap(ways_.begin(), ways_.end(), worse);
    const Arrangement way = shared_[ways_.back().way];
    ways_.pop_back();
    return way;
}

std::optional<Candidate> Candidates::next()
{
    while (layouts_.empty()) {
        if (open_) {
            expand_proposed();
            continue;
        }
        const auto way = next_way();
        if (!way)
            return std::nullopt;
        expand(*way);
    }
    Candidate best = std::move(layouts_.back());
    layouts_.pop_back();
    return best;
}

Error Candidates::why_none() const
{
    if (why_not_)
        return *why_not_;
    return Error::incompatible(planning(request_), shares_ ? "no layout was refused before it was tried"
                                                           : "the uses share no format and modifier");
}

std::optional<NearestConversion> Candidates::nearest() const
{
    return shares_ ? std::nullopt : nearest_conversion(request_, uses_);
}

Result<Constraints> Candidates::merged(const Entries& entries) const
{
    Constraints all = extra_;
    for (const Support::Entry* entry : entries) {
        auto both = merge(all, *entry->constraints);
        if (!both)
            return both.error();
        all = std::move(*both);
    }
    return all;
}

void Candidates::refuse(Error error)
{
    if (!why_not_)
        why_not_ = std::move(error);
}

void Candidates::expand(const Arrangement& way)
{
    const Entries entries = shared_.entries(way);
    const auto constraints = merged(entries);
    if (!constraints)
        return refuse(constraints.error());
    const Status expanded = expand_known(way, entries, *constraints);
    // Lines around the image have no place in a layout of a heap's own.
    if (propose_ && request_.lines_before == 0 && request_.lines_after == 0)
        open_ = Open{way, expanded ? std::nullopt : std::optional(expanded.error())};
    else if (!expanded)
        return refuse(expanded.error());
    std::reverse(layouts_.begin(), layouts_.end());
}

/// The layouts that follow from what the uses say.
Status Candidates::expand_known(const Arrangement& way, const Entries& entries, const Constraints& constraints)
{
    const bool given = std::any_of(entries.begin(), entries.end(),
                                   [](const Support::Entry* entry) { return entry->layout != nullptr; });
    if (given)
        return expand_given(way, entries, constraints);
    if (is_opaque(way.format))
        return expand_opaque(way, constraints);
    if (way.modifier == linear)
        return expand_linear(way, constraints);
    return Error::incompatible(
        planning(request_),
        text::format("the uses share {}, and none of them says how an image lies in memory then", to_string(way)));
}

/// The layouts of heaps that lay images out themselves.
void Candidates::expand_proposed()
{
    const Open open = std::move(*open_);
    open_.reset();
    // All of this once more, since it comes to that seldom.
    const Entries entries = shared_.entries(open.way);
    const auto constraints = merged(entries);
    if (!constraints)
        return refuse(constraints.error());
    static_cast<void>(expand_known(open.way, entries, *constraints));
    const std::vector<Candidate> given = std::exchange(layouts_, {});
    const auto holds = [](const std::vector<Candidate>& all, const Layout& layout) {
        return std::any_of(all.begin(), all.end(), [&](const Candidate& each) { return each.layout == layout; });
    };
    const auto refuse_one = [&](const Proposal& proposal, const std::string& why) {
        refuse(Error::incompatible(planning(request_),
                                   text::format("{} proposes {}: {}", proposal.heap, to_string(proposal.layout), why)));
    };
    for (Proposal& proposal :
         propose_({for_format(request_, open.way.format), open.way.modifier, open.way.memories, *constraints})) {
        Layout& layout = proposal.layout;
        const bool asked =
            layout.format == open.way.format && layout.width == request_.width && layout.height == request_.height &&
            (is_opaque(layout.format) || layout.modifier == open.way.modifier) &&
            (layout.memory_count > 1) == (open.way.memories == Memories::per_plane && layout.plane_count > 1);
        if (!asked) {
            refuse_one(proposal, "that is not the image it was asked for");
            continue;
        }
        Status sound = check(layout);
        if (sound)
            sound = fit_sizes(layout, *constraints);
        if (!sound) {
            refuse_one(proposal, sound.error().message());
            continue;
        }
        if (const auto against = objection(layout, *constraints)) {
            refuse_one(proposal, against->reason);
            continue;
        }
        if (!holds(given, layout) && !holds(layouts_, layout))
            layouts_.push_back({layout, *constraints});
    }
    if (layouts_.empty() && open.why_none)
        refuse(*open.why_none);
    std::reverse(layouts_.begin(), layouts_.end());
}

/// From tight to padded.
Status Candidates::expand_linear(const Arrangement& way, const Constraints& constraints)
{
    // What displays and GPUs round strides to but do not say: 64 is the most common
    // (i915, most ARM display controllers), 256 is AMD's, 128 and 512 stand between
    // and above for the rest. A device that knows better says so in its support.
    constexpr auto steps = std::to_array<std::uint32_t>({1, 64, 128, 256, 512, 1024});
    const FormatInfo* info = format_info(way.format);
    if (info == nullptr)
        return Error::unsupported(planning(request_), "the library does not know this format");
    const checked::Number rows = checked::round_up(request_.height, constraints.height_align);
    if (!rows || *rows > std::numeric_limits<std::uint32_t>::max())
        return Error::incompatible(planning(request_),
                                   text::format("rows in steps of {} overflow", constraints.height_align));
    std::optional<Error> why_not;
    for (const std::uint32_t step : steps) {
        Constraints padded = constraints;
        const checked::Number align = checked::common_multiple(constraints.stride_align, step);
        if (!align || *align > std::numeric_limits<std::uint32_t>::max())
            continue;
        padded.stride_align = static_cast<std::uint32_t>(*align);
        const auto fitted =
            fit_stride(padded, min_stride(*info, 0, request_.width)).and_then([&](std::uint32_t stride) {
                return linear_layout(for_format(request_, way.format), stride, way.memories,
                                     static_cast<std::uint32_t>(*rows), constraints.offset_align);
            });
        Layout layout = fitted.value_or(Layout{});
        const Status sized = fitted ? fit_sizes(layout, constraints) : Status(fitted.error());
        if (!sized && !why_not)
            why_not = sized.error();
        // Padding grows with the steps: what is there already was the last one.
        if (sized && (layouts_.empty() || layouts_.back().layout != layout))
            layouts_.push_back({layout, constraints});
    }
    return layouts_.empty() && why_not ? Status(std::move(*why_not)) : Status();
}

/// An opaque format has one layout: what the drivers say. Importer::fit() brings the size.
Status Candidates::expand_opaque(const Arrangement& way, const Constraints& constraints)
{
    const auto stride = fit_stride(constraints, 0);
    if (!stride)
        return stride.error();
    auto layout = opaque_layout(for_format(request_, way.format), *stride,
                                std::max<std::uint64_t>(std::uint64_t{*stride} * request_.height, 1));
    if (!layout)
        return layout.error();
    if (Status sized = fit_sizes(*layout, constraints); !sized)
        return sized;
    layouts_.push_back({*layout, constraints});
    return {};
}

/// A device says how the image lies in memory. The others can only agree.
Status Candidates::expand_given(const Arrangement& way, const Entries& entries, const Constraints& constraints)
{
    std::optional<Objection> against;
    for (const Support::Entry* entry : entries) {
        if (entry->layout == nullptr)
            continue;
        Layout layout = *entry->layout;
        if (Status sound = check(layout); !sound)
            return sound;
        if (Status sized = fit_sizes(layout, constraints); !sized)
            return sized;
        against = objection(layout, constraints);
        if (!against && (layouts_.empty() || layouts_.back().layout != layout))
            layouts_.push_back({layout, constraints});
    }
    if (layouts_.empty() && against)
        return Error::incompatible(planning(request_), text::format("{}: {}", to_string(way), against->reason));
    return {};
}

} // namespace commonbuf::negotiate
