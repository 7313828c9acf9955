// SPDX-License-Identifier: MIT
#include "os/aside.hpp"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace commonbuf::os {
namespace {

// As long as a program that uses buffers now and then keeps its thread.
constexpr std::chrono::seconds patience{5};

struct Crew {
    std::mutex mutex;
    std::condition_variable work_came;
    std::deque<std::function<void()>> work;
    std::size_t idle = 0;
};

// Never destroyed: a thread may hang until the very end of the program.
std::atomic<Crew*> current{nullptr};

Crew& crew()
{
    static const int once = ::pthread_atfork(nullptr, nullptr, [] {
        // A child has none of the threads, and maybe a locked lock.
        current.store(nullptr);
    });
    static_cast<void>(once);
    Crew* known = current.load();
    if (known != nullptr)
        return *known;
    auto* const made = new Crew;
    if (current.compare_exchange_strong(known, made))
        return *made;
    delete made;
    return *known;
}

void serve(Crew& crew)
{
    sigset_t all{};
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    std::unique_lock lock(crew.mutex);
    for (;;) {
        ++crew.idle;
        const bool came = crew.work_came.wait_for(lock, patience, [&] { return !crew.work.empty(); });
        --crew.idle;
        if (!came)
            return;
        {
            const auto work = std::move(crew.work.front());
            crew.work.pop_front();
            lock.unlock();
            work();
        }
        lock.lock();
    }
}

} // namespace

Status run_aside(std::function<void()> work)
{
    Crew& helpers = crew();
    const std::lock_guard lock(helpers.mutex);
    if (helpers.idle <= helpers.work.size()) {
        try {
            std::thread([&helpers] { serve(helpers); }).detach();
        } catch (const std::system_error& error) {
            return Error::out_of_memory("start a thread for a system call that may hang", error.what());
        }
    }
    helpers.work.push_back(std::move(work));
    helpers.work_came.notify_one();
    return {};
}

} // namespace commonbuf::os
