// SPDX-License-Identifier: MIT
#include "backends/v4l2/heap.hpp"
#include "backends/v4l2/importer.hpp"
#include "backends/v4l2/node.hpp"
#include "backends/v4l2/slot_table.hpp"
#include "base/text.hpp"

#include <commonbuf/v4l2/device.hpp>
#include <commonbuf/v4l2/queue.hpp>

#include <fcntl.h>

#include <cerrno>

namespace commonbuf::v4l2 {
namespace {

/// The path behind a target: the target itself, or the node whose name in sysfs follows the '@'.
Result<std::string> resolve(std::string_view target)
{
    if (!target.starts_with('@'))
        return std::string(target);
    const std::string_view wanted = target.substr(1);
    std::vector<std::string> found = node_paths();
    std::erase_if(found, [wanted](const std::string& path) { return node_name(path) != wanted; });
    const std::string operation = text::format("find the V4L2 node {}", target);
    if (found.empty())
        return Error::not_present(operation, "no node has this name",
                                  "run allocinfo devices to list the names on this machine");
    if (found.size() > 1)
        return Error::invalid_argument(
            operation, text::format("{} nodes have this name: {}", found.size(), text::join(found, ", ")),
            "name one of them by its path");
    return found.front();
}

} // namespace

Result<Device> Device::open(std::string_view target)
{
    auto path = resolve(target);
    if (!path)
        return path.error();
    auto fd = os::open(*path);
    if (!fd)
        return fd.error();
    return wrap(std::move(*fd), std::move(*path));
}

Result<Device> Device::wrap(UniqueFd fd, std::string path)
{
    // DQBUF on a blocking descriptor would wait without end.
    const int flags = os::kernel().fcntl(fd.get(), F_GETFL, 0);
    if (flags < 0 || os::kernel().fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0)
        return Error::from_errno(errno, {"fcntl F_SETFL", path});
    auto node = Node::create(std::move(fd), std::move(path));
    if (!node)
        return node.error();
    return Device(std::move(*node));
}

const NodeInfo& Device::info() const noexcept { return node_->info(); }
int Device::fd() const noexcept { return node_->fd(); }
std::shared_ptr<Heap> Device::heap(Role role) const { return make_heap(node_, role); }
Use Device::capture() const { return make_use(node_, Role::capture); }
Use Device::output() const { return make_use(node_, Role::output); }

Result<Queue> Device::open_queue(Role role, const Layout& layout, std::uint32_t slots) const
{
    return open(role, layout, slots, false);
}

Result<Queue> Device::open_own_queue(Role role, const Layout& layout, std::uint32_t slots) const
{
    return open(role, layout, slots, true);
}

Result<Queue> Device::open(Role role, const Layout& layout, std::uint32_t slots, bool own) const
{
    return check_opening(*node_, role, layout, slots)
        .and_then([&] { return set_format(*node_, role, layout); })
        .and_then([&](const Answer& answer) { return Queue::make(node_, role, layout, answer, slots, own); });
}

} // namespace commonbuf::v4l2
