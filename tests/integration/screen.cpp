// SPDX-License-Identifier: MIT
#include "screen.hpp"

#include <drm_fourcc.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xf86drm.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

namespace cb = commonbuf;
using namespace std::chrono_literals;

namespace {

const std::string vkms = "/sys/kernel/config/vkms";

void write_text(const std::string& path, const std::string& text) { std::ofstream(path) << text << std::flush; }

bool may_lose_writebacks(const Screen& screen)
{
    return screen.display().device().info().driver == "vkms" && std::getenv("COMMONBUF_PATCHED_KERNEL") == nullptr;
}

} // namespace

std::optional<Screen> Screen::open(const cb::drm::Device& device, std::string& why_not)
{
    if (drmSetMaster(device.fd()) != 0) {
        why_not = "another program shows pictures on " + device.info().path;
        return std::nullopt;
    }
    auto display = cb::drm::Display::choose(device, {.width = width, .height = height});
    auto queue = display ? cb::drm::CommitQueue::create(*display) : display.error();
    if (!queue) {
        why_not = queue.error().message();
        drmDropMaster(device.fd());
        return std::nullopt;
    }
    return Screen(std::move(*queue));
}

Screen::~Screen()
{
    // A Screen that was moved from has nothing.
    if (!queue)
        return;
    const cb::drm::Display on = display();
    static_cast<void>(queue.commit(commit().disable(), cb::deadline_in(1s)));
    static_cast<void>(queue.shown().wait(cb::deadline_in(1s)));
    drmDropMaster(on.device().fd());
}

bool lost_writeback(const Screen& screen, const cb::Status& written)
{
    return !written && written.error().category == cb::Category::timed_out && may_lose_writebacks(screen);
}

void let_it_clean_up(const Screen& screen)
{
    if (may_lose_writebacks(screen))
        std::this_thread::sleep_for(30ms);
}

cb::Status fill(const cb::Buffer& buffer, std::uint32_t colour)
{
    auto access = buffer.write(cb::deadline_in(1s));
    if (!access)
        return access.error();
    const cb::Layout& layout = buffer.layout();
    for (std::uint32_t y = 0; y < layout.height; ++y) {
        std::byte* row = access->plane(0).data() + std::size_t{y} * layout.planes[0].stride;
        for (std::uint32_t x = 0; x < layout.width; ++x)
            std::memcpy(row + std::size_t{x} * sizeof colour, &colour, sizeof colour);
    }
    return access->end();
}

cb::Result<std::uint32_t> pixel(const cb::Buffer& buffer, std::uint32_t x, std::uint32_t y)
{
    auto access = buffer.read(cb::deadline_in(1s));
    if (!access)
        return access.error();
    std::uint32_t value = 0;
    const std::size_t at = std::size_t{y} * buffer.layout().planes[0].stride + std::size_t{x} * sizeof value;
    std::memcpy(&value, access->plane(0).data() + at, sizeof value);
    if (cb::Status ended = access->end(); !ended)
        return ended.error();
    return value & 0xffffffU;
}

cb::Result<cb::Buffer> Screen::image(const cb::drm::Device& device, std::uint32_t colour, std::uint32_t columns,
                                     std::uint32_t rows)
{
    const auto plan =
        cb::Allocator().plan({DRM_FORMAT_XRGB8888, columns, rows}, {device.scanout(), cb::cpu(cb::Access::read_write)});
    if (!plan)
        return plan.error();
    auto buffer = plan->allocate();
    if (!buffer)
        return buffer;
    if (cb::Status filled = fill(*buffer, colour); !filled)
        return filled.error();
    return buffer;
}

std::optional<Pluggable> Pluggable::create(std::string& why_not)
{
    namespace fs = std::filesystem;
    const std::string path = vkms + "/commonbuf";
    if (::access(vkms.c_str(), W_OK) != 0 || ::mkdir(path.c_str(), 0755) != 0) {
        why_not = vkms + ": " + std::strerror(errno);
        return std::nullopt;
    }
    Pluggable card(path);
    std::error_code error;
    const std::string crtc = path + "/crtcs/crtc";
    fs::create_directory(crtc, error);
    write_text(crtc + "/writeback", "1");
    // What is made later lies on top; the types are DRM's: overlay, primary, cursor.
    for (const auto& [name, type] : {std::pair("primary", "1"), std::pair("overlay", "0"), std::pair("cursor", "2")}) {
        const std::string plane = path + "/planes/" + name;
        fs::create_directory(plane, error);
        write_text(plane + "/type", type);
        fs::create_directory_symlink(crtc, plane + "/possible_crtcs/crtc", error);
    }
    const std::string encoder = path + "/encoders/encoder";
    fs::create_directory(encoder, error);
    fs::create_directory_symlink(crtc, encoder + "/possible_crtcs/crtc", error);
    const std::string connector = path + "/connectors/connector";
    fs::create_directory(connector, error);
    fs::create_directory_symlink(encoder, connector + "/possible_encoders/encoder", error);
    write_text(path + "/enabled", "1");
    if (card.open())
        return card;
    why_not = path + " makes no card";
    return std::nullopt;
}

cb::Result<cb::drm::Device> Pluggable::open() const { return cb::drm::Device::open("@commonbuf"); }

void Pluggable::unplug_monitor() const { write_text(path_ + "/connectors/connector/status", "2"); }

void Pluggable::unplug() const { write_text(path_ + "/enabled", "0"); }

Pluggable::~Pluggable()
{
    if (path_.empty())
        return;
    unplug();
    std::error_code error;
    for (const char* link : {"/planes/overlay/possible_crtcs/crtc", "/planes/primary/possible_crtcs/crtc",
                             "/planes/cursor/possible_crtcs/crtc", "/encoders/encoder/possible_crtcs/crtc",
                             "/connectors/connector/possible_encoders/encoder"})
        std::filesystem::remove(path_ + link, error);
    for (const char* folder : {"/planes/overlay", "/planes/primary", "/planes/cursor", "/encoders/encoder",
                               "/connectors/connector", "/crtcs/crtc", ""})
        ::rmdir((path_ + folder).c_str());
}
