// SPDX-License-Identifier: MIT
#include "backends/drm/crc.hpp"

#include "os/os.hpp"

#include <fcntl.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace commonbuf::drm {

Result<Crc> Crc::open(const std::string& card_path, std::uint32_t crtc_index)
{
    constexpr std::string_view card = "card";
    const std::string name = card_path.substr(card_path.find_last_of('/') + 1);
    if (!name.starts_with(card))
        return fail(Category::not_present, "find the checksums of " + card_path, "this is no card node");
    const std::string folder =
        "/sys/kernel/debug/dri/" + name.substr(card.size()) + "/crtc-" + std::to_string(crtc_index) + "/crc/";
    const auto control = os::open(folder + "control");
    if (!control)
        return fail(control.error());
    constexpr std::string_view source = "auto";
    if (os::kernel().write(control->get(), source.data(), source.size()) < 0)
        return fail(os::failure(errno, "write " + folder + "control"));
    const std::string path = folder + "data";
    UniqueFd data(os::kernel().open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!data)
        return fail(os::open_failure(errno, path));
    return Crc(std::move(data));
}

Result<std::string> Crc::line(Deadline deadline)
{
    for (;;) {
        std::array<char, 256> text{};
        const ssize_t got = os::kernel().read(data_.get(), text.data(), text.size());
        if (got > 0)
            return std::string(text.data(), static_cast<std::size_t>(got));
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return fail(os::failure(errno, "read the display's checksums"));
        const auto ready = os::wait(data_.get(), POLLIN, deadline, "the display's checksums");
        if (!ready)
            return fail(ready.error());
        if (!*ready)
            return fail(Category::timed_out, "read the display's checksums", "none came before the deadline");
    }
}

Result<std::string> Crc::read(Deadline deadline)
{
    // Lines that wait to be read are of pictures before this one.
    while (line(Deadline{})) {
    }
    // A frame may have been under way when the picture changed: the second is whole.
    for (int i = 0;; ++i) {
        auto text = line(deadline);
        if (!text || i == 1) {
            // "FRAME CRC...\n": the frame's number is another one each time.
            return text ? Result<std::string>(text->substr(std::min(text->find(' '), text->size()))) : text;
        }
    }
}

} // namespace commonbuf::drm
