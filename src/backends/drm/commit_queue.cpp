// SPDX-License-Identifier: MIT
//
//   submit(commit) ──► waiting: [ c1 | c2 | c3 ] ──► DRM_IOCTL_MODE_ATOMIC ──► on the screen
//                                 ▲                        (one on its way)
//        advance(): the first one goes on when its fences have signalled and the commit before
//        it is shown; none overtakes another
//
// The kernel takes one commit of a CRTC at a time, and waits for its fences without a time limit.
// So it gets only what is ready, unless the caller says that the fences are sure to signal.
#include "backends/drm/commit_request.hpp"
#include "backends/drm/display.hpp"
#include "backends/drm/file.hpp"
#include "backends/drm/framebuffer.hpp"
#include "backends/drm/importer.hpp"
#include "buffer/buffer_state.hpp"
#include "base/log.hpp"
#include "os/os.hpp"
#include "os/wakeup.hpp"
#include "sync/fence_set.hpp"
#include "sync/watch.hpp"
#include "base/text.hpp"

#include <commonbuf/drm/commit_queue.hpp>

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace commonbuf::drm {
namespace {

/// Makes a fence of what the kernel returned; an empty one if it returned none.
Fence made(UniqueFd fd, std::shared_ptr<FencePoint> (*make)(UniqueFd) noexcept)
{
    return fd ? Fence(std::make_shared<FenceSet>(std::vector{make(std::move(fd))})) : Fence();
}

bool is_work_failed(const Error& error) { return error.category == Category::work_failed; }

/// Whether the work is over, even if it failed. A fence that cannot be asked counts as pending.
bool over(const Fence& fence)
{
    const auto done = fence.signalled();
    return done ? *done : is_work_failed(done.error());
}

/// Whether a commit was not made for a reason of its own. Any other may be over later.
bool its_own(const Error& error) { return is_work_failed(error) || !error.is_transient(); }

} // namespace

class CommitQueue::State {
public:
    struct Waiting {
        std::uint64_t number;
        Commit commit;
        bool awaited = true;        ///< its caller is still inside submit() or commit()
        bool gathered = false;      ///< `before` is up to date
        bool fence_refused = false; ///< the driver seems to refuse it for its fence
        std::vector<Job> jobs;      ///< one for each plane that shows something, in their order; then the writeback's
        Fence before;
    };

    State(const Display& on, Fencing with, os::Wakeup waker) : display(on), fencing(with), wakeup(std::move(waker)) {}
    ~State()
    {
        for (const auto& [plane, one] : on_screen_)
            leave(one.buffer);
        for (const OnScreen& one : leaving_)
            leave(one.buffer);
    }

    /// What others are to be told: that writes a file, and calls the program's log handler, which may
    /// ask this queue. So only when the lock is released.
    struct News {
        struct Refused {
            Buffer buffer;
            std::vector<std::string> identities;
            Error error;
        };
        std::vector<Refused> refused;
        std::vector<std::string> messages;
    };

    /// The lock; tells the news after it.
    class Locked {
    public:
        explicit Locked(State& state) : state_(state), lock_(state.mutex) {}
        Locked(const Locked&) = delete;
        Locked& operator=(const Locked&) = delete;
        ~Locked()
        {
            if (lock_.owns_lock())
                unlock();
        }
        void lock() { lock_.lock(); }
        void unlock()
        {
            const News told = std::exchange(state_.news, {});
            lock_.unlock();
            for (const std::string& message : told.messages)
                log(message);
            for (const News::Refused& each : told.refused)
                each.buffer.state().import_failed(each.identities, each.error);
            reports_.report();
        }

    private:
        watch::HeldBack reports_; ///< of watchers
        State& state_;
        std::unique_lock<std::mutex> lock_;
    };

    std::uint64_t add(Commit commit)
    {
        waiting.push_back({next_++, std::move(commit), true, false, false, {}, {}});
        return waiting.back().number;
    }

    /// Imports what a commit shows and writes before the lock is taken: a refusal is told to others. Any
    /// other mistake is found later.
    static Status import(const Commit& commit)
    {
        if (commit.mistake_ || commit.power_ == Commit::Power::off)
            return {};
        for (const Buffer& buffer : commit.buffers()) {
            if (const auto made = import_framebuffer(commit.display().device().file(), buffer); !made)
                return made.error();
        }
        return {};
    }

    /// Returns the outcome of an awaited commit; nothing while it waits.
    std::optional<Result<Committed>> answer(std::uint64_t number)
    {
        auto found = answers_.extract(number);
        return found ? std::optional(std::move(found.mapped())) : std::nullopt;
    }

    void withdraw(std::uint64_t number)
    {
        std::erase_if(waiting, [&](const Waiting& one) { return one.number == number; });
    }

    /// Makes all commits whose turn has come.
    Result<std::size_t> advance()
    {
        wakeup.clear();
        trouble.reset();
        std::size_t count = 0;
        while (!waiting.empty()) {
            Waiting& first = waiting.front();
            auto done = attempt(first);
            if (!done)
                break;
            if (!*done && !its_own(done->error())) {
                first.gathered = false;
                trouble = done->error().category;
                return std::move(done->error());
            }
            count += *done ? 1U : 0U;
            settle(std::move(*done));
        }
        return count;
    }

    /// Returns what to poll until advance() has something to do; -1 only while nothing waits. Two
    /// steps may need two descriptors, one after the other.
    int wait_fd()
    {
        if (waiting.empty())
            return -1;
        if (trouble)
            return wakeup.after(look_again()); // no fence tells when the trouble is over
        const Waiting& first = waiting.front();
        for (const Fence& fence : {flip, kernel_waits_for(first) ? Fence() : first.before}) {
            const auto fd = unasked_fd(fence);
            if (!fd)
                return wakeup.after(look_again()); // it has no descriptor
            if (*fd >= 0) {
                polled_ = fence;
                return *fd;
            }
        }
        if (first.commit.written_ && !writeback_over())
            return wakeup.after(look_again()); // its fence alone may never tell
        return wakeup.now();                   // all have signalled meanwhile
    }

    /// How often to look if no descriptor tells.
    std::chrono::nanoseconds look_again() const noexcept { return display.state().refresh() / 4; }

    Display display;
    Fencing fencing;
    os::Wakeup wakeup;
    mutable std::mutex mutex;
    std::deque<Waiting> waiting;
    std::vector<Committed> committed;
    std::vector<WithheldCommit> withheld;
    Fence flip;                      ///< of the last commit, as the kernel gave it
    Fence written;                   ///< of the last writeback, likewise
    Fence shown;                     ///< of the last commit, with the work that the kernel waits for
    std::optional<Category> trouble; ///< why the first could not be committed now, for example busy
    News news;

private:
    struct OnScreen {
        Buffer buffer;
        Job job;
    };

    Status gather(Waiting& one)
    {
        const Commit& commit = one.commit;
        one.jobs.clear();
        for (const Commit::Shown& plane : commit.shown_) {
            if (plane.buffer)
                one.jobs.emplace_back(commit.name_, fencing, commit.where_).reads(*plane.buffer);
        }
        if (commit.written_)
            one.jobs.emplace_back("writeback", fencing, commit.where_).writes(*commit.written_);
        std::vector<Fence> fences{commit.after_};
        for (Job& job : one.jobs) {
            auto fence = job.gather();
            if (!fence)
                return fence.error();
            fences.push_back(std::move(*fence));
        }
        one.before = Fence::merge(fences);
        one.gathered = true;
        return {};
    }

    /// Whether the kernel may get it now. Fails if work on its buffers failed, as far as is known: what
    /// the kernel waits for, nobody asks.
    Result<bool> ready(const Waiting& one)
    {
        const bool kernel = kernel_waits_for(one) && !is_over(one.before);
        auto done = kernel ? Result<bool>(true) : one.before.signalled();
        if (!done)
            return done;
        // Asked even if the work is not over: what signalled is not to be polled again.
        const bool on_screen = over(flip);
        return *done && on_screen && (!one.commit.written_ || writeback_over());
    }

    /// Whether another writeback may begin. Drivers lose some (vkms, on a busy machine): so the
    /// kernel, which waits without an end, never gets the fence of one, and here patience ends.
    bool writeback_over()
    {
        if (over(written))
            return true;
        if (!over(flip))
            return false;
        constexpr int refreshes = 60;
        if (!written_due_)
            written_due_ = deadline_in(display.state().refresh() * refreshes);
        if (std::chrono::steady_clock::now() < *written_due_)
            return false;
        news.messages.push_back("a writeback of " + display.connector().name + " did not end: the driver has lost it");
        written = {};
        return true;
    }

    bool gets_a_fence(const Waiting& one) const
    {
        return !one.fence_refused && !display.state().file().refuses_fences(one.commit.async_);
    }

    /// Whether the kernel may wait and can: the commit shows a plane, and every plane that it shows
    /// takes a fence. A flip at once would hold the caller up meanwhile.
    bool kernel_waits_for(const Waiting& one_waiting) const
    {
        const Commit& commit = one_waiting.commit;
        if (commit.wait_ != FenceWait::kernel || commit.async_ || !gets_a_fence(one_waiting))
            return false;
        bool any = false;
        for (const Commit::Shown& one : commit.shown_) {
            const DisplayPlane* plane = display.state().plane(one.plane);
            if (!one.buffer || plane == nullptr)
                continue;
            if (plane->find("IN_FENCE_FD") == nullptr)
                return false;
            any = true;
        }
        return any;
    }

    /// Returns nothing while it has to wait.
    std::optional<Result<Committed>> attempt(Waiting& one)
    {
        for (;;) {
            const bool fresh = !one.gathered;
            if (fresh) {
                if (Status gathered = gather(one); !gathered)
                    return std::move(gathered.error());
            }
            const auto now = ready(one);
            if (!now)
                return now.error();
            if (!*now) {
                // The kernel tells drivers of its own waits.
                if (fresh && one.before.known() == FenceState::pending)
                    static_cast<void>(one.before.set_deadline(deadline_in(display.state().refresh())));
                return std::nullopt;
            }
            if (fresh) {
                if (auto made = commit(one))
                    return made;
            }
            one.gathered = false; // others may have come while it waited
        }
    }

    /// Returns nothing if the driver refuses the fence, so that the library has to wait first.
    std::optional<Result<Committed>> commit(Waiting& one)
    {
        auto request = CommitRequest::create(one.commit);
        if (!request)
            return std::move(request.error());
        // All that is pending here, the kernel is to wait for.
        auto in_fence = unasked_fd(one.before);
        if (!in_fence)
            return std::move(in_fence.error());
        const int given = !gets_a_fence(one) ? -1 : *in_fence >= 0 ? *in_fence : signalled_fd();
        auto fences = (*request)->commit(given);
        if (!fences && given >= 0 && (*request)->may_be_for_the_fence(fences.error())) {
            // Some drivers refuse every commit that carries one.
            one.fence_refused = true;
            if (*in_fence >= 0)
                return std::nullopt;
            fences = (*request)->commit(-1);
        }
        if (!fences) {
            if ((*request)->is_of_the_picture(fences.error()))
                note_refusal(one.commit, fences.error());
            return std::move(fences.error());
        }
        if (one.fence_refused)
            refuse_fences(one.commit.async_);

        Committed done{.number = one.number, .kernel_waits = *in_fence >= 0};
        flip = made(std::move(fences->shown), &FencePoint::of_crtc);
        // KMS shows what failed as if it were good: so its failure belongs to the answer.
        shown = done.shown = Fence::merge(std::array{flip, one.before});
        if (one.commit.written_) {
            written = made(std::move(fences->written), &FencePoint::of_sync_file);
            written_due_.reset();
            done.written = Fence::merge(std::array{written, one.before});
            publish(one.jobs.back(), done.written);
        }
        take_place((*request)->changed(), one, done);
        return done;
    }

    void note_refusal(const Commit& commit, const Error& error)
    {
        const File& file = display.state().file();
        for (const Commit::Shown& one : commit.shown_) {
            const DisplayPlane* plane = display.state().plane(one.plane);
            if (one.buffer && plane != nullptr)
                news.refused.push_back(
                    {*one.buffer, identities_of(file, *plane, commit.async_ ? Flip::at_once : Flip::at_vblank), error});
        }
        if (commit.written_)
            news.refused.push_back({*commit.written_, {writeback_identity(file)}, error});
    }

    /// It is the driver's way: the commit was made without its fence.
    void refuse_fences(bool async)
    {
        File& file = *display.device().file();
        if (!file.refuses_fences(async))
            news.messages.push_back(file.info().path +
                                    " refuses commits with fences (IN_FENCE_FD): the library waits for them");
        file.note_refused_fence(async);
    }

    /// Returns a descriptor that has signalled, -1 before the first commit. A plane with a fence of
    /// its own does not wait for those in the dma-buf (drm_gem_plane_helper_prepare_fb()). The
    /// queue has already waited for these, and others may add some meanwhile.
    int signalled_fd() const
    {
        const auto points = points_of(flip);
        return points.empty() || points.front()->known() == FenceState::pending ? -1 : points.front()->fd();
    }

    void publish(Job& job, const Fence& done)
    {
        if (const Status published = job.publish(done); !published)
            news.messages.push_back("cannot put the display's fence into the dma-buf: " + published.error().message());
    }

    void leave(const Buffer& buffer) const
    {
        watch::tell([&](watch::Watcher& watcher) { watcher.replaced(buffer.state(), this); });
    }

    void take_place(const std::vector<std::uint32_t>& planes, Waiting& one, Committed& done)
    {
        std::vector<OnScreen> gone = std::exchange(leaving_, {});
        for (const std::uint32_t plane : planes) {
            if (auto old = on_screen_.extract(plane))
                (one.commit.async_ ? leaving_ : gone).push_back(std::move(old.mapped()));
        }
        std::vector<Buffer> before;
        for (auto& [buffer, job] : gone) {
            leave(buffer);
            publish(job, flip);
            before.push_back(std::move(buffer));
        }
        auto job = one.jobs.begin();
        for (const Commit::Shown& now : one.commit.shown_) {
            if (now.buffer && one.commit.power_ != Commit::Power::off) {
                watch::tell([&](watch::Watcher& watcher) {
                    watcher.shown(now.buffer->state(), this, {one.commit.name_, Access::read, one.commit.where_});
                });
                on_screen_.insert_or_assign(now.plane, OnScreen{*now.buffer, std::move(*job)});
            }
            job += now.buffer ? 1 : 0;
        }
        for (Buffer& buffer : before) {
            const bool still = std::any_of(on_screen_.begin(), on_screen_.end(),
                                           [&](const auto& entry) { return entry.second.buffer == buffer; }) ||
                               std::ranges::find(leaving_, buffer, &OnScreen::buffer) != leaving_.end();
            if (!still && std::find(done.replaced.begin(), done.replaced.end(), buffer) == done.replaced.end())
                done.replaced.push_back(std::move(buffer));
        }
    }

    /// Removes the first one and keeps its outcome.
    void settle(Result<Committed> result)
    {
        Waiting& first = waiting.front();
        if (first.awaited)
            answers_.emplace(first.number, std::move(result));
        else if (result)
            committed.push_back(std::move(*result));
        else
            withheld.push_back({first.number, std::move(first.commit), std::move(result.error())});
        waiting.pop_front();
    }

    std::optional<Deadline> written_due_; ///< when the last writeback counts as lost; set once it is shown
    Fence polled_;                        ///< holds the descriptor that wait_fd() gave
    std::uint64_t next_ = 1;
    std::map<std::uint64_t, Result<Committed>> answers_;
    std::map<std::uint32_t, OnScreen> on_screen_; ///< by plane
    /// Replaced by a flip at once. Some drivers return before it has happened (amdgpu, which does not wait for
    /// flips that are async); the next commit waits for it.
    std::vector<OnScreen> leaving_;
};

CommitQueue::CommitQueue(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
CommitQueue::CommitQueue(CommitQueue&&) noexcept = default;
CommitQueue& CommitQueue::operator=(CommitQueue&&) noexcept = default;
CommitQueue::~CommitQueue() = default;

// NOLINTNEXTLINE(performance-unnecessary-value-param): as it is declared
Result<CommitQueue> CommitQueue::create(Display display, Fencing fencing)
{
    auto wakeup = os::Wakeup::create();
    if (!wakeup)
        return wakeup.error();
    return CommitQueue(std::make_unique<State>(display, fencing, std::move(*wakeup)));
}

const Display& CommitQueue::display() const noexcept { return state_->display; }

Result<std::uint64_t> CommitQueue::submit(Commit commit)
{
    State& state = *state_;
    if (&commit.display().state() != &state.display.state())
        return Error::invalid_argument("submit a commit", "the commit is for another display");
    if (Status imported = State::import(commit); !imported)
        return imported.error();
    const State::Locked lock(state);
    const bool first = state.waiting.empty();
    const std::uint64_t number = state.add(std::move(commit));
    if (first) {
        const auto advanced = state.advance();
        if (auto answer = state.answer(number)) {
            if (!*answer)
                return std::move(answer->error());
            state.committed.push_back(std::move(**answer));
            return number;
        }
        if (!advanced) {
            state.withdraw(number);
            return advanced.error();
        }
    }
    state.waiting.back().awaited = false;
    return number;
}

Result<Committed> CommitQueue::commit(Commit commit, Deadline deadline)
{
    State& state = *state_;
    if (&commit.display().state() != &state.display.state())
        return Error::invalid_argument("make a commit", "the commit is for another display");
    if (Status imported = State::import(commit); !imported)
        return imported.error();
    State::Locked lock(state);
    const std::uint64_t number = state.add(std::move(commit));
    for (;;) {
        const auto advanced = state.advance();
        if (auto answer = state.answer(number))
            return std::move(*answer);
        const bool busy = state.trouble == Category::busy;
        if (!advanced && !busy) {
            state.withdraw(number);
            return advanced.error();
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            const std::size_t front = state.waiting.size() - 1;
            state.withdraw(number);
            return Error::timed_out(
                "make a commit to " + state.display.connector().name,
                advanced ? text::format("its turn did not come before the deadline: {} commits wait before it, and "
                                        "the last one made is {}; it is cancelled",
                                        front,
                                        !over(state.flip)      ? "not shown yet"
                                        : !over(state.written) ? "shown, but its writeback has not ended"
                                                               : "shown")
                         : advanced.error().message() + "; it is cancelled");
        }
        // Commits in front may be cancelled meanwhile, which no descriptor tells.
        constexpr int refreshes = 4;
        std::array<pollfd, 1> entries{{{state.wait_fd(), POLLIN, 0}}};
        const auto step =
            busy ? deadline_in(state.look_again()) : deadline_in(state.display.state().refresh() * refreshes);
        lock.unlock();
        static_cast<void>(os::wait_any(entries, std::min(deadline, step), "a commit"));
        lock.lock();
    }
}

int CommitQueue::poll_fd() const noexcept
{
    const State::Locked lock(*state_);
    return state_->wait_fd();
}

Result<std::size_t> CommitQueue::advance()
{
    const State::Locked lock(*state_);
    return state_->advance();
}

std::size_t CommitQueue::waiting() const noexcept
{
    const State::Locked lock(*state_);
    return state_->waiting.size();
}

std::vector<Commit> CommitQueue::cancel_waiting()
{
    const State::Locked lock(*state_);
    std::vector<Commit> commits;
    std::erase_if(state_->waiting, [&](const auto& one) {
        if (!one.awaited)
            commits.push_back(one.commit);
        return !one.awaited;
    });
    return commits;
}

std::vector<Committed> CommitQueue::pop_committed()
{
    const State::Locked lock(*state_);
    return std::exchange(state_->committed, {});
}

std::vector<WithheldCommit> CommitQueue::pop_withheld()
{
    const State::Locked lock(*state_);
    return std::exchange(state_->withheld, {});
}

Fence CommitQueue::shown() const
{
    const State::Locked lock(*state_);
    return state_->shown;
}

} // namespace commonbuf::drm
