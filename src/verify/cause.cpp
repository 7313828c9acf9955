// SPDX-License-Identifier: MIT
//
// Guesses from the places of its rows why a picture is wrong:
//
//     what the layout says     wrong stride            wrong offset         address limit
//     |row 0......|..|         |row 0......|.|row      |....|row 0......|   |row 0......|..|
//     |row 1......|..|          1......|.|row 2        |....|row 1......|   |row 1......|..|
//     |row 2......|..|         ......|.|row 3...       |....|row 2......|   |cccccccccccccc|
//
// For stride and offset, it looks in the memory for a row that is not all one byte. That row and the
// one below it give a stride and an offset, which count if every other row is where they say. What
// was never written still holds the canary.
#include "base/text.hpp"
#include "verify/compare.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

namespace commonbuf::content {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t cache_line = 64;

std::string_view as_text(std::span<const std::byte> bytes)
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_distinctive(std::span<const std::byte> row)
{
    return std::any_of(row.begin(), row.end(), [&](std::byte byte) { return byte != row.front(); });
}

struct Place {
    std::size_t offset = 0;
    std::size_t stride = 0;
};

/// Whether the rows of a plane are at a place, as far as the memory reaches: most of them must be in
/// it, and none may be elsewhere.
bool stands_at(const Picture& picture, std::size_t plane, std::string_view memory, const Place& place)
{
    std::uint32_t seen = 0;
    for (std::uint32_t r = 0; r < picture.rows(plane); ++r) {
        const auto row = as_text(picture.row(plane, r));
        const std::size_t start = place.offset + r * place.stride;
        if (start + row.size() > memory.size())
            break;
        if (memory.compare(start, row.size(), row) != 0)
            return false;
        ++seen;
    }
    return seen >= 2 && seen * 2 >= picture.rows(plane);
}

std::optional<Place> find_place(const Picture& picture, std::size_t plane, std::string_view memory)
{
    // Rows of a test picture are often alike: the first hit need not be the right one.
    constexpr int tries = 32;
    for (std::uint32_t first = 0; first + 1 < picture.rows(plane); ++first) {
        if (!is_distinctive(picture.row(plane, first)))
            continue;
        const auto upper = as_text(picture.row(plane, first));
        const auto lower = as_text(picture.row(plane, first + 1));
        std::size_t above = memory.find(upper);
        for (int i = 0; i < tries && above != std::string_view::npos; ++i, above = memory.find(upper, above + 1)) {
            std::size_t below = memory.find(lower, above + upper.size());
            for (int k = 0; k < tries && below != std::string_view::npos; ++k, below = memory.find(lower, below + 1)) {
                const std::size_t stride = below - above;
                if (above < first * stride)
                    break;
                if (const Place place{above - first * stride, stride}; stands_at(picture, plane, memory, place))
                    return place;
            }
        }
        return std::nullopt;
    }
    return std::nullopt;
}

std::optional<Guess> misplaced(const Picture& picture, const Picture& found, const View& memory, const Mask& mask)
{
    std::optional<Guess> offset;
    for (std::uint32_t plane = 0; plane < picture.plane_count(); ++plane) {
        if (picture.plane(plane) == found.plane(plane))
            continue;
        const Plane& said = memory.layout.planes[plane];
        const auto bytes = memory.memories[said.memory];
        std::vector<std::byte> masked(bytes.begin(), bytes.end());
        keep_meaning(mask, masked);
        const auto place = find_place(picture, plane, as_text(masked));
        if (!place)
            continue;
        if (place->stride != said.stride)
            return Guess{Cause::stride, text::format("the device has {} bytes from row to row of plane {}, and the "
                                                     "layout says {}",
                                                     place->stride, plane, said.stride)};
        if (place->offset != said.offset && !offset)
            offset = Guess{Cause::offset, text::format("the device has plane {} at byte {} of memory {}, and the "
                                                       "layout says {}",
                                                       plane, place->offset, said.memory, said.offset)};
    }
    return offset;
}

std::optional<Guess> swapped(const Picture& picture, const Picture& found)
{
    for (std::uint32_t a = 0; a < picture.plane_count(); ++a) {
        for (std::uint32_t b = a + 1; b < picture.plane_count(); ++b) {
            if (picture.plane(a) == found.plane(b) && picture.plane(b) == found.plane(a))
                return Guess{Cause::swapped_planes, text::format("planes {} and {} have each other's content", a, b)};
        }
    }
    return std::nullopt;
}

/// What is known of the wrong bytes of one memory; bytes that hold no pixel do not count.
struct Stains {
    std::uint64_t wrong = 0;       ///< wrong bytes
    std::uint64_t old = 0;         ///< wrong ones that hold the canary
    std::size_t first = SIZE_MAX;  ///< where the first wrong byte is
    std::size_t last_right = 0;    ///< behind the last byte that is right and does not equal the canary
    std::uint64_t lines = 0;       ///< cache lines with pixels
    std::uint64_t bad_lines = 0;   ///< cache lines with a wrong pixel
    std::uint64_t mixed_lines = 0; ///< bad lines that are not old or wrong as a whole
};

Stains stains_of(const Picture& picture, const View& memory, std::uint32_t index, const Mask& mask,
                 std::optional<std::byte> canary)
{
    // For each byte of the memory; `none` holds no pixel, `undecided` equals the canary, `old` too and
    // is wrong.
    enum State : std::uint8_t { none, right, wrong, undecided, old };
    std::vector<std::uint8_t> states(memory.memories[index].size(), none);
    Stains stains;
    for (std::uint32_t plane = 0; plane < picture.plane_count(); ++plane) {
        const Plane& place = memory.layout.planes[plane];
        for (std::uint32_t r = 0; place.memory == index && r < picture.rows(plane); ++r) {
            const auto expected = picture.row(plane, r);
            const auto found = memory.row(plane, r);
            const std::size_t start = place.offset + std::size_t{r} * place.stride;
            for (std::size_t i = 0; i < found.size(); ++i) {
                const bool same = (found[i] & std::byte{mask[i % mask.size()]}) == expected[i];
                const bool untouched = canary && found[i] == *canary;
                states[start + i] = same ? (untouched ? undecided : right) : (untouched ? old : wrong);
                stains.wrong += same ? 0U : 1U;
                stains.old += !same && untouched ? 1U : 0U;
                if (!same)
                    stains.first = std::min(stains.first, start + i);
                else if (!untouched)
                    stains.last_right = std::max(stains.last_right, start + i + 1);
            }
        }
    }
    for (std::size_t line = 0; line < states.size(); line += cache_line) {
        const auto* begin = states.data() + line;
        const auto* end = begin + std::min(cache_line, states.size() - line);
        const auto count = [&](State state) { return std::count(begin, end, state); };
        const auto bad = count(wrong) + count(old);
        stains.lines += count(none) != end - begin ? 1U : 0U;
        stains.bad_lines += bad != 0 ? 1U : 0U;
        // Noise agrees by chance in one byte of 256.
        constexpr std::ptrdiff_t by_chance = 4;
        stains.mixed_lines += bad != 0 && count(right) > by_chance ? 1U : 0U;
    }
    return stains;
}

std::optional<Guess> unreached(const Picture& picture, const View& memory, const Mask& mask,
                               std::optional<std::byte> canary)
{
    for (std::uint32_t index = 0; index < memory.layout.memory_count; ++index) {
        const Stains stains = stains_of(picture, memory, index, mask, canary);
        if (stains.wrong == 0)
            continue;
        const bool all_old = canary && stains.old == stains.wrong;
        if (all_old && stains.last_right == 0)
            return Guess{Cause::nothing_written, text::format("memory {} is as it was before", index)};
        const std::size_t edge = stains.first / page * page;
        if (all_old && stains.last_right <= stains.first && stains.first != 0)
            return Guess{Cause::address_limit,
                         text::format("nothing was written from byte {} of memory {} on, in the page at {}; before it "
                                      "everything was",
                                      stains.first, index, edge)};
        if (stains.mixed_lines == 0 && stains.bad_lines < stains.lines && (all_old || !canary))
            return Guess{Cause::stale_cache,
                         text::format("{} of {} cache lines of {} bytes are old as a whole, the others are right",
                                      stains.bad_lines, stains.lines, cache_line)};
    }
    return std::nullopt;
}

} // namespace

Guess guess(const Picture& picture, const View& memory, std::optional<std::byte> canary)
{
    const Mask mask = meaningful_bits(picture.format());
    const Picture found(memory);
    auto cause = swapped(picture, found);
    if (!cause)
        cause = misplaced(picture, found, memory, mask);
    if (!cause)
        cause = unreached(picture, memory, mask, canary);
    return cause.value_or(Guess{});
}

} // namespace commonbuf::content
