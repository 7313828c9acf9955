// SPDX-License-Identifier: MIT
#include "verify/look.hpp"

namespace commonbuf::content {

Result<Picture> take_picture(const Buffer& buffer, Deadline deadline)
{
    Picture picture;
    const Status looked = look(buffer, Access::read, deadline, [&](const View& view) { picture = Picture(view); });
    if (!looked)
        return looked.error();
    return picture;
}

Result<std::vector<Buffer>> twins_of(std::span<const Buffer> buffers)
{
    std::vector<Buffer> twins;
    for (const Buffer& buffer : buffers) {
        std::vector<UniqueFd> memories;
        for (std::uint32_t i = 0; i < buffer.layout().memory_count; ++i) {
            auto memory = buffer.export_fd(i);
            if (!memory)
                return memory.error();
            memories.push_back(std::move(*memory));
        }
        auto twin = Buffer::wrap(buffer.layout(), std::move(memories));
        if (!twin)
            return twin.error();
        twins.push_back(std::move(*twin));
    }
    return twins;
}

} // namespace commonbuf::content
