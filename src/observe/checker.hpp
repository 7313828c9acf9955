// SPDX-License-Identifier: MIT
#pragma once

#include "sync/watch.hpp"

#include <commonbuf/buffer.hpp>
#include <commonbuf/checker.hpp>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace commonbuf {

/// Follows the accesses to each buffer and reports what no fence or bracket orders. It asks
/// fences only where it has to know whether work is over, and never waits.
class Checker final : public watch::Watcher {
public:
    void set(Check mode, std::function<void(const Finding&)> handler);
    std::uint64_t findings() const noexcept { return findings_.load(std::memory_order_relaxed); }

    void cpu_began(BufferState& buffer, std::uint64_t number, const watch::Site& site) override;
    void cpu_ended(BufferState& buffer, std::uint64_t number) override;
    void cpu_touched_late(const Place& begun, const Place& touched) override;
    void job_gathered(const watch::JobRun& run, const Fence& before) override;
    void job_published(const watch::JobRun& run, const Fence& done) override;
    void queued(BufferState& buffer, const void* queue, const watch::Site& site) override;
    void dequeued(BufferState& buffer, const void* queue, bool failed) override;
    void shown(BufferState& buffer, const void* display, const watch::Site& site) override;
    void replaced(BufferState& buffer, const void* display) override;
    void released(BufferState& buffer, const Fence& until, const Place& where) override;
    void acquired(BufferState& buffer, const Place& where) override;
    void waited(const Fence& fence, std::chrono::steady_clock::time_point begun, bool good) override;
    void gone(BufferState& buffer) override;

    /// A page of the buffer was touched outside of what its brackets allow.
    void touched(BufferState& buffer, bool writes, const void* code);

    /// Brackets that are still open when the program ends.
    void at_end();

private:
    /// An open bracket of the CPU.
    struct Bracket {
        std::uint64_t number;
        Access access;
        Place where;
    };
    /// What a device does, or did.
    struct Work {
        const void* queue = nullptr; ///< of V4L2: until it is dequeued; a display: until it is replaced
        bool on_screen = false;
        std::uint64_t run = 0;       ///< of a job: until `done`
        std::uint64_t published = 0; ///< when, as a number
        std::string who;
        Access access = Access::read;
        Place where;
        bool concurrent = false;
        Fence done;
    };
    struct Record {
        std::vector<Bracket> brackets;
        std::vector<Work> works;
        std::optional<Bracket> last; ///< that ended
        std::optional<Place> released;
    };
    struct Report {
        Mistake mistake;
        std::string buffer;
        CheckedAccess first;
        CheckedAccess second;
        const char* advice;
    };
    using Key = std::pair<std::uint64_t, std::uint64_t>;
    using Reports = std::vector<Report>;

    static Key key_of(const BufferState& buffer);
    static std::string describe(const BufferState& buffer);
    static bool is_active(const Work& work);
    static const char* how_to_end(const Work& work);
    static void device_begins(const Record& record, const BufferState& buffer, const watch::Site& site,
                              Reports& reports);
    static CheckedAccess by_cpu(const Bracket& bracket);
    static CheckedAccess by(const Work& work);
    static CheckedAccess by(const watch::Site& site);
    static void used_while_released(const Record& record, const BufferState& buffer, const CheckedAccess& second,
                                    Reports& reports);
    void publish(const watch::JobRun& run, const watch::JobRun::Part& part, std::optional<std::uint64_t> gathered,
                 Reports& reports);
    void say(const Reports& reports);

    std::mutex mutex_;
    std::map<Key, Record> records_;
    std::map<std::uint64_t, std::uint64_t> gathered_; ///< runs, and when
    std::set<std::tuple<Mistake, std::string, std::string>> said_;
    std::atomic<std::uint64_t> findings_{0};

    std::mutex handler_mutex_;
    Check mode_ = Check::off;
    std::function<void(const Finding&)> handler_;
};

} // namespace commonbuf
