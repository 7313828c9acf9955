// SPDX-License-Identifier: MIT
#pragma once

#include "os/os.hpp"
#include "buffer/kept_fences.hpp"

#include <commonbuf/buffer.hpp>
#include <commonbuf/deadline.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/unique_fd.hpp>
#include <commonbuf/use.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace commonbuf {

/// What all handles of one buffer share.
class BufferState {
public:
    struct Memory {
        UniqueFd fd; ///< none for memory of the program's own
        BufferId id;
        std::uint64_t size = 0;
        std::span<std::byte> own{};
    };

    BufferState(const Layout& layout, std::vector<Memory> memories, std::string heap, std::string fallback)
        : layout_(layout),
          memories_(std::move(memories)),
          heap_(std::move(heap)),
          fallback_(std::move(fallback))
    {}
    BufferState(const BufferState&) = delete;
    BufferState& operator=(const BufferState&) = delete;
    ~BufferState();

    const Layout& layout() const noexcept { return layout_; }
    const std::vector<Memory>& memories() const noexcept { return memories_; }
    const std::string& heap() const noexcept { return heap_; }
    const std::string& fallback() const noexcept { return fallback_; }
    /// Whether it is memory of the program's own, which no other device can have.
    bool is_private() const noexcept { return !memories_.front().fd; }

    /// The fences of the jobs that work on it.
    KeptFences& fences() noexcept { return fences_; }

    std::uint64_t accesses() const noexcept { return accesses_.load(std::memory_order_relaxed); }

    /// Waits for the buffer's fences, explicit and implicit, maps it if it never was, and
    /// starts the brackets that are not open yet.
    Status begin(Access access, Deadline deadline);

    /// Ends the brackets that nobody else has open.
    Status end(Access access);

    /// The bytes of a plane; only between begin() and end().
    std::span<std::byte> plane(std::size_t index) const noexcept;

    /// All bytes of every memory; only between begin() and end().
    std::array<std::span<std::byte>, max_planes> bytes() const noexcept;

    /// What a device made of this buffer (a framebuffer, an image), made once and kept
    /// as long as the buffer. `owner` is the device's identity; what is kept holds the
    /// device, so that its address cannot be taken by another one meanwhile. Only one
    /// thread at a time makes an import.
    template <typename Import, typename Make>
    Result<std::shared_ptr<Import>> import_once(const void* owner, Make make)
    {
        const std::lock_guard lock(imports_mutex_);
        if (const auto found = imports_.find(owner); found != imports_.end())
            return std::static_pointer_cast<Import>(found->second);
        Result<std::shared_ptr<Import>> made = make();
        if (made)
            imports_.emplace(owner, *made);
        return made;
    }

    /// Gives up what import_once() keeps for this owner.
    void forget_import(const void* owner)
    {
        std::shared_ptr<void> gone; // goes after the lock
        const std::lock_guard lock(imports_mutex_);
        if (const auto found = imports_.find(owner); found != imports_.end()) {
            gone = std::move(found->second);
            imports_.erase(found);
        }
    }

    /// Who is told when a device refuses this memory at a real import. Set before the
    /// buffer is handed out.
    void on_import_failure(std::function<void(const std::string& identity)> handler)
    {
        import_failed_ = std::move(handler);
    }
    /// For backends: the use with this identity refused.
    void import_failed(const std::string& identity) const
    {
        if (import_failed_)
            import_failed_(identity);
    }

private:
    Status map(Access access);
    Status sync(std::uint64_t flags);
    std::span<std::byte> memory(std::size_t index) const noexcept;
    void guard_pages() const;

    Layout layout_;
    std::vector<Memory> memories_;
    std::string heap_;
    std::string fallback_;
    std::function<void(const std::string& identity)> import_failed_;
    KeptFences fences_;
    std::atomic<std::uint64_t> accesses_{0};

    // The kernel counts no brackets, and concurrent ones on one udmabuf race inside
    // it: so they are counted here and issued under a lock.
    std::mutex access_mutex_;
    std::vector<os::Mapping> mappings_; ///< none for memory of the program's own
    bool writable_ = false;
    unsigned readers_ = 0;
    unsigned writers_ = 0;

    std::mutex imports_mutex_;
    std::map<const void*, std::shared_ptr<void>> imports_;
};

/// Why a buffer of the program's own memory cannot be given to anybody; success for others.
Status shareable(const Buffer& buffer, Tried operation);

/// A buffer over fresh dma-bufs; checks that they are as large as the layout asks.
Result<Buffer> make_buffer(const Layout& layout, std::vector<UniqueFd> fds, std::string heap, std::string fallback);

} // namespace commonbuf
