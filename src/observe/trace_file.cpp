// SPDX-License-Identifier: MIT
#include "observe/trace_file.hpp"

#include "os/file.hpp"

#include <cstddef>
#include <utility>

namespace commonbuf::trace {
namespace {

// The most that is lost when the program is killed.
constexpr std::size_t most_held = 64U << 10U;
constexpr Time longest_held = std::chrono::milliseconds(500);

} // namespace

Result<File> File::create(const std::string& path)
{
    auto fd = os::create_file(path);
    if (!fd)
        return fd.error();
    File file;
    file.fd_ = std::move(*fd);
    file.path_ = path;
    file.held_.reserve(most_held + most_held / 4);
    file.held_ += "[";
    file.last_flush_ = now();
    return file;
}

void File::add(Event& event)
{
    // The comma comes first: flushed text ends with an event.
    held_ += std::exchange(empty_, false) ? "\n" : ",\n";
    held_ += event.take();
}

bool File::should_flush(Time now) const noexcept
{
    return held_.size() >= most_held || now - last_flush_ >= longest_held;
}

Status File::flush(Time now)
{
    last_flush_ = now;
    Status written = os::write_all(fd_.get(), held_, path_);
    held_.clear();
    return written;
}

Status File::end()
{
    held_ += "\n]\n";
    Status written = flush(now());
    abandon();
    return written;
}

void File::abandon() noexcept
{
    fd_.reset();
    held_.clear();
}

} // namespace commonbuf::trace
