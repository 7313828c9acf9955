// SPDX-License-Identifier: MIT
#include "base/log.hpp"

#include <commonbuf/log.hpp>

#include <mutex>
#include <utility>

namespace commonbuf {
namespace {

struct Log {
    std::mutex mutex;
    std::function<void(std::string_view)> handler;
};

Log& instance()
{
    static Log log;
    return log;
}

} // namespace

void set_log(std::function<void(std::string_view message)> handler)
{
    const std::lock_guard lock(instance().mutex);
    instance().handler = std::move(handler);
}

void log(std::string_view message)
{
    const std::lock_guard lock(instance().mutex);
    if (instance().handler)
        instance().handler(message);
}

} // namespace commonbuf
