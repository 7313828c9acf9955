// SPDX-License-Identifier: MIT
#include "backends/v4l2/format.hpp"
#include "backends/v4l2/heap.hpp"
#include "backends/v4l2/importer.hpp"
#include "backends/v4l2/node.hpp"
#include "backends/v4l2/slot_table.hpp"
#include "base/text.hpp"

#include <commonbuf/v4l2/device.hpp>
#include <commonbuf/v4l2/queue.hpp>

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>

namespace commonbuf::v4l2 {
namespace {

/// Whether a node's driver calls the card, the bus or itself by a name.
bool is_called(const NodePlace& place, std::string_view name)
{
    auto fd = place.open();
    if (!fd)
        return false;
    const auto node = Node::create(std::move(*fd), place.path);
    if (!node)
        return false;
    const NodeInfo& info = (*node)->info();
    return info.card == name || info.bus == name || info.driver == name;
}

/// Whether a node streams pictures. A USB camera gives its node of metadata the same names.
bool has_pictures(const NodePlace& place)
{
    auto fd = place.open();
    if (!fd)
        return false;
    const auto node = Node::create(std::move(*fd), place.path);
    return node && std::ranges::any_of(std::array{Role::capture, Role::output},
                                       [&](Role role) { return (*node)->has(role) && !(*node)->is_metadata(role); });
}

/// The node with a name. The kernel's own names come first: nodes need not be opened for them.
Result<NodePlace> find(std::string_view name)
{
    const std::vector<NodePlace> all = node_places();
    std::vector<NodePlace> found;
    std::ranges::copy_if(all, std::back_inserter(found), [&](const NodePlace& place) { return place.name == name; });
    if (found.empty())
        std::ranges::copy_if(all, std::back_inserter(found),
                             [&](const NodePlace& place) { return is_called(place, name); });
    const std::string operation = text::format("find the V4L2 node @{}", name);
    if (found.empty())
        return Error::not_present(operation, "no node has this name",
                                  "run allocinfo devices to list the names on this machine");
    if (found.size() > 1) {
        std::vector<NodePlace> pictures;
        std::ranges::copy_if(found, std::back_inserter(pictures), has_pictures);
        if (pictures.size() == 1)
            return std::move(pictures.front());
        std::vector<std::string> paths;
        std::ranges::transform(found, std::back_inserter(paths), &NodePlace::path);
        return Error::invalid_argument(
            operation, text::format("{} nodes have this name: {}", found.size(), text::join(paths, ", ")),
            "name one of them by its path");
    }
    return found.front();
}

/// Whether a queue has pictures, whose numbers mean colours.
Status check_colours(const Node& node, Role role)
{
    if (!node.has(role))
        return Error::unsupported(node.trying("ask for colorimetry"),
                                  text::format("it has no {} queue", to_string(role)));
    if (node.is_metadata(role))
        return Error::unsupported(node.trying("ask for colorimetry"), "metadata has no colours");
    return {};
}

} // namespace

Result<Device> Device::open(std::string_view target)
{
    if (!target.starts_with('@')) {
        auto fd = os::open(std::string(target));
        return fd ? wrap(std::move(*fd), std::string(target)) : fd.error();
    }
    const auto place = find(target.substr(1));
    if (!place)
        return place.error();
    auto fd = place->open();
    return fd ? wrap(std::move(*fd), place->path) : fd.error();
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
    if (const Status can = check_opening(*node_, role, layout, slots); !can)
        return can.error();
    // Until the slots are there, another program's trial could put another format back.
    const auto lock = lock_formats(*node_);
    if (!lock)
        return lock.error();
    const auto answer = set_format(*node_, role, layout);
    return answer ? Queue::make(node_, role, layout, *answer, slots, own) : answer.error();
}

Result<Colorimetry> Device::colorimetry(Role role) const
{
    return check_colours(*node_, role)
        .and_then([&] { return current_format(*node_, role); })
        .map([](const v4l2_format& format) { return colorimetry_of(format); });
}

Result<Colorimetry> Device::set_colorimetry(Role role, const Colorimetry& wanted) const
{
    if (const Status can = check_colours(*node_, role); !can)
        return can.error();
    const auto lock = lock_formats(*node_);
    if (!lock)
        return lock.error();
    auto format = current_format(*node_, role);
    if (!format)
        return format.error();
    set_colorimetry_of(*format, role, wanted);
    if (const int error = node_->ioctl(VIDIOC_S_FMT, &*format); error != 0)
        return node_->failed(error, "VIDIOC_S_FMT");
    node_->want_colorimetry(role, wanted);
    return colorimetry_of(*format);
}

} // namespace commonbuf::v4l2
