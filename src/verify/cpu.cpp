// SPDX-License-Identifier: MIT
#include "verify/compare.hpp"
#include "verify/look.hpp"
#include "verify/provers.hpp"

#include <array>
#include <vector>

namespace commonbuf::content {
namespace {

Status write_and_read(const Buffer& buffer, const Buffer& twin, std::uint32_t frame, Deadline deadline,
                      Content& content)
{
    Picture expected;
    Status written = look(buffer, Access::write, deadline, [&](const View& view) {
        draw(view, frame);
        expected = Picture(view);
    });
    if (!written)
        return written;
    return look(twin, Access::read, deadline,
                [&](const View& view) { add(content, frame, expected, view, std::nullopt); });
}

/// The same with all bytes of the memories: where the pixels of tiles lie, only a driver knows.
Status write_and_read_bytes(const Buffer& buffer, const Buffer& twin, std::uint32_t frame, Deadline deadline,
                            Content& content)
{
    std::array<std::vector<std::byte>, max_planes> expected;
    const std::uint32_t count = buffer.layout().memory_count;
    Status written = look(buffer, Access::write, deadline, [&](const View& view) {
        for (std::uint32_t i = 0; i < count; ++i) {
            fill_with_noise(view.memories[i], std::uint64_t{frame} * max_planes + i);
            expected[i].assign(view.memories[i].begin(), view.memories[i].end());
        }
    });
    if (!written)
        return written;
    return look(twin, Access::read, deadline, [&](const View& view) {
        Comparison all;
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto one = compare(expected[i], view.memories[i]);
            all.wrong_bytes += one.wrong_bytes;
            if (one.first && !all.first) {
                all.first = one.first;
                all.first->memory = i;
            }
        }
        add(content, frame, all);
    });
}

} // namespace

Result<Content> verify_cpu(const Stream& stream)
{
    const auto twins = twins_of(stream.buffers);
    if (!twins)
        return twins.error();
    Content content{.stage = "what was written through another mapping"};
    const bool has_rows = stream.layout().modifier == linear && !is_opaque(stream.layout().format);
    for (std::uint32_t i = 0; i < stream.frames; ++i) {
        const Buffer& twin = (*twins)[i % twins->size()];
        const Status done =
            (has_rows ? write_and_read : write_and_read_bytes)(stream.buffer(i), twin, i, stream.deadline, content);
        if (!done)
            return done.error();
    }
    return finished(std::move(content));
}

} // namespace commonbuf::content
