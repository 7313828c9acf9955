// SPDX-License-Identifier: MIT
#pragma once

#include "buffer/kept_fences.hpp"
#include "os/os.hpp"
#include "sync/watch.hpp"

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

/// The state that all handles of one buffer share.
class BufferState final : public watch::Subject {
public:
    struct Memory {
        UniqueFd fd; ///< none for the program's own memory
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

    const Layout& layout() const noexcept override { return layout_; }
    const std::vector<Memory>& memories() const noexcept { return memories_; }
    const std::string& heap() const noexcept override { return heap_; }
    const std::string& fallback() const noexcept { return fallback_; }
    std::optional<os::FileId> dma_buf() const noexcept override;
    /// Whether it is the program's own memory, which no other device can use.
    bool is_private() const noexcept { return !memories_.front().fd; }

    /// The fences of the jobs that work on it.
    KeptFences& fences() noexcept { return fences_; }

    std::uint64_t accesses() const noexcept { return accesses_.load(std::memory_order_relaxed); }

    /// Waits for the buffer's explicit and implicit fences, maps it if it is not mapped yet, and
    /// starts the brackets that are not open.
    Status begin(Access access, Deadline deadline);

    /// Ends the brackets that no other access has open.
    Status end(Access access);

    /// Returns the bytes of a plane; only between begin() and end().
    std::span<std::byte> plane(std::size_t index) const noexcept;

    /// Returns the bytes of every memory; only between begin() and end().
    std::array<std::span<std::byte>, max_planes> bytes() const noexcept;

    /// Returns what a device made of this buffer (a framebuffer, an image): made once, and kept as
    /// long as the buffer. `owner` identifies the device by its address. The import must hold the
    /// device, so that no other device gets that address meanwhile. Only one thread at a time makes
    /// an import.
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

    /// Drops what import_once() keeps for this owner.
    void forget_import(const void* owner)
    {
        std::shared_ptr<void> gone; // destroyed after the lock is released
        const std::lock_guard lock(imports_mutex_);
        if (const auto found = imports_.find(owner); found != imports_.end()) {
            gone = std::move(found->second);
            imports_.erase(found);
        }
    }

    /// Sets the handler that is told when a device refuses this memory at a real import. Set it
    /// before the buffer is handed out.
    using ImportFailed = std::function<void(const std::string& identity, const Error& error)>;
    void on_import_failure(ImportFailed handler) { import_failed_ = std::move(handler); }
    /// Reports that the use with this identity failed to import the memory. For backends. An error that may
    /// pass says nothing of the memory, and is not passed on.
    void import_failed(const std::string& identity, const Error& error) const
    {
        if (import_failed_ && error.is_final())
            import_failed_(identity, error);
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
    ImportFailed import_failed_;
    KeptFences fences_;
    std::atomic<std::uint64_t> accesses_{0};

    // The kernel does not count brackets, and concurrent ones on one udmabuf race inside the kernel.
    // So they are counted here and issued under a lock.
    std::mutex access_mutex_;
    std::vector<os::Mapping> mappings_; ///< none for the program's own memory
    bool writable_ = false;
    unsigned readers_ = 0;
    unsigned writers_ = 0;

    std::mutex imports_mutex_;
    std::map<const void*, std::shared_ptr<void>> imports_;
};

/// Fails if the buffer is the program's own memory, which cannot be shared.
Status shareable(const Buffer& buffer, Tried operation);

/// Makes a buffer of fresh dma-bufs. Checks that they are as large as the layout asks.
Result<Buffer> make_buffer(const Layout& layout, std::vector<UniqueFd> fds, std::string heap, std::string fallback);

} // namespace commonbuf
