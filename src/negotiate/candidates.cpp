// SPDX-License-Identifier: MIT
#include "negotiate/candidates.hpp"

#include "format/checked.hpp"
#include "negotiate/objection.hpp"
#include "negotiate/sizes.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>
#include <utility>

namespace commonbuf::negotiate {
namespace {

std::string planning(const Request& request)
{
    return text::format("plan {} {}x{}", commonbuf::to_string(request.format), request.width, request.height);
}

/// The request as if it had asked only for this format.
Request for_format(const Request& request, Format format)
{
    return {format, request.width, request.height, request.count, request.lines_before, request.lines_after};
}

/// The least stride of the first plane with which every plane has room for its rows: an odd width
/// needs another half of a chroma sample, as everywhere in DRM.
std::uint64_t least_stride(const FormatInfo& info, std::uint32_t width)
{
    std::uint64_t whole = width;
    for (const PlaneInfo& plane : std::span(info.planes).first(info.plane_count))
        whole = std::max<std::uint64_t>(whole, (std::uint64_t{width} + plane.hsub - 1) / plane.hsub * plane.hsub);
    return min_stride(info, 0, static_cast<std::uint32_t>(whole));
}

/// The best is the greatest: heaps have it on top. Equals go by their value, so that the
/// order does not depend on chance.
constexpr auto worse = [](const auto& a, const auto& b) { return b.rank != a.rank ? b.rank < a.rank : b.way < a.way; };

/// What a use has of the same format, or else of any.
std::vector<Arrangement> what_it_has(const Support& support, const Arrangement& wanted)
{
    std::set<Arrangement> same_format;
    std::set<Arrangement> all;
    for (const Arrangement& each : support.entries) {
        all.insert(each);
        if (each.format == wanted.format)
            same_format.insert(each);
    }
    const std::set<Arrangement>& shown = same_format.empty() ? all : same_format;
    return {shown.begin(), shown.end()};
}

} // namespace

Status check_request(const Request& request)
{
    // More than any device has; and the square of it times 8 bytes is far from 2^63.
    constexpr std::uint32_t max_pixels = 65536;
    for (const Format format : request.alternatives) {
        if (Status sensible = check_request(for_format(request, format)); !sensible)
            return sensible;
    }
    const FormatInfo* info = format_info(request.format);
    if (info == nullptr && !is_opaque(request.format))
        return Error::unsupported(planning(request), "the library does not know this format");
    for (const auto& [name, value] : {std::pair("width", request.width), std::pair("height", request.height)}) {
        if (value == 0 || value > max_pixels)
            return Error::invalid_argument(
                planning(request), text::format("a {} of {} is not between 1 and {} pixels", name, value, max_pixels));
    }
    constexpr std::uint32_t max_buffers = 1024;
    if (request.count == 0 || request.count > max_buffers)
        return Error::invalid_argument(planning(request),
                                       text::format("{} buffers are not between 1 and {}", request.count, max_buffers));
    return {};
}

Candidates::Candidates(const Request& request, std::span<const UseSupport> uses, Constraints extra)
    : request_(request),
      uses_(uses),
      extra_(std::move(extra)),
      shared_(uses),
      order_(request)
{
    for (std::uint32_t i = 0; i < shared_.size() && !shares_; ++i)
        shares_ = order_.place(shared_[i].format) < order_.size();
}

Rank Candidates::rank(std::uint32_t way) const { return rank_of(shared_[way], order_.place(shared_[way].format)); }

/// The best arrangement serves most of the time: it is found in one walk, without memory. The others
/// are put in order only if it does not.
std::optional<Arrangement> Candidates::next_arrangement()
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
    while (!turn_ || turn_->given == turn_->layouts.size()) {
        if (turn_ && turn_->waits)
            return std::nullopt;
        const auto arrangement = next_arrangement();
        if (!arrangement)
            return std::nullopt;
        begin(*arrangement);
    }
    return Candidate{turn_->layouts[turn_->given++], turn_->constraints};
}

