// SPDX-License-Identifier: MIT
#include "buffer/image_place.hpp"

#include "base/text.hpp"
#include "format/twins.hpp"

#include <optional>
#include <string>

namespace commonbuf {
namespace {

/// How the image differs, apart from its planes; empty if it does not.
std::string difference(const Layout& found, const Layout& wanted)
{
    if (!have_same_bytes(found.format, wanted.format))
        return text::format("the format is {}, not {}", to_string(found.format), to_string(wanted.format));
    if (found.modifier != wanted.modifier)
        return text::format("the modifier is {}, not {}", to_string(found.modifier), to_string(wanted.modifier));
    if (found.width != wanted.width || found.height != wanted.height)
        return text::format("the size is {}x{}, not {}x{}", found.width, found.height, wanted.width, wanted.height);
    if (found.plane_count != wanted.plane_count)
        return text::format("there are {} planes, not {}", found.plane_count, wanted.plane_count);
    return {};
}

} // namespace

Result<ImagePlace> find_image(const Buffer& buffer, const Layout& wanted)
{
    const Layout& found = buffer.layout();
    const auto differs = [](std::string detail) {
        return Error::incompatible("find an image in a buffer", std::move(detail));
    };
    if (std::string text = difference(found, wanted); !text.empty())
        return differs(std::move(text));
    ImagePlace place{};
    std::array<bool, max_planes> known{};
    for (std::uint32_t i = 0; i < wanted.plane_count; ++i) {
        const Plane& have = found.planes[i];
        const Plane& want = wanted.planes[i];
        if (have.stride != want.stride)
            return differs(text::format("plane {} has a stride of {}, not {}", i, have.stride, want.stride));
        if (have.offset != want.offset)
            return differs(text::format("plane {} begins at {} of its memory, not at {}", i, have.offset, want.offset));
        if (!known[want.memory]) {
            known[want.memory] = true;
            place[want.memory] = have.memory;
        } else if (buffer.id(place[want.memory]) != buffer.id(have.memory)) {
            return differs(text::format("plane {} lies in another memory than the planes before it", i));
        }
    }
    return place;
}

} // namespace commonbuf
