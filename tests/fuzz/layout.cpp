// SPDX-License-Identifier: MIT
//
// Layouts of unknown origin: what passes check() lies inside its memories.
#include "input.hpp"

#include <commonbuf/layout.hpp>

#include <cstdlib>

using namespace commonbuf;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::Input input(data, size);
    const auto formats = all_formats();
    Layout layout;
    // One beyond the table: an opaque one.
    const auto which = input.take<std::uint8_t>() % (formats.size() + 1);
    layout.format = which < formats.size() ? formats[which].format : Format::v4l2(input.take<std::uint32_t>());
    layout.modifier = (input.take<std::uint8_t>() & 1U) != 0 ? linear : Modifier(input.take<std::uint64_t>());
    layout.width = input.take<std::uint16_t>();
    layout.height = input.take<std::uint16_t>();
    layout.plane_count = input.take<std::uint8_t>();
    layout.memory_count = input.take<std::uint8_t>();
    for (Plane& plane : layout.planes) {
        plane.memory = input.take<std::uint8_t>();
        plane.stride = input.take<std::uint32_t>();
        plane.offset = input.take<std::uint64_t>();
        plane.size = input.take<std::uint64_t>();
    }
    for (std::uint64_t& bytes : layout.memory_sizes)
        bytes = input.take<std::uint64_t>();

    if (validate(layout)) {
        for (const Plane& plane : layout.used_planes()) {
            if (plane.memory >= layout.memory_count || plane.offset > layout.memory_sizes[plane.memory] ||
                plane.size > layout.memory_sizes[plane.memory] - plane.offset)
                std::abort();
        }
        if (to_string(layout).empty())
            std::abort();
    }

    Request request{layout.format, input.take<std::uint32_t>(), input.take<std::uint32_t>()};
    request.lines_before = input.take<std::uint32_t>();
    request.lines_after = input.take<std::uint32_t>();
    const auto stride = input.take<std::uint32_t>();
    const auto made =
        linear_layout(request, stride, Memories(input.take<std::uint8_t>() & 1U), input.take<std::uint32_t>());
    if (made && !validate(*made))
        std::abort();
    const auto opaque = opaque_layout(request, stride, input.take<std::uint64_t>());
    if (opaque && !validate(*opaque))
        std::abort();

    // What is printed can be read again.
    const std::string text = to_string(layout.format);
    if (text.find('.') == std::string::npos && parse_format(text) != layout.format)
        std::abort();
    const auto rest = input.rest();
    const auto parsed = parse_format({reinterpret_cast<const char*>(rest.data()), rest.size()});
    if (parsed && parse_format(to_string(*parsed)) != parsed)
        std::abort();

    // Any modifier has a class and a name.
    if (to_string(layout.modifier).empty() || to_string(classify(layout.modifier)).empty())
        std::abort();
    return 0;
}
