// SPDX-License-Identifier: MIT
#include "backends/v4l2/node.hpp"
#include "os/device_node.hpp"
#include "os/os.hpp"
#include "base/text.hpp"

#include <commonbuf/v4l2/media_request.hpp>

#include <linux/media.h>
#include <poll.h>

#include <cerrno>
#include <limits>

namespace commonbuf::v4l2 {
namespace {

Error request_failure(int error, Call operation)
{
    Error failure = Error::from_errno(error, std::move(operation));
    if (error == EBUSY) {
        failure.detail = "the request is submitted and not complete";
    } else if (error == ENOENT) {
        failure.category = Category::invalid_state;
        failure.detail = "the request lacks a buffer, or a control that the driver needs";
        failure.advice = "queue a buffer and set the controls first";
    } else if (error == EBADR || error == EACCES) {
        failure.category = Category::unsupported;
        failure.detail = "the device accepts no requests";
    }
    return failure;
}

Status order(const Node& node, int request_fd, unsigned long call, std::string_view name)
{
    if (const int error = os::ioctl(request_fd, call, nullptr); error != 0)
        return request_failure(error, node.where(name));
    return {};
}

} // namespace

MediaRequest::MediaRequest(std::shared_ptr<Node> node, UniqueFd fd) noexcept
    : node_(std::move(node)),
      fd_(std::move(fd))
{}

Status MediaRequest::set(std::uint32_t id, void* control)
{
    v4l2_ext_controls controls{};
    controls.which = V4L2_CTRL_WHICH_REQUEST_VAL;
    controls.count = 1;
    controls.request_fd = fd_.get();
    controls.controls = static_cast<v4l2_ext_control*>(control);
    const int error = node_->ioctl(VIDIOC_S_EXT_CTRLS, &controls);
    if (error == 0)
        return {};
    Error failure = request_failure(error, node_->where("VIDIOC_S_EXT_CTRLS"));
    if (error == EINVAL || error == ERANGE || error == ENOSPC) {
        failure.category = Category::invalid_argument;
        failure.detail = text::format("the driver does not take this value of the control {:#x}", id);
    }
    return failure;
}

Status MediaRequest::set_control(std::uint32_t id, std::int64_t value)
{
    // The kernel takes 64 bits if the control has as many, and the low half otherwise.
    v4l2_queryctrl query{};
    query.id = id;
    v4l2_ext_control control{};
    control.id = id;
    const bool wide = node_->ioctl(VIDIOC_QUERYCTRL, &query) == 0 && query.type == V4L2_CTRL_TYPE_INTEGER64;
    if (!wide && (value < std::numeric_limits<std::int32_t>::min() || value > std::numeric_limits<std::int32_t>::max()))
        return Error::invalid_argument(
            node_->where("VIDIOC_S_EXT_CTRLS"),
            text::format("{} does not fit into the 32 bits of the control {:#x}", value, id));
    if (wide)
        control.value64 = value;
    else
        control.value = static_cast<__s32>(value);
    return set(id, &control);
}

Status MediaRequest::set_control(std::uint32_t id, std::span<const std::byte> value)
{
    if (value.empty() || value.size() > std::numeric_limits<__u32>::max())
        return Error::invalid_argument(node_->where("VIDIOC_S_EXT_CTRLS"),
                                       text::format("a control cannot have {} bytes", value.size()));
    // The kernel's struct has no const; S_EXT_CTRLS reads.
    std::vector<std::byte> copy(value.begin(), value.end());
    v4l2_ext_control control{};
    control.id = id;
    control.size = static_cast<__u32>(copy.size());
    control.ptr = copy.data();
    return set(id, &control);
}

Status MediaRequest::submit() { return order(*node_, fd_.get(), MEDIA_REQUEST_IOC_QUEUE, "MEDIA_REQUEST_IOC_QUEUE"); }
Status MediaRequest::reset() { return order(*node_, fd_.get(), MEDIA_REQUEST_IOC_REINIT, "MEDIA_REQUEST_IOC_REINIT"); }

Result<bool> MediaRequest::complete() const
{
    pollfd entry{fd_.get(), POLLPRI, 0};
    const timespec now{};
    // A request that was not submitted polls as an error; it is not complete either.
    if (os::kernel().ppoll(&entry, 1, &now) < 0 && errno != EINTR)
        return Error::from_errno(errno, node_->where("poll"));
    return (entry.revents & POLLPRI) != 0;
}

Status MediaRequest::wait(Deadline deadline) const
{
    const auto done = os::wait(fd_.get(), POLLPRI, deadline, node_->info().path);
    if (!done)
        return done.error();
    if (!*done)
        return Error::timed_out(node_->trying("wait for a media request"), "it was not complete before the deadline");
    return {};
}

MediaDevice::MediaDevice(std::shared_ptr<Node> node, std::shared_ptr<const UniqueFd> fd, std::string path) noexcept
    : node_(std::move(node)),
      fd_(std::move(fd)),
      path_(std::move(path))
{}

Result<MediaDevice> MediaDevice::open(const Device& device)
{
    // Drivers register both nodes under one parent.
    const std::string& node = device.info().path;
    const std::string parent = device.node_->sysfs() + "/device";
    for (const std::string& name : os::list(parent)) {
        if (!os::is_numbered(name, "media"))
            continue;
        const std::string sysfs = text::format("{}/{}", parent, name);
        std::string path = os::find_node("/dev/" + name, sysfs);
        auto fd = os::open(path);
        if (!fd)
            return fd.error();
        if (!os::is_device(fd->get(), sysfs))
            return Error::not_present("find the media device of " + node, "another device has its name, " + path);
        return MediaDevice(device.node_, std::make_shared<const UniqueFd>(std::move(*fd)), std::move(path));
    }
    return Error::not_present("find the media device of " + node, "the node belongs to none");
}

Result<MediaRequest> MediaDevice::allocate() const
{
    int fd = -1;
    if (const int error = os::ioctl(fd_->get(), MEDIA_IOC_REQUEST_ALLOC, &fd); error != 0) {
        Error failure = Error::from_errno(error, {"MEDIA_IOC_REQUEST_ALLOC", path_});
        if (error == ENOTTY) {
            failure.category = Category::unsupported;
            failure.detail = "the driver has no requests";
        }
        return failure;
    }
    return MediaRequest(node_, UniqueFd(fd));
}

} // namespace commonbuf::v4l2
