// SPDX-License-Identifier: MIT
//
// A signal handler must not take a lock that the interrupted thread may hold. So the guarded
// mappings are in a table of atomics, written under a lock and read without one.
#include "os/page_guard.hpp"

#include "os/kernel.hpp"

#include <sys/mman.h>
#include <ucontext.h>

#include <array>
#include <atomic>
#include <bit>
#include <csignal>
#include <cstdint>
#include <mutex>

namespace commonbuf::os::page_guard {
namespace {

struct Entry {
    std::atomic<std::uintptr_t> begin{0}; ///< 0: free
    std::atomic<std::uintptr_t> end{0};
    std::atomic<void*> owner{nullptr};
    std::atomic<Touch> allowed{Touch::reads_and_writes};
};

constexpr std::size_t most = 4096;
constinit std::array<Entry, most> table{};
constinit std::mutex table_mutex;
constinit std::atomic<Caught> handler{nullptr};
struct sigaction before {};

std::uintptr_t address_of(std::span<std::byte> mapping) { return reinterpret_cast<std::uintptr_t>(mapping.data()); }

Entry* find(std::uintptr_t address)
{
    for (Entry& entry : table) {
        if (entry.begin.load() <= address && address < entry.end.load())
            return &entry;
    }
    return nullptr;
}

bool was_write([[maybe_unused]] void* context, Touch allowed)
{
#if defined(__x86_64__)
    constexpr auto write_bit = 2;
    if ((static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] & write_bit) != 0)
        return true;
#endif
    return allowed == Touch::reads;
}

const void* instruction([[maybe_unused]] void* context)
{
#if defined(__x86_64__)
    return std::bit_cast<const void*>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
    return std::bit_cast<const void*>(static_cast<ucontext_t*>(context)->uc_mcontext.pc);
#else
    return nullptr;
#endif
}

void on_fault(int signal, siginfo_t* info, void* context)
{
    const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
    if (Entry* entry = find(address); entry != nullptr) {
        // Open the mapping first: the handler may look at the pixels too.
        const Touch allowed = entry->allowed.exchange(Touch::reads_and_writes);
        const std::uintptr_t begin = entry->begin;
        kernel().mprotect(std::bit_cast<void*>(begin), entry->end - begin, PROT_READ | PROT_WRITE);
        handler.load()(entry->owner, was_write(context, allowed), instruction(context));
        return;
    }
    if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction != nullptr) {
        before.sa_sigaction(signal, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(signal);
    } else {
        // The instruction runs again, and ends the program as it would have without us.
        ::sigaction(signal, &before, nullptr);
    }
}

} // namespace

void install(Caught caught) noexcept
{
    if (handler.exchange(caught) != nullptr)
        return;
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    ::sigaction(SIGSEGV, &action, &before);
}

bool installed() noexcept { return handler.load(std::memory_order_relaxed) != nullptr; }

bool guard(std::span<std::byte> mapping, void* owner) noexcept
{
    const std::lock_guard lock(table_mutex);
    for (Entry& entry : table) {
        if (entry.begin != 0)
            continue;
        entry.owner = owner;
        entry.allowed = Touch::reads_and_writes;
        entry.end = address_of(mapping) + mapping.size();
        entry.begin = address_of(mapping);
        return true;
    }
    return false;
}

void unguard(std::span<std::byte> mapping) noexcept
{
    const std::lock_guard lock(table_mutex);
    if (Entry* entry = find(address_of(mapping)); entry != nullptr) {
        entry->begin = 0;
        entry->end = 0;
    }
}

void allow(std::span<std::byte> mapping, Touch touch) noexcept
{
    const std::lock_guard lock(table_mutex);
    Entry* entry = find(address_of(mapping));
    if (entry == nullptr || entry->allowed == touch)
        return;
    constexpr std::array protections{PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
    const int protection = protections.at(static_cast<std::size_t>(touch));
    if (kernel().mprotect(mapping.data(), mapping.size(), protection) == 0)
        entry->allowed = touch;
}

} // namespace commonbuf::os::page_guard