std::optional<WantedImage> Candidates::wanted() const
{
    if (!turn_ || !turn_->waits)
        return std::nullopt;
    return WantedImage{for_format(request_, turn_->arrangement.format), turn_->arrangement, turn_->constraints};
}

void Candidates::propose(std::span<const Proposal> proposals)
{
    if (!turn_ || !turn_->waits)
        return;
    turn_->waits = false;
    std::vector<Layout>& layouts = turn_->layouts;
    for (const Proposal& proposal : proposals) {
        const auto layout = fitted(proposal);
        if (!layout)
            refuse(Error::incompatible(
                planning(request_),
                text::format("{} proposes {}: {}", proposal.heap, to_string(proposal.layout), layout.error().detail)));
        else if (std::find(layouts.begin(), layouts.end(), *layout) == layouts.end())
            layouts.push_back(*layout);
    }
    if (layouts.empty() && turn_->why_none)
        refuse(*turn_->why_none);
}

/// The layout of a proposal, if it is the wanted image. Errors: incompatible, invalid_argument.
Result<Layout> Candidates::fitted(const Proposal& proposal) const
{
    const Arrangement& wanted = turn_->arrangement;
    Layout layout = proposal.layout;
    const bool asked = layout.format == wanted.format && layout.width == request_.width &&
                       layout.height == request_.height &&
                       (is_opaque(layout.format) || layout.modifier == wanted.modifier) &&
                       (layout.memory_count > 1) == (wanted.memories == Memories::per_plane && layout.plane_count > 1);
    if (!asked)
        return Error::incompatible("", "that is not the image it was asked for");
    if (const Status sound = validate(layout); !sound)
        return sound.error();
    if (const Status sized = fit_sizes(layout, turn_->constraints); !sized)
        return sized.error();
    if (const auto against = objection(layout, turn_->constraints))
        return Error::incompatible("", against->reason);
    return layout;
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
    if (shares_)
        return std::nullopt;
    std::map<Arrangement, std::uint32_t> having;
    for (const UseSupport& use : uses_) {
        const std::set<Arrangement> ways(use.support->entries.begin(), use.support->entries.end());
        for (const Arrangement& way : ways)
            ++having[way];
    }
    if (having.empty())
        return std::nullopt;
    const auto nearest = std::min_element(having.begin(), having.end(), [this](const auto& a, const auto& b) {
        if (a.second != b.second)
            return a.second > b.second;
        return rank_of(a.first, order_.place(a.first.format)) < rank_of(b.first, order_.place(b.first.format));
    });
    NearestConversion result{nearest->first, nearest->second, {}};
    for (const UseSupport& use : uses_) {
        if (find_entry(*use.support, nearest->first) == nullptr)
            result.lacking.push_back({use.use, what_it_has(*use.support, nearest->first)});
    }
    return result;
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

/// Makes an arrangement the one whose turn it is.
void Candidates::begin(const Arrangement& arrangement)
{
    turn_.reset();
    const Entries entries = shared_.entries(arrangement);
    auto constraints = merged(entries);
    if (!constraints)
        return refuse(constraints.error());
    turn_ = Turn{arrangement, std::move(*constraints)};
    auto known = layouts(*turn_, entries);
    if (known)
        turn_->layouts = std::move(*known);
    else
        turn_->why_none = known.error();
    // Lines around the image have no place in a layout of a heap's own.
    turn_->waits = request_.lines_before == 0 && request_.lines_after == 0;
    if (!turn_->waits && turn_->why_none)
        refuse(*turn_->why_none);
}

/// The layouts that follow from what the uses say.
Result<std::vector<Layout>> Candidates::layouts(const Turn& turn, const Entries& entries) const
{
    const bool given = std::any_of(entries.begin(), entries.end(),
                                   [](const Support::Entry* entry) { return entry->layout != nullptr; });
    if (given)
        return given_layouts(turn, entries);
    const bool opaque = is_opaque(turn.arrangement.format);
    if (opaque && turn.arrangement.memories == Memories::single)
        return opaque_layouts(turn);
    if (!opaque && turn.arrangement.modifier == linear)
        return linear_layouts(turn);
    return Error::incompatible(planning(request_),
                               text::format("the uses share {}, and none of them says how an image lies in memory then",
                                            to_string(turn.arrangement)));
}

/// From tight to padded.
Result<std::vector<Layout>> Candidates::linear_layouts(const Turn& turn) const
{
    // What displays and GPUs round strides to but do not say: 64 is the most common
    // (i915, most ARM display controllers), 256 is AMD's, 128 and 512 stand between
    // and above for the rest. A device that knows more says so in its support.
    constexpr auto steps = std::to_array<std::uint32_t>({1, 64, 128, 256, 512, 1024});
    const Format format = turn.arrangement.format;
    const Constraints& constraints = turn.constraints;
    const FormatInfo* info = format_info(format);
    if (info == nullptr)
        return Error::unsupported(planning(request_), "the library does not know this format");
    const checked::Number rows = checked::round_up(request_.height, constraints.height_align);
    if (!rows || *rows > std::numeric_limits<std::uint32_t>::max())
        return Error::incompatible(planning(request_),
                                   text::format("rows in steps of {} overflow", constraints.height_align));
    std::vector<Layout> found;
    std::optional<Error> why_not;
    for (const std::uint32_t step : steps) {
        Constraints padded = constraints;
        const checked::Number align = checked::common_multiple(constraints.stride_align, step);
        if (!align || *align > std::numeric_limits<std::uint32_t>::max())
            continue;
        padded.stride_align = static_cast<std::uint32_t>(*align);
        const auto fitted = fit_stride(padded, least_stride(*info, request_.width)).and_then([&](std::uint32_t stride) {
            return linear_layout(for_format(request_, format), stride, turn.arrangement.memories,
                                 static_cast<std::uint32_t>(*rows), constraints.offset_align);
        });
        Layout layout = fitted.value_or(Layout{});
        // What the caller says of all devices holds for the one that cannot say it, too.
        if (extra_.height_align > 1 && *rows != request_.height)
            layout.rows = static_cast<std::uint32_t>(*rows);
        const Status sized = fitted ? fit_sizes(layout, constraints) : Status(fitted.error());
        if (!sized && !why_not)
            why_not = sized.error();
        // Padding grows with the steps: what is there already was the last one.
        if (sized && (found.empty() || found.back() != layout))
            found.push_back(layout);
    }
    if (found.empty() && why_not)
        return std::move(*why_not);
    return found;
}

/// An opaque format has one layout: what the drivers say. Importer::fit() brings the size.
Result<std::vector<Layout>> Candidates::opaque_layouts(const Turn& turn) const
{
    const auto stride = fit_stride(turn.constraints, 0);
    if (!stride)
        return stride.error();
    auto layout = opaque_layout(for_format(request_, turn.arrangement.format), *stride,
                                std::max<std::uint64_t>(std::uint64_t{*stride} * request_.height, 1));
    if (!layout)
        return layout.error();
    if (const Status sized = fit_sizes(*layout, turn.constraints); !sized)
        return sized.error();
    return std::vector{*layout};
}

/// A device says how the image lies in memory. The others can only agree.
Result<std::vector<Layout>> Candidates::given_layouts(const Turn& turn, const Entries& entries) const
{
    std::vector<Layout> found;
    std::optional<Objection> against;
    for (const Support::Entry* entry : entries) {
        if (entry->layout == nullptr)
            continue;
        Layout layout = *entry->layout;
        if (const Status sound = validate(layout); !sound)
            return sound.error();
        if (const Status sized = fit_sizes(layout, turn.constraints); !sized)
            return sized.error();
        against = objection(layout, turn.constraints);
        if (!against && (found.empty() || found.back() != layout))
            found.push_back(layout);
    }
    if (found.empty() && against)
        return Error::incompatible(planning(request_),
                                   text::format("{}: {}", to_string(turn.arrangement), against->reason));
    return found;
}

} // namespace commonbuf::negotiate
