// SPDX-License-Identifier: MIT
//
// CPU access: START and END of DMA_BUF_IOCTL_SYNC (linux/dma-buf.h), counted.
//
//   read  ____|=====================|_______      readers_ > 0
//   write _________|=========|______________      writers_ > 0
//   ioctl   START(R) START(W) END(W) END(R)
//
//   write ____|===============|_____________      START invalidates. So a writer opens both brackets,
//   read  ________|=====|___________________      and no reader starts one over what it has written.
//   ioctl   START(RW)       END(RW)               END of reading may invalidate too: the last writer
//                                                 comes first.
//
// Each bracket starts with the first access that needs it and ends with its last. So the kernel sees
// balanced pairs however many accesses nest, and written data is flushed when the last writer ends,
// not when some reader does.
//
// START waits for the fences of the dma-buf, without a limit, and nothing but a signal ends it. So
// fences are waited for before it, with the deadline. It can hang all the same, if somebody puts a
// fence in between:
//
//   nobody else can (the library has the only descriptor, and takes the lock for its own fences):
//       lock, poll, START, unlock
//   anybody can:
//       poll, then START in another thread, while this one waits for it until the deadline
//
// If that START comes too late, the other thread ends it. Without a lock meanwhile, so that every
// other access goes on: one that is held up by the same fences waits for the same START.
#include "buffer/buffer_state.hpp"

#include "base/log.hpp"
#include "os/aside.hpp"
#include "os/page_guard.hpp"
#include "sync/fence_set.hpp"
#include "sync/implicit.hpp"

#include <linux/dma-buf.h>
#include <linux/ioctl.h>

#include <poll.h>

#include <algorithm>
#include <utility>

