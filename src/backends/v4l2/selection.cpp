// SPDX-License-Identifier: MIT
#include "backends/v4l2/selection.hpp"

#include "base/text.hpp"

#include <cerrno>
#include <limits>

namespace commonbuf::v4l2 {
namespace {

/// Selections use the single-planar types with either API.
v4l2_selection ask_for(Role role, std::uint32_t target) noexcept
{
    v4l2_selection selection{};
    selection.type = role == Role::capture ? V4L2_BUF_TYPE_VIDEO_CAPTURE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
    selection.target = target;
    return selection;
}

std::string in_words(const Rectangle& each)
{
    return text::format("{}x{} at {},{}", each.width, each.height, each.left, each.top);
}

Error selection_failure(const Node& node, int error, std::string_view call, std::uint32_t target)
{
    Error failure = node.failed(error, call);
    if (error == EINVAL || error == ENOTTY || error == ENODATA) {
        failure.category = Category::unsupported;
        failure.detail = text::format("the driver has no such rectangle on this queue (target {:#x})", target);
    } else if (error == ERANGE) {
        failure.category = Category::invalid_argument;
        failure.detail = "the driver cannot meet the flags (V4L2_SEL_FLAG_GE, _LE)";
    } else if (error == EBUSY) {
        failure.detail = "the driver does not change it while the queue has slots or streams";
        failure.advice = "set it before the queue is opened or started";
    }
    return failure;
}

/// Sends VIDIOC_G_SELECTION or VIDIOC_S_SELECTION.
Result<Rectangle> send(const Node& node, unsigned long request, std::string_view call, v4l2_selection selection)
{
    if (const int error = node.ioctl(request, &selection); error != 0)
        return selection_failure(node, error, call, selection.target);
    return Rectangle{selection.r.left, selection.r.top, selection.r.width, selection.r.height};
}

/// In 64 bits, because the numbers are a driver's and a caller's.
bool lies_within(const Rectangle& inner, const Rectangle& outer) noexcept
{
    const auto end = [](std::int64_t begin, std::uint32_t size) { return begin + std::int64_t{size}; };
    return inner.left >= outer.left && inner.top >= outer.top &&
           end(inner.left, inner.width) <= end(outer.left, outer.width) &&
           end(inner.top, inner.height) <= end(outer.top, outer.height);
}

} // namespace

Result<Rectangle> get_selection(const Node& node, Role role, std::uint32_t target)
{
    return send(node, VIDIOC_G_SELECTION, "VIDIOC_G_SELECTION", ask_for(role, target));
}

Result<Rectangle> set_selection(const Node& node, Role role, std::uint32_t target, const Rectangle& wanted,
                                std::uint32_t flags)
{
    const auto wrong = [&](std::string detail) {
        return Error::invalid_argument(node.where("VIDIOC_S_SELECTION"), std::move(detail));
    };
    constexpr auto most = std::numeric_limits<std::int32_t>::max();
    if (wanted.width == 0 || wanted.height == 0 || std::int64_t{wanted.left} + wanted.width > most ||
        std::int64_t{wanted.top} + wanted.height > most)
        return wrong(in_words(wanted) + " is not a rectangle within 31 bits");
    if (target == V4L2_SEL_TGT_CROP || target == V4L2_SEL_TGT_COMPOSE) {
        const auto bounds = get_selection(
            node, role, target == V4L2_SEL_TGT_CROP ? V4L2_SEL_TGT_CROP_BOUNDS : V4L2_SEL_TGT_COMPOSE_BOUNDS);
        if (bounds && !lies_within(wanted, *bounds))
            return wrong(text::format("{} lies outside {}", in_words(wanted), in_words(*bounds)));
    }
    v4l2_selection selection = ask_for(role, target);
    selection.flags = flags;
    selection.r = {wanted.left, wanted.top, wanted.width, wanted.height};
    return send(node, VIDIOC_S_SELECTION, "VIDIOC_S_SELECTION", selection);
}

} // namespace commonbuf::v4l2
