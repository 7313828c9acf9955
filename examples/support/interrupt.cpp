// SPDX-License-Identifier: MIT
#include "interrupt.hpp"

#include <commonbuf/commonbuf.hpp>

#include <csignal>
#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>

namespace {

volatile std::sig_atomic_t event = -1;

void tell(int)
{
    const std::uint64_t one = 1;
    static_cast<void>(!::write(event, &one, sizeof one));
}

} // namespace

int interrupt_fd()
{
    static const commonbuf::UniqueFd owner = [] {
        commonbuf::UniqueFd made(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        event = made.get();
        struct sigaction action {};
        action.sa_handler = tell;
        if (made)
            ::sigaction(SIGINT, &action, nullptr);
        return made;
    }();
    return owner.get();
}
