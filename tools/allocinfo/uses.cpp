// SPDX-License-Identifier: MIT
#include "uses.hpp"

#include "text.hpp"
#include "words.hpp"
#ifdef ALLOCINFO_VULKAN
#include "gpus.hpp"
#endif

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace allocinfo {
namespace {

using commonbuf::Use;
using commonbuf::text::format;

/// Reads a whole decimal number without signs and blanks; nullopt for anything else.
std::optional<std::uint64_t> parse_number(std::string_view text)
{
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

Expected<Use> v4l2_use(const Parts& parts)
{
#if __has_include(<commonbuf/v4l2/device.hpp>) && defined(ALLOCINFO_V4L2)
    const auto device = commonbuf::v4l2::Device::open(parts.target);
    if (!device)
        return Problem(device.error(), trouble);
    return parts.role == "capture" ? device->capture() : device->output();
#else
    static_cast<void>(parts);
    return left_out("V4L2");
#endif
}

#if __has_include(<commonbuf/drm/device.hpp>) && defined(ALLOCINFO_DRM)
constexpr std::string_view async_prefix = "async-";

/// Reads the id in "plane=ID" or "async-plane=ID"; 0 for other roles. Errors: usage.
Expected<std::uint32_t> plane_id(std::string_view role)
{
    constexpr std::string_view key = "plane=";
    if (role.starts_with(async_prefix))
        role.remove_prefix(async_prefix.size());
    if (!role.starts_with(key))
        return std::uint32_t{0};
    role.remove_prefix(key.size());
    const auto id = parse_number(role);
    if (id.value_or(0) == 0 || *id > std::numeric_limits<std::uint32_t>::max())
        return wrong(format("'{}' is not the id of a plane", role),
                     "write a number, as drm_info or modetest list them");
    return static_cast<std::uint32_t>(*id);
}

Expected<Use> plane_use(const commonbuf::drm::Device& device, std::uint32_t id, bool async)
{
    const auto all = commonbuf::drm::display_resources(device);
    if (!all)
        return Problem(all.error(), trouble);
    std::string known;
    for (const commonbuf::drm::DisplayPlane& plane : all->planes) {
        if (plane.id == id)
            return async ? device.async_scanout(plane) : device.scanout(plane);
        known += format("{}{} ({})", known.empty() ? "" : ", ", plane.id, to_string(plane.type));
    }
    return Problem(
        commonbuf::Error::not_present(format("find plane {} of {}", id, device.info().path), "the planes are " + known),
        trouble);
}
#endif

bool is_drm_role(std::string_view role)
{
    constexpr std::array<std::string_view, 5> roles{"scanout", "async-scanout", "overlay", "cursor", "writeback"};
    return std::find(roles.begin(), roles.end(), role) != roles.end() || role.starts_with("plane=") ||
           role.starts_with("async-plane=");
}

Expected<Use> drm_use(const Parts& parts)
{
#if __has_include(<commonbuf/drm/device.hpp>) && defined(ALLOCINFO_DRM)
    using commonbuf::drm::PlaneType;
    const std::string_view role = parts.role;
    const auto id = plane_id(role);
    if (!id)
        return id.error();
    const auto device = commonbuf::drm::Device::open(parts.target);
    if (!device)
        return Problem(device.error(), trouble);
    if (*id != 0)
        return plane_use(*device, *id, role.starts_with(async_prefix));
    if (role == "overlay")
        return device->scanout(PlaneType::overlay);
    if (role == "cursor")
        return device->scanout(PlaneType::cursor);
    if (role == "writeback")
        return device->writeback();
    return role == "async-scanout" ? device->async_scanout() : device->scanout();
#else
    static_cast<void>(parts);
    return left_out("DRM");
#endif
}

#ifdef ALLOCINFO_VULKAN
Expected<Use> vulkan_use(const Parts& parts)
{
    const auto usage = gpu_usage(parts.role);
    if (!usage)
        return usage.error();
    const auto device = open_gpu(without_at(parts.target));
    if (!device)
        return Problem(device.error(), trouble);
    return device->use(*usage);
}
#else
Expected<Use> vulkan_use(const Parts& /*parts*/) { return left_out("Vulkan"); }
#endif

} // namespace

#ifdef ALLOCINFO_VULKAN
Expected<commonbuf::vulkan::ImageUsage> gpu_usage(std::string_view words)
{
    auto usage = commonbuf::vulkan::parse_image_usage(words);
    if (!usage)
        return wrong(format("'{}' is not a GPU's use of an image", words),
                     "write sampled, storage, color-attachment, input-attachment, transfer-source or "
                     "transfer-destination, or several with + between");
    return std::move(*usage);
}
#endif

std::string_view without_at(std::string_view target) { return target.starts_with('@') ? target.substr(1) : target; }

Expected<Use> parse_use(std::string_view word)
{
    using commonbuf::Access;
    if (word == "cpu:read")
        return commonbuf::cpu(Access::read);
    if (word == "cpu:write")
        return commonbuf::cpu(Access::write);
    if (word == "cpu:rw")
        return commonbuf::cpu(Access::read_write);
    const auto parts = split(word);
    if (parts && parts->kind == "v4l2" && (parts->role == "capture" || parts->role == "output"))
        return v4l2_use(*parts);
    if (parts && parts->kind == "drm" && is_drm_role(parts->role))
        return drm_use(*parts);
    if (parts && parts->kind == "vulkan")
        return vulkan_use(*parts);
    return wrong(format("'{}' is not a use", word),
                 "write v4l2:TARGET:capture, v4l2:TARGET:output, drm:TARGET:scanout, vulkan:TARGET:sampled (or "
                 "other words of --help), cpu:read, cpu:write or cpu:rw, where TARGET is a path or @name");
}

Expected<std::vector<Use>> parse_uses(const std::vector<std::string>& words)
{
    std::vector<Use> uses;
    for (const std::string& word : words) {
        auto use = parse_use(word);
        if (!use)
            return use.error();
        uses.push_back(std::move(*use));
    }
    return uses;
}

Expected<commonbuf::Format> parse_format_word(std::string_view word)
{
    if (const auto known = commonbuf::parse_format(word))
        return *known;
    return wrong(format("'{}' is not a format that commonbuf knows", word),
                 "write four characters such as XR24 or NV12, or a name such as XRGB8888");
}

Expected<Size> parse_size(std::string_view word)
{
    constexpr const char* advice = "write WIDTHxHEIGHT in pixels, such as 1280x720";
    const auto cross = std::min(word.find('x'), word.size());
    const auto width = parse_number(word.substr(0, cross));
    const auto height = parse_number(word.substr(std::min(cross + 1, word.size())));
    if (width.value_or(0) == 0 || height.value_or(0) == 0)
        return wrong(format("'{}' is not a size", word), advice);
    constexpr std::uint64_t limit = std::numeric_limits<std::uint32_t>::max();
    if (*width > limit || *height > limit)
        return wrong(format("'{}' is larger than any device can handle", word), advice);
    return Size{static_cast<std::uint32_t>(*width), static_cast<std::uint32_t>(*height)};
}

Expected<commonbuf::Request> parse_image(std::string_view names, std::string_view size)
{
    std::vector<commonbuf::Format> formats;
    for (;;) {
        const auto comma = std::min(names.find(','), names.size());
        const auto known = parse_format_word(names.substr(0, comma));
        if (!known)
            return known.error();
        formats.push_back(*known);
        if (comma == names.size())
            break;
        names.remove_prefix(comma + 1);
    }
    const auto pixels = parse_size(size);
    if (!pixels)
        return pixels.error();
    commonbuf::Request request{formats.front(), pixels->width, pixels->height, 1};
    request.alternatives.assign(formats.begin() + 1, formats.end());
    return request;
}

Expected<commonbuf::Purpose> parse_usage_words(const std::vector<std::string>& words)
{
    auto usage = commonbuf::Purpose::none;
    for (const std::string& word : words) {
        const auto flag = commonbuf::parse_purpose(word);
        if (!flag)
            return wrong(format("'{}' is not a usage flag", word),
                         "write camera-output, video-encoder, video-decoder, composer, cpu-read-rarely, "
                         "cpu-read-often, cpu-write-rarely or cpu-write-often");
        usage |= *flag;
    }
    return usage;
}

} // namespace allocinfo
