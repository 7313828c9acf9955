// SPDX-License-Identifier: MIT
#include "os/wakeup.hpp"

#include "os/kernel.hpp"

#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

namespace commonbuf::os {

Result<Event> Event::create()
{
    const int fd = kernel().eventfd(EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return Error::from_errno(errno, "eventfd");
    return Event(UniqueFd(fd));
}

void Event::set() const noexcept
{
    // It fails only if it has already been set 2^64 times.
    const std::uint64_t one = 1;
    kernel().write(fd(), &one, sizeof one);
    set_.store(true); // after the call, so that whoever clears it in between leaves it to the next
}

void Event::clear() const noexcept
{
    if (!set_.exchange(false))
        return;
    std::uint64_t count = 0;
    kernel().read(fd(), &count, sizeof count);
}

Result<Timer> Timer::create()
{
    const int fd = kernel().timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return Error::from_errno(errno, "timerfd_create");
    return Timer(UniqueFd(fd));
}

void Timer::start(std::chrono::nanoseconds after) const noexcept
{
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(after);
    itimerspec once{};
    once.it_value = {whole.count(), (after - whole).count()};
    // It fails only for numbers that are not a time.
    kernel().timerfd_settime(fd(), once);
}

Result<Wakeup> Wakeup::create()
{
    return Event::create().map([](Event event) { return Wakeup(std::move(event)); });
}

int Wakeup::now() noexcept
{
    if (!always_) {
        auto made = Event::create();
        if (!made) {
            event_.set(); // costs a call each time to set and to clear
            return event_.fd();
        }
        made->set();
        always_.emplace(std::move(*made));
    }
    return always_->fd();
}

int Wakeup::after(std::chrono::nanoseconds time) noexcept
{
    if (!timer_) {
        auto made = Timer::create();
        if (!made)
            return now(); // too often is better than never
        timer_ = std::move(*made);
    }
    if (!started_)
        timer_->start(time);
    started_ = true;
    return timer_->fd();
}

void Wakeup::clear() noexcept
{
    event_.clear();
    if (started_)
        timer_->stop();
    started_ = false;
}

} // namespace commonbuf::os
