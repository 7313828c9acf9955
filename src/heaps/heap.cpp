// SPDX-License-Identifier: MIT
#include <commonbuf/heap.hpp>

#include "heaps/heaps.hpp"

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
    const auto append = [&all](std::vector<std::shared_ptr<Heap>> more) {
        all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    };
    append(heaps::find_udmabuf());
#ifdef COMMONBUF_HAVE_DRM
    append(heaps::find_drm_dumb());
#endif
    return all;
}

} // namespace commonbuf
