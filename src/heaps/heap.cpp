// SPDX-License-Identifier: MIT
#include <commonbuf/heap.hpp>

#include "heaps/heaps.hpp"
#include "os/os.hpp"

#include <algorithm>
#include <iterator>

namespace commonbuf {

Heap::~Heap() = default;

const std::string& Heap::identity() const noexcept { return info().name; }

Result<std::vector<Layout>> Heap::propose(const WantedImage& /*image*/) { return std::vector<Layout>{}; }

Result<std::vector<UniqueFd>> Heap::allocate_image(const Layout& layout)
{
    std::vector<UniqueFd> memories;
    for (const std::uint64_t size : layout.used_memories()) {
        auto memory = allocate(size);
        if (!memory)
            return memory.error();
        memories.push_back(std::move(*memory));
    }
    return memories;
}

std::optional<Error> heaps::obstacle_of(const std::string& path)
{
    const Status may = os::may_open(path);
    if (may || (may.error().category != Category::not_present && may.error().category != Category::permission_denied))
        return std::nullopt;
    return may.error();
}

heaps::Found heaps::find_all()
{
    Found found;
    found.heaps = find_dma_heaps(&found.failure);
    std::ranges::copy(find_udmabuf(), std::back_inserter(found.heaps));
#ifdef COMMONBUF_HAVE_DRM
    std::ranges::copy(find_drm_dumb(), std::back_inserter(found.heaps));
#endif
    return found;
}

std::vector<std::shared_ptr<Heap>> find_heaps() { return heaps::find_all().heaps; }

} // namespace commonbuf
