// SPDX-License-Identifier: MIT
#pragma once

#include "verify/picture.hpp"

#include <commonbuf/buffer.hpp>
#include <commonbuf/content.hpp>

#include <optional>
#include <span>
#include <string>
#include <vector>

/// The CPU's way to the pixels of a buffer: the only place of this room that brackets accesses.
namespace commonbuf::content {

/// Calls `visit(View)` between the beginning and the end of an access.
template <typename Visit>
Status look(const Buffer& buffer, Access kind, Deadline deadline, Visit visit)
{
    auto access = kind == Access::read ? buffer.read(deadline) : buffer.write(deadline);
    if (!access)
        return access.error();
    View view{buffer.layout(), {}};
    for (std::size_t i = 0; i < view.memories.size(); ++i)
        view.memories[i] = access->memory(i);
    visit(view);
    return access->end();
}

/// A copy of the image in a buffer.
Result<Picture> take_picture(const Buffer& buffer, Deadline deadline);

/// The same memories as buffers of their own, with mappings and imports of their own: these go
/// with them, and nothing of a proof stays behind with the caller's buffers.
Result<std::vector<Buffer>> twins_of(std::span<const Buffer> buffers);

} // namespace commonbuf::content
