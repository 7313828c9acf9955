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
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace commonbuf {

/// The state that all handles of one buffer share. Always in a std::shared_ptr.
class BufferState final : public watch::Subject, public std::enable_shared_from_this<BufferState> {
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
    /// Make the state of a buffer, for its handles. When the last one goes, what devices made of the buffer
    /// goes too, in that thread, even if a START that nobody waits for still holds the state.
    static std::shared_ptr<BufferState> create(const Layout& layout, std::vector<Memory> memories, std::string heap,
                                               std::string fallback);
    BufferState(const BufferState&) = delete;
    BufferState& operator=(const BufferState&) = delete;
    ~BufferState();

    const Layout& layout() const noexcept override { return layout_; }
    const std::vector<Memory>& memories() const noexcept { return memories_; }
    const std::string& heap() const noexcept override { return heap_; }
    const std::string& fallback() const noexcept { return fallback_; }
    std::optional<os::FileId> dma_buf() const noexcept override;
    /// Returns the dma-buf of a memory, borrowed, for this library only: fences are put into it only
    /// by publish(). -1 if there is no such memory.
    int dma_buf_fd(std::size_t memory) const noexcept
    {
        return memory < memories_.size() ? memories_[memory].fd.get() : -1;
    }

    /// Notes that others may put fences into the dma-bufs from now on, at any time: someone outside
    /// of the library has a descriptor, or a driver that does so has the memory.
    void expose() noexcept;

    /// Notes that, and that others look for fences there: those that are pending are put in, and
    /// gather() and publish() go by the dma-bufs too from now on. Until then nobody knows the
    /// memory except this library and devices that it gave it to, which have no implicit fences (V4L2)
    /// or get explicit ones (KMS).
    void share() noexcept;

    /// Returns what an access of this kind has to wait for: the fences of jobs, and those inside the
    /// dma-bufs. Errors: those of Buffer::export_fence().
    Result<Fence> gather(Access access);

    /// Makes later accesses wait for `done`: within this library, and by the dma-bufs. Errors: those of
    /// Buffer::import_fence().
    Status publish(const Fence& done, Access access);

    /// Whether it is the program's own memory, which no other device can use.
    bool is_private() const noexcept { return !memories_.front().fd; }

    /// The fences of the jobs that work on it.
    KeptFences& fences() noexcept { return fences_; }

    std::uint64_t accesses() const noexcept { return accesses_.load(std::memory_order_relaxed); }

    /// Waits for the explicit and implicit fences that the buffer has now, maps it if it is not
    /// mapped yet, and starts the brackets that are not open. Fences that come later can make it
    /// fail with timed_out, but hold it for no more than 50 ms beyond the deadline.
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
    /// `failed` gets the error if `make` fails, after the lock is released.
    template <typename Import, typename Make, typename Failed>
    Result<std::shared_ptr<Import>> import_once(const void* owner, Make make, Failed failed)
    {
        auto imported = [&]() -> Result<std::shared_ptr<Import>> {
            const std::lock_guard lock(imports_mutex_);
            if (const auto found = imports_.find(owner); found != imports_.end())
                return std::static_pointer_cast<Import>(found->second);
            Result<std::shared_ptr<Import>> made = make();
            if (made)
                imports_.emplace(owner, *made);
            return made;
        }();
        if (!imported)
            failed(imported.error());
        return imported;
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
    using ImportFailed = std::function<void(const std::vector<std::string>& identities, const Error& error)>;
    void on_import_failure(ImportFailed handler) { import_failed_ = std::move(handler); }
    /// Reports that the uses with these identities, at least one, failed to import the memory. For
    /// backends, which must not hold a lock: it writes a file, and calls the program's log handler. An
    /// error that may pass says nothing of the memory, and is not passed on.
    void import_failed(const std::vector<std::string>& identities, const Error& error) const
    {
        if (import_failed_ && error.is_final())
            import_failed_(identities, error);
    }

private:
    void forget_imports();

    /// A START on its way, in a thread of its own.
    struct Start {
        std::uint64_t kinds;                                           ///< DMA_BUF_SYNC_READ, _WRITE
        std::optional<std::chrono::steady_clock::time_point> called{}; ///< when that thread made the call
        bool done = false;
        Status result{};
        std::shared_ptr<BufferState> abandoned{}; ///< holds the buffer if nobody waits for it any more
    };

    Status put_in(const Fence& fence, Access access);
    Status map(Access access);
    Status sync(std::uint64_t flags);
    Result<bool> is_idle(Access access) const;
    Status wait_for_present_fences(Access access, Deadline deadline) const;
    std::uint64_t missing(Access access) const noexcept;
    std::optional<Deadline> held_up_until(Access access) const noexcept;
    Status start(std::unique_lock<std::mutex>& lock, Access access, bool may_hang, Deadline deadline);
    Status start_aside(std::unique_lock<std::mutex>& lock, std::uint64_t kinds, Access access, Deadline last,
                       Deadline limit);
    std::shared_ptr<Start>& slot_for(std::uint64_t kinds) noexcept;
    void run(Start& start);
    void opened(std::uint64_t kinds, bool abandoned);
    void pay_ends();
    std::uint64_t close_unused() noexcept;
    std::span<std::byte> memory(std::size_t index) const noexcept;
    void guard_pages() const;

    Layout layout_;
    std::vector<Memory> memories_;
    std::string heap_;
    std::string fallback_;
    ImportFailed import_failed_;
    KeptFences fences_;
    std::atomic<std::uint64_t> accesses_{0};

    std::mutex access_mutex_;
    std::condition_variable started_;   ///< a START has returned
    std::vector<os::Mapping> mappings_; ///< none for the program's own memory
    bool writable_ = false;
    std::atomic<bool> exposed_{false};
    std::atomic<bool> shared_{false};
    std::atomic<bool> passed_on_{false}; ///< shared, and the fences are in
    std::mutex share_mutex_;             ///< before access_mutex_
    unsigned readers_ = 0;
    unsigned writers_ = 0;
    std::uint64_t open_ = 0; ///< the kinds whose bracket is open
    unsigned owed_ends_ = 0; ///< of STARTs that came too late, or twice
    std::shared_ptr<Start> starts_reading_;
    std::shared_ptr<Start> starts_writing_;

    std::mutex imports_mutex_;
    std::map<const void*, std::shared_ptr<void>> imports_;
};

/// Makes the error of a call with a handle that was moved from.
Error moved_from(Tried operation);

/// Fails if the buffer is the program's own memory, which cannot be shared, or the handle was moved from.
Status shareable(const Buffer& buffer, Tried operation);

/// Returns the layout with one memory for each dma-buf: several memories may be the same one, and their
/// planes must not overlap either. validate() has checked the layout itself.
Layout by_dma_buf(const Layout& layout, std::span<const BufferState::Memory> memories);

/// Makes a buffer of fresh dma-bufs. Checks that they are as large as the layout asks.
Result<Buffer> make_buffer(const Layout& layout, std::vector<UniqueFd> fds, std::string heap, std::string fallback);

} // namespace commonbuf
