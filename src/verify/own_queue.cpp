// SPDX-License-Identifier: MIT
#include "verify/own_queue.hpp"

#include "base/text.hpp"
#include "format/twins.hpp"

#include <algorithm>

namespace commonbuf::content {

Use use_of(const v4l2::Device& device, v4l2::Role role)
{
    return role == v4l2::Role::capture ? device.capture() : device.output();
}

Memories memories_of(const Layout& layout) noexcept
{
    return layout.memory_count > 1 ? Memories::per_plane : Memories::single;
}

Result<Layout> own_layout(const v4l2::Device& device, v4l2::Role role, const Layout& image)
{
    Request request{image.format, image.width, image.height};
    request.lines_before = image.lines_before;
    request.lines_after = image.lines_after;
    const auto support = use_of(device, role).importer().support(request);
    if (!support)
        return support.error();
    const auto& entries = (*support)->entries;
    const auto entry = std::find_if(entries.begin(), entries.end(), [&](const Support::Entry& each) {
        return static_cast<const Arrangement&>(each) == arrangement_of(image);
    });
    if (entry == entries.end())
        return Error::unsupported(
            text::format("find the layout of {} for {}", to_string(image.format), device.info().path),
            "the driver does not have the format in this arrangement of memories");
    if (entry->layout != nullptr)
        return *entry->layout;
    const Constraints& asked = *entry->constraints;
    const std::uint32_t padded = (image.height + asked.height_align - 1) / asked.height_align * asked.height_align;
    const std::uint32_t rows = std::max(image.rows, asked.height_align > 1 ? padded : 0U);
    return linear_layout(request, asked.min_stride, memories_of(image), rows).map([&](Layout layout) {
        layout.rows = image.rows;
        return layout;
    });
}

} // namespace commonbuf::content
