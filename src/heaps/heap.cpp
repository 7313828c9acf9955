// SPDX-License-Identifier: MIT
#include <commonbuf/heap.hpp>

#include "heaps/heaps.hpp"

#include <algorithm>
#include <iterator>

namespace commonbuf {

Heap::~Heap() = default;

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

std::vector<std::shared_ptr<Heap>> find_heaps()
{
    auto all = heaps::find_dma_heaps();
    std::ranges::copy(heaps::find_udmabuf(), std::back_inserter(all));
#ifdef COMMONBUF_HAVE_DRM
    std::ranges::copy(heaps::find_drm_dumb(), std::back_inserter(all));
#endif
    return all;
}

} // namespace commonbuf
