// SPDX-License-Identifier: MIT
#include "verify/compare.hpp"
#include "verify/look.hpp"
#include "verify/provers.hpp"

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

} // namespace

Result<Content> verify_cpu(const Stream& stream)
{
    const auto twins = twins_of(stream.buffers);
    if (!twins)
        return twins.error();
    Content content{.stage = "what was written through another mapping"};
    for (std::uint32_t i = 0; i < stream.frames; ++i) {
        const Buffer& twin = (*twins)[i % twins->size()];
        if (const Status done = write_and_read(stream.buffer(i), twin, i, stream.deadline, content); !done)
            return done.error();
    }
    return finished(std::move(content));
}

} // namespace commonbuf::content
