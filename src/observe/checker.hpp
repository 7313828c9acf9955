// SPDX-License-Identifier: MIT
#pragma once

#include "sync/watch.hpp"

#include <commonbuf/checker.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace commonbuf {

/// Follows the accesses to each buffer and reports those that no fence or bracket orders. It asks
/// fences only if it has to know whether work is over, and never waits.
class Checker final : public watch::Watcher {
public:
    void set(CheckerMode mode, std::function<void(const Finding&)> handler);
    /// Also forgets what is over.
    std::uint64_t findings();

    void cpu_began(watch::Subject& buffer, std::uint64_t number, const watch::Site& site) override;
    void cpu_ended(watch::Subject& buffer, std::uint64_t number) override;
    void cpu_touched_late(const Place& begun, const Place& touched) override;
    void job_gathered(const watch::JobRun& run, const Fence& before) override;
    void job_published(const watch::JobRun& run, const Fence& done) override;
    void queued(watch::Subject& buffer, const void* queue, const watch::Site& site) override;
    void dequeued(watch::Subject& buffer, const void* queue, bool failed) override;
    void shown(watch::Subject& buffer, const void* display, const watch::Site& site) override;
    void replaced(watch::Subject& buffer, const void* display) override;
    void released(watch::Subject& buffer, const Fence& until, const Place& where) override;
    void acquired(watch::Subject& buffer, const Place& where) override;
    void waited(const Fence& fence, std::chrono::steady_clock::time_point begun, bool good) override;
    void gone(watch::Subject& buffer) override;
    void report() override;

    /// Notes that a page of the buffer was touched in a way that its brackets do not allow.
    void touched(watch::Subject& buffer, bool writes, const void* code);

    /// Reports the brackets that are still open when the program ends.
    void at_end();

private:
    /// An open bracket of the CPU.
    struct Bracket {
        static constexpr std::string_view who = "CPU";
        std::uint64_t number;
        Access access;
        Place where;
    };
    /// Work of a device, under way or over.
    struct Work {
        std::string who;
        Access access = Access::read;
        Place where;
        const void* queue = nullptr; ///< V4L2: until the buffer is dequeued; a display: until it is replaced
        bool on_screen = false;
        std::uint64_t published = 0; ///< a job: when it was published, as a number
        bool concurrent = false;
        Fence done{}; ///< a job: until it has signalled

        bool is_active() const;
        const char* how_to_end() const;
    };
    struct Record {
        std::set<const watch::Subject*> handles; ///< the living buffers over this dma-buf that used it
        std::vector<Bracket> brackets;
        std::vector<Work> works;
        Place last_bracket; ///< the last one that ended
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

    static Key key_of(const watch::Subject& buffer);
    Record& record_of(const watch::Subject& buffer);
    void forget_if_over(const Key& key);
    void forget_what_is_left();
    static void forget_what_is_over(std::vector<Work>& works);
    template <typename Look>
    void check(Look look);
    static void used_while_released(const Record& record, const watch::Subject& buffer, const CheckedAccess& second,
                                    Reports& reports);
    static void left_open(const Record& record, const watch::Subject& buffer, Access access,
                          const CheckedAccess& second, const char* advice, Reports& reports);
    static void device_begins(const Record& record, const watch::Subject& buffer, const watch::Site& site,
                              Reports& reports);
    void publish(const watch::JobRun& run, const watch::JobRun::Part& part, std::optional<std::uint64_t> gathered,
                 Reports& reports);
    void say(const Reports& reports);
    void tell(const Finding& finding);

    std::mutex mutex_;
    std::map<Key, Record> records_;
    std::set<Key> left_;                              ///< those without a handle on which somebody still works
    std::map<std::uint64_t, std::uint64_t> gathered_; ///< when each run gathered
    std::set<std::tuple<Mistake, std::string, std::string>> said_;
    std::atomic<std::uint64_t> findings_{0};

    /// Where findings go. Whoever reports one keeps it, since handlers are called without a lock.
    struct Listener {
        CheckerMode mode = CheckerMode::off;
        std::function<void(const Finding&)> handler;

        /// Reports a finding, and ends the program if that is wanted.
        void tell(const Finding& finding) const;
    };
    std::mutex listener_mutex_;
    std::shared_ptr<const Listener> listener_ = std::make_shared<Listener>();
};

} // namespace commonbuf
