// SPDX-License-Identifier: MIT
#include "verify/crc.hpp"

#include "os/os.hpp"

#include <drm.h>
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

namespace commonbuf::content {
namespace {

/// Returns the number of the frame at the head of a line ("0x0000002a 0x1b...\n"); nothing if the
/// driver does not number them.
std::optional<std::uint32_t> frame_of(std::string_view line)
{
    constexpr int hexadecimal = 16;
    std::uint32_t frame = 0;
    const bool numbered =
        line.starts_with("0x") &&
        std::from_chars(line.data() + 2, line.data() + line.size(), frame, hexadecimal).ec == std::errc();
    return numbered ? std::optional(frame) : std::nullopt;
}

} // namespace

Result<Crc> Crc::open(const drm::Device& card, std::uint32_t crtc_id, std::uint32_t crtc_index)
{
    const std::string& card_path = card.info().path;
    constexpr std::string_view prefix = "card";
    const std::string name = card_path.substr(card_path.find_last_of('/') + 1);
    if (!name.starts_with(prefix))
        return Error::not_present("find the checksums of " + card_path, "this is no card node");
    const std::string folder =
        "/sys/kernel/debug/dri/" + name.substr(prefix.size()) + "/crtc-" + std::to_string(crtc_index) + "/crc/";
    const auto control = os::open(folder + "control");
    if (!control)
        return control.error();
    constexpr std::string_view source = "auto";
    if (os::kernel().write(control->get(), source.data(), source.size()) < 0)
        return Error::from_errno(errno, "write " + folder + "control");
    const std::string path = folder + "data";
    UniqueFd data(os::kernel().open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!data)
        return os::open_failure(errno, path);
    return Crc(card, crtc_id, std::move(data));
}

Result<std::string> Crc::line(Deadline deadline)
{
    for (;;) {
        std::array<char, 256> text{};
        const ssize_t got = os::kernel().read(data_.get(), text.data(), text.size());
        if (got > 0)
            return std::string(text.data(), static_cast<std::size_t>(got));
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return Error::from_errno(errno, "read the display's checksums");
        const auto ready = os::wait(data_.get(), POLLIN, deadline, "the display's checksums");
        if (!ready)
            return ready.error();
        if (!*ready)
            return Error::timed_out("read the display's checksums", "none came before the deadline");
    }
}

std::optional<std::uint32_t> Crc::frame_now() const
{
    drm_crtc_get_sequence now{};
    now.crtc_id = crtc_id_;
    if (os::ioctl_again(card_.fd(), DRM_IOCTL_CRTC_GET_SEQUENCE, &now) != 0)
        return std::nullopt;
    return static_cast<std::uint32_t>(now.sequence);
}

Result<std::string> Crc::read(Deadline deadline)
{
    // Lines that wait to be read are of pictures before this one.
    while (line(Deadline{})) {
    }
    // So are some that come late, because the driver makes them in its own time. A frame may have
    // been under way when the picture changed: the second is whole.
    constexpr int whole = 2;
    constexpr int latest = 128; // as many as the kernel keeps; numbers of another clock end here
    const auto now = frame_now();
    for (int i = 1;; ++i) {
        auto text = line(deadline);
        if (!text)
            return text;
        const auto frame = frame_of(*text);
        const bool is_new = now && frame ? static_cast<std::int32_t>(*frame - *now) >= whole : i >= whole;
        // "FRAME CRC...\n": the frame's number is another one each time.
        if (is_new || i == latest)
            return text->substr(std::min(text->find(' '), text->size()));
    }
}

} // namespace commonbuf::content