namespace commonbuf {
namespace {

bool reads(Access access) { return access != Access::write; }
bool writes(Access access) { return access != Access::read; }

/// What a dma-buf polls as when its writers are done, or all its users.
short events_for(Access access) { return writes(access) ? POLLOUT : POLLIN; }

/// The cache maintenance of a large buffer takes less. A START that takes longer waits for a fence,
/// and has done its maintenance: the calls of others do not race with it in the kernel.
constexpr std::chrono::milliseconds maintenance{10};
/// How long after the deadline a START is waited for that nothing seems to hold up: less than the
/// 50 ms that an access may take too long, since threads wake late.
constexpr std::chrono::milliseconds grace{25};

constexpr const char* wait_for_devices = "wait for the devices that use the buffer";

/// Until when a START may be at its maintenance; nothing if it is not.
template <typename Start>
std::optional<Deadline> working_until(const std::shared_ptr<Start>& start) noexcept
{
    if (start == nullptr)
        return std::nullopt;
    const auto now = std::chrono::steady_clock::now();
    const auto until = start->called.value_or(now) + maintenance;
    return now < until ? std::optional(until) : std::nullopt;
}

/// Names a dma-buf for /proc/*/fdinfo and debugfs. Errors do not matter: kernels before 5.3 have no
/// names, and some dma-bufs refuse one.
void name_for_accounting(int fd)
{
    constexpr const char* name = "commonbuf";
    os::ioctl_again(fd, DMA_BUF_SET_NAME_B, const_cast<char*>(name));
}

} // namespace

std::shared_ptr<BufferState> BufferState::create(const Layout& layout, std::vector<Memory> memories, std::string heap,
                                                 std::string fallback)
{
    auto state = std::make_shared<BufferState>(layout, std::move(memories), std::move(heap), std::move(fallback));
    BufferState* raw = state.get();
    return {raw, [state = std::move(state)](BufferState* gone) mutable {
                gone->forget_imports();
                state.reset();
            }};
}

void BufferState::forget_imports()
{
    std::map<const void*, std::shared_ptr<void>> gone; // destroyed after the lock is released
    const std::lock_guard lock(imports_mutex_);
    gone.swap(imports_);
}

BufferState::~BufferState()
{
    for (const os::Mapping& mapping : mappings_) {
        if (os::page_guard::installed())
            os::page_guard::unguard(mapping.bytes());
    }
    watch::tell([this](watch::Watcher& watcher) { watcher.gone(*this); });
}

std::optional<os::FileId> BufferState::dma_buf() const noexcept
{
    if (is_private())
        return std::nullopt;
    const BufferId& id = memories_.front().id;
    return os::FileId{id.device, id.inode};
}

Status BufferState::map(Access access)
{
    if (is_private())
        return {};
    if (!mappings_.empty()) {
        if (writes(access) && !writable_)
            return Error::permission_denied(Call{"mmap"}, "the dma-buf was shared for reading only");
        return {};
    }
    std::vector<os::Mapping> mappings;
    bool writable = true;
    for (const Memory& memory : memories_) {
        auto mapping = os::Mapping::create(memory.fd.get(), memory.size, true);
        if (!mapping && mapping.error().category == Category::permission_denied && !writes(access)) {
            writable = false;
            mapping = os::Mapping::create(memory.fd.get(), memory.size, false);
        }
        if (!mapping)
            return mapping.error();
        mappings.push_back(std::move(*mapping));
    }
    mappings_ = std::move(mappings);
    writable_ = writable;
    for (const os::Mapping& mapping : mappings_) {
        if (os::page_guard::installed())
            os::page_guard::guard(mapping.bytes(), static_cast<watch::Subject*>(this));
    }
    return {};
}

void BufferState::guard_pages() const
{
    if (!os::page_guard::installed())
        return;
    using os::page_guard::Touch;
    const Touch touch = writers_ > 0 ? Touch::reads_and_writes : readers_ > 0 ? Touch::reads : Touch::none;
    for (const os::Mapping& mapping : mappings_)
        os::page_guard::allow(mapping.bytes(), touch);
}

Status BufferState::sync(std::uint64_t flags)
{
    if ((flags & DMA_BUF_SYNC_RW) == 0 || is_private())
        return {};
    const bool ends = (flags & DMA_BUF_SYNC_END) != 0;
    Status all;
    for (std::size_t i = 0; i < memories_.size(); ++i) {
        dma_buf_sync request{flags};
        const int error = os::ioctl_again(memories_[i].fd.get(), DMA_BUF_IOCTL_SYNC, &request);
        if (error == 0)
            continue;
        if (all)
            all = Error::from_errno(error, ends ? "DMA_BUF_IOCTL_SYNC END" : "DMA_BUF_IOCTL_SYNC START");
        if (ends)
            continue; // the others have to be ended all the same
        // Leave no bracket open on a part of the memories.
        for (std::size_t done = 0; done < i; ++done) {
            dma_buf_sync undo{flags | DMA_BUF_SYNC_END};
            os::ioctl_again(memories_[done].fd.get(), DMA_BUF_IOCTL_SYNC, &undo);
        }
        break;
    }
    return all;
}

void BufferState::expose() noexcept
{
    if (exposed_.load(std::memory_order_acquire) || is_private())
        return;
    // Under the lock: a START that relies on it has returned before anybody gets the descriptor.
    const std::lock_guard lock(access_mutex_);
    exposed_.store(true, std::memory_order_release);
}

void BufferState::share() noexcept
{
    if (passed_on_.load(std::memory_order_acquire) || is_private())
        return;
    expose();
    std::vector<Error> failures;
    {
        // Whoever comes second waits until the fences are in.
        const std::lock_guard lock(share_mutex_);
        if (passed_on_)
            return;
        // What a job publishes from here on is put in by its publish(); what came before is in fences_.
        shared_ = true;
        const auto [write, reads] = fences_.last();
        for (const auto& [fence, access] : {std::pair(&write, Access::write), std::pair(&reads, Access::read)}) {
            if (Status put = put_in(*fence, access); !put)
                failures.push_back(std::move(put).error());
        }
        // What lacked descriptors or memory is tried again by the next one.
        passed_on_.store(std::ranges::none_of(failures, &Error::is_transient), std::memory_order_release);
    }
    // Not under the lock: the program's log handler may ask for the descriptor.
    for (const Error& failure : failures)
        log("a buffer was passed on without the fences of its jobs: " + failure.message());
}

Result<Fence> BufferState::gather(Access access)
{
    Fence kept = fences_.before(access);
    if (!shared_ || is_private())
        return kept;
    const bool busy = !is_over(kept); // the dma-buf has these too
    std::vector<Fence> fences{std::move(kept)};
    for (const Memory& memory : memories_) {
        // Most often nobody works on it, which poll(2) tells without making a sync_file.
        const auto idle = busy ? false : os::wait(memory.fd.get(), events_for(access), Deadline{}, "dma-buf");
        if (!idle)
            return idle.error();
        if (*idle)
            continue;
        auto fence = implicit::export_fence(memory.fd.get(), access);
        if (!fence)
            return fence.error();
        fences.push_back(std::move(*fence));
    }
    return Fence::merge(fences);
}

Status BufferState::publish(const Fence& done, Access access)
{
    // Keep it first: even if the kernel does not take the fence, it counts within this library.
    fences_.publish(done, access);
    return shared_ && !is_private() ? put_in(done, access) : Status();
}

/// Puts what is pending of a fence into the dma-bufs.
Status BufferState::put_in(const Fence& fence, Access access)
{
    // Failed work is over, and the kernel would not keep its fence.
    const Fence rest = without_failed(fence);
    const auto sync_file = unasked_fd(rest);
    if (!sync_file)
        return sync_file.error();
    if (*sync_file < 0)
        return {};
    const std::lock_guard lock(access_mutex_);
    Status all;
    for (const Memory& memory : memories_) {
        if (Status imported = implicit::import_fence(memory.fd.get(), *sync_file, access); !imported && all)
            all = std::move(imported); // go on: the other memories get the fence nevertheless
    }
    return all;
}

/// Whether no device works on it that an access of this kind has to wait for.
Result<bool> BufferState::is_idle(Access access) const
{
    for (const Memory& memory : memories_) {
        if (!memory.fd)
            continue;
        auto idle = os::wait(memory.fd.get(), events_for(access), Deadline{}, "dma-buf");
        if (!idle || !*idle)
            return idle;
    }
    return true;
}

/// Waits for the fences that are there now, and for none that come later: beside readers that
/// overlap, a writer would never see a moment without one.
Status BufferState::wait_for_present_fences(Access access, Deadline deadline) const
{
    for (const Memory& memory : memories_) {
        const auto snapshot = implicit::export_sync_file(memory.fd.get(), access);
        const auto done = snapshot ? os::wait(snapshot->get(), POLLIN, deadline, "dma-buf")
                                   : os::wait(memory.fd.get(), events_for(access), deadline, "dma-buf");
        if (!done)
            return done.error();
        if (!*done)
            return Error::timed_out(wait_for_devices, "a fence did not signal before the deadline");
    }
    return {};
}

/// The kinds that an access needs and that are not open.
std::uint64_t BufferState::missing(Access access) const noexcept
{
    if (is_private())
        return 0;
    return (writes(access) ? DMA_BUF_SYNC_RW : DMA_BUF_SYNC_READ) & ~open_;
}

/// How long an access has to wait for the START of another one; nothing if there is none in its way.
std::optional<Deadline> BufferState::held_up_until(Access access) const noexcept
{
    const bool complete = missing(access) == 0;
    // One that waits for the same fences.
    if (!complete && (starts_reading_ || (starts_writing_ && writes(access))))
        return Deadline::max();
    // One that may be at its maintenance: that must not discard what this access writes, nor race
    // with the maintenance for this access.
    if (writes(access))
        return working_until(starts_reading_);
    return complete ? std::nullopt : working_until(starts_writing_);
}

Status BufferState::begin(Access access, Deadline deadline)
{
    // Ask the fences of jobs first: the dma-buf has them too, but without their errors.
    if (Status done = fences_.before(access).wait(deadline); !done)
        return done;
    std::unique_lock lock(access_mutex_);
    for (bool waited = false;;) {
        const auto idle = is_idle(access);
        if (!idle)
            return idle.error();
        if (!*idle && !waited) {
            lock.unlock();
            if (Status done = wait_for_present_fences(access, deadline); !done)
                return done;
            lock.lock();
            waited = true;
            continue;
        }
        if (Status mapped = map(access); !mapped)
            return mapped;
        if (Status started = start(lock, access, exposed_ || !*idle, deadline); !started) {
            // It may have got one of two.
            if (close_unused() != 0)
                ++owed_ends_;
            pay_ends();
            return started;
        }
        break;
    }
    readers_ += reads(access) ? 1U : 0U;
    writers_ += writes(access) ? 1U : 0U;
    guard_pages();
    accesses_.fetch_add(1, std::memory_order_relaxed);
    return {};
}

/// Starts what is missing. If `may_hang`, somebody may put a fence in before START.
Status BufferState::start(std::unique_lock<std::mutex>& lock, Access access, bool may_hang, Deadline deadline)
{
    const Deadline now = std::chrono::steady_clock::now();
    const Deadline last = std::max(deadline, now + maintenance);
    const Deadline limit = std::min(std::max(deadline, now), Deadline::max() - grace) + grace;
    for (;;) {
        if (const auto until = held_up_until(access)) {
            if (std::chrono::steady_clock::now() >= last)
                return Error::timed_out(wait_for_devices, "another CPU access waits for a fence, which did not signal "
                                                          "before the deadline");
            may_hang = true; // since the lock is open meanwhile
            started_.wait_until(lock, std::min(*until, last));
            continue;
        }
        const std::uint64_t kinds = missing(access);
        if (kinds == 0)
            return {};
        Status started = may_hang ? start_aside(lock, kinds, access, last, limit) : sync(DMA_BUF_SYNC_START | kinds);
        if (!started)
            return started;
        if (!may_hang)
            open_ |= kinds;
    }
}

/// Starts `kinds` in another thread, and waits for it with the lock released: until `last` if a
/// fence holds it up, until `limit` if none does.
Status BufferState::start_aside(std::unique_lock<std::mutex>& lock, std::uint64_t kinds, Access access, Deadline last,
                                Deadline limit)
{
    const auto start = std::make_shared<Start>(Start{kinds});
    auto& slot = slot_for(kinds);
    slot = start;
    if (Status handed = os::run_aside([this, start] { run(*start); }); !handed) {
        slot.reset();
        return handed;
    }
    for (Deadline until = std::max(last, std::min(limit, std::chrono::steady_clock::now() + maintenance));;) {
        if (started_.wait_until(lock, until, [&] { return start->done; }))
            return start->result;
        // It is late. If no fence holds it up, it only takes its time.
        const auto idle = is_idle(access);
        if (!idle || !*idle || until >= limit) {
            start->abandoned = shared_from_this();
            return Error::timed_out(wait_for_devices,
                                    "a fence came after the wait began, and did not signal before the deadline");
        }
        until = std::min<Deadline>(limit, until + maintenance);
    }
}

std::shared_ptr<BufferState::Start>& BufferState::slot_for(std::uint64_t kinds) noexcept
{
    return (kinds & DMA_BUF_SYNC_WRITE) != 0 ? starts_writing_ : starts_reading_;
}

/// What the other thread does. As soon as the lock is released, the buffer may be gone, unless it
/// was abandoned.
void BufferState::run(Start& start)
{
    {
        const std::lock_guard lock(access_mutex_);
        start.called = std::chrono::steady_clock::now();
    }
    Status result = sync(DMA_BUF_SYNC_START | start.kinds);
    std::shared_ptr<BufferState> abandoned; // destroyed after the lock is released
    const std::lock_guard lock(access_mutex_);
    slot_for(start.kinds).reset();
    abandoned = std::move(start.abandoned);
    if (result)
        opened(start.kinds, abandoned != nullptr);
    start.result = std::move(result);
    start.done = true;
    started_.notify_all();
}

void BufferState::opened(std::uint64_t kinds, bool abandoned)
{
    const std::uint64_t before = open_;
    if (!abandoned)
        open_ |= kinds;
    const std::uint64_t surplus = abandoned ? kinds : kinds & before;
    if (surplus == 0)
        return;
    ++owed_ends_;
    pay_ends();
}

/// Ends STARTs that came too late or twice. Always as of reading: nothing was written in these. Where
/// the CPU has a copy of its own (swiotlb), END of writing would put an old copy over what a device
/// has written since. And not while somebody writes: END of reading may discard that.
void BufferState::pay_ends()
{
    for (; owed_ends_ != 0 && writers_ == 0; --owed_ends_)
        static_cast<void>(sync(DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ));
}

Status BufferState::end(Access access)
{
    std::unique_lock lock(access_mutex_);
    // Calls on one buffer come one after the other, unless one only waits for a fence.
    for (const auto* slot : {&starts_reading_, &starts_writing_}) {
        while (const auto until = working_until(*slot))
            started_.wait_until(lock, *until);
    }
    readers_ -= reads(access) ? 1U : 0U;
    writers_ -= writes(access) ? 1U : 0U;
    guard_pages();
    Status ended = sync(DMA_BUF_SYNC_END | close_unused());
    pay_ends();
    return ended;
}

/// Takes the kinds that no access needs any more off those that are open, and returns them.
std::uint64_t BufferState::close_unused() noexcept
{
    std::uint64_t kinds = 0;
    if (writers_ == 0)
        kinds |= open_ & DMA_BUF_SYNC_WRITE;
    if (writers_ == 0 && readers_ == 0)
        kinds |= open_ & DMA_BUF_SYNC_READ;
    open_ &= ~kinds;
    return kinds;
}

std::span<std::byte> BufferState::memory(std::size_t index) const noexcept
{
    return index < mappings_.size() ? mappings_[index].bytes() : memories_[index].own;
}

std::span<std::byte> BufferState::plane(std::size_t index) const noexcept
{
    if (index >= layout_.plane_count)
        return {};
    const Plane& plane = layout_.planes[index];
    const auto all = memory(plane.memory);
    return all.empty() ? all : all.subspan(plane.offset, plane.size);
}

std::array<std::span<std::byte>, max_planes> BufferState::bytes() const noexcept
{
    std::array<std::span<std::byte>, max_planes> all{};
    for (std::size_t i = 0; i < std::min(all.size(), memories_.size()); ++i)
        all[i] = memory(i);
    return all;
}

Error moved_from(Tried operation)
{
    return Error::invalid_state(std::move(operation), "the handle of the buffer was moved from");
}

Status shareable(const Buffer& buffer, Tried operation)
{
    if (!buffer)
        return moved_from(std::move(operation));
    if (!buffer.state().is_private())
        return {};
    return Error::unsupported(std::move(operation), "the buffer is the program's own memory, which cannot be shared",
                              "allocate it from a plan that has this use");
}

Layout by_dma_buf(const Layout& layout, std::span<const BufferState::Memory> memories)
{
    Layout merged = layout;
    for (std::uint32_t i = 0; i < merged.plane_count; ++i) {
        Plane& plane = merged.planes[i];
        const auto first = std::ranges::find(memories, memories[plane.memory].id, &BufferState::Memory::id);
        plane.memory = static_cast<std::uint32_t>(first - memories.begin());
        merged.memory_sizes[plane.memory] = std::max(merged.memory_sizes[plane.memory], plane.offset + plane.size);
    }
    return merged;
}

Result<Buffer> make_buffer(const Layout& layout, std::vector<UniqueFd> fds, std::string heap, std::string fallback)
{
    std::vector<BufferState::Memory> memories;
    std::array<std::uint64_t, max_planes> sizes{};
    if (fds.size() > max_planes)
        return Error::invalid_argument("make a buffer",
                                       std::to_string(fds.size()) + " memories are more than a format has planes");
    for (UniqueFd& fd : fds) {
        const auto size = os::size_of(fd.get());
        if (!size)
            return size.error();
        const auto id = os::id_of(fd.get());
        if (!id)
            return id.error();
        sizes[memories.size()] = *size;
        memories.push_back({std::move(fd), {id->device, id->inode}, *size});
    }
    if (memories.empty())
        return Error::invalid_argument("make a buffer", "there is no memory");
    if (const Status valid = validate(layout, std::span(sizes).first(memories.size())); !valid)
        return valid.error();
    if (const Status apart = validate(by_dma_buf(layout, memories)); !apart)
        return apart.error();
    if (!heap.empty()) {
        for (const BufferState::Memory& memory : memories)
            name_for_accounting(memory.fd.get());
    }
    return Buffer(BufferState::create(layout, std::move(memories), std::move(heap), std::move(fallback)));
}

} // namespace commonbuf
