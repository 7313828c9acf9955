// SPDX-License-Identifier: MIT
#include "backends/v4l2/selection.hpp"

#include "backends/v4l2/failure.hpp"
#include "base/text.hpp"

#include <cerrno>
#include <limits>
#include <optional>

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

Rectangle to_rectangle(const v4l2_rect& rect) noexcept { return {rect.left, rect.top, rect.width, rect.height}; }

Error selection_failure(const Node& node, int error, std::string_view call, std::uint32_t target)
{
    Error failure = call_failed(node, error, call);
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

/// The target that bounds another one; nothing if none does.
std::optional<std::uint32_t> bounds_of(std::uint32_t target) noexcept
{
    switch (target) {
    case V4L2_SEL_TGT_CROP: return V4L2_SEL_TGT_CROP_BOUNDS;
    case V4L2_SEL_TGT_COMPOSE: return V4L2_SEL_TGT_COMPOSE_BOUNDS;
    default: return std::nullopt;
    }
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
    v4l2_selection selection = ask_for(role, target);
    if (const int error = node.ioctl(VIDIOC_G_SELECTION, &selection); error != 0)
        return selection_failure(node, error, "VIDIOC_G_SELECTION", target);
    return to_rectangle(selection.r);
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
        return wrong(text::format("{}x{} at {},{} is not a rectangle within 31 bits", wanted.width, wanted.height,
                                  wanted.left, wanted.top));
    if (const auto limit = bounds_of(target)) {
        const auto bounds = get_selection(node, role, *limit);
        if (bounds && !lies_within(wanted, *bounds))
            return wrong(text::format("{}x{} at {},{} lies outside {}x{} at {},{}", wanted.width, wanted.height,
                                      wanted.left, wanted.top, bounds->width, bounds->height, bounds->left,
                                      bounds->top));
    }
    v4l2_selection selection = ask_for(role, target);
    selection.flags = flags;
    selection.r = {wanted.left, wanted.top, wanted.width, wanted.height};
    if (const int error = node.ioctl(VIDIOC_S_SELECTION, &selection); error != 0)
        return selection_failure(node, error, "VIDIOC_S_SELECTION", target);
    return to_rectangle(selection.r);
}

} // namespace commonbuf::v4l2
