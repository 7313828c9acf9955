// SPDX-License-Identifier: MIT
#include "os/node_lock.hpp"

#include "os/os.hpp"

#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <mutex>
#include <thread>

namespace commonbuf::os {

/// What this process has locked. flock(2) does not tell threads apart that share an open file.
struct NodeLock::Held {
    FileId file;
    std::thread::id thread;
    int fd;
    unsigned times;

    struct List {
        std::mutex mutex;
        std::list<Held> all;
    };
    static List& list()
    {
        // Never destroyed: queues with static storage use it later.
        static List& instance = *new List;
        return instance;
    }

    /// Returns the answer of one try: null with errno EWOULDBLOCK if somebody else has it.
    static Held* try_once(int fd, const FileId& file)
    {
        List& known = list();
        const std::lock_guard lock(known.mutex);
        const auto found = std::ranges::find_if(known.all, [&](const Held& each) {
            return each.file.device == file.device && each.file.inode == file.inode;
        });
        if (found == known.all.end()) {
            if (kernel().flock(fd, LOCK_EX | LOCK_NB) != 0)
                return nullptr;
            return &known.all.emplace_back(Held{file, std::this_thread::get_id(), fd, 1});
        }
        if (found->thread == std::this_thread::get_id()) {
            ++found->times;
            return &*found;
        }
        errno = EWOULDBLOCK;
        return nullptr;
    }
};

Result<NodeLock> NodeLock::acquire(int fd, const std::string& path)
{
    constexpr int tries = 500;
    constexpr timespec pause{0, 10'000'000};
    const auto file = id_of(fd);
    if (!file)
        return file.error();
    for (int i = 0; i < tries; ++i) {
        if (Held* held = Held::try_once(fd, *file))
            return NodeLock(held);
        if (errno != EWOULDBLOCK && errno != EINTR)
            return NodeLock();
        kernel().ppoll(nullptr, 0, &pause);
    }
    return Error::busy(Call{"flock", path},
                       "another program tries formats on this device, and did not end in 5 seconds",
                       "end that program, or try again later");
}

NodeLock::~NodeLock()
{
    if (held_ == nullptr)
        return;
    Held::List& known = Held::list();
    const std::lock_guard lock(known.mutex);
    if (--held_->times > 0)
        return;
    kernel().flock(held_->fd, LOCK_UN);
    known.all.remove_if([this](const Held& each) { return &each == held_; });
}

} // namespace commonbuf::os
