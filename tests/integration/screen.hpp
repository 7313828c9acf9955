// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <cstdint>
#include <optional>
#include <string>

/// A display that a test shows pictures on: the test is DRM master, as a program must be, and
/// the display is off again afterwards.
class Screen {
public:
    static constexpr std::uint32_t width = 640;
    static constexpr std::uint32_t height = 480;

    /// Nothing where there is none, or another program shows something there.
    static std::optional<Screen> open(const commonbuf::drm::Device& device, std::string& why_not);

    Screen(Screen&&) noexcept = default;
    Screen& operator=(Screen&&) = delete;
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;
    ~Screen();

    const commonbuf::drm::Display& display() const { return queue.display(); }

    /// An empty commit of this display.
    commonbuf::drm::Commit commit() const { return commonbuf::drm::Commit(display()); }

    /// The whole display shows it.
    commonbuf::drm::Commit picture(const commonbuf::Buffer& buffer, const commonbuf::Fence& ready = {}) const
    {
        return commit().show(display().primary(), buffer, ready);
    }

    /// An XRGB8888 image of the display's size in one colour.
    static commonbuf::Result<commonbuf::Buffer> image(const commonbuf::drm::Device& device, std::uint32_t colour,
                                                      std::uint32_t columns = width, std::uint32_t rows = height);

    commonbuf::drm::CommitQueue queue;

private:
    explicit Screen(commonbuf::drm::CommitQueue commits) : queue(std::move(commits)) {}
};

/// Whether a writeback did not come where the kernel is known to lose them
/// (tests/lab/patches/vkms-writeback.patch).
bool lost_writeback(const Screen& screen, const commonbuf::Status& written);

/// Waits, after a writeback, until the next one may be committed: such a kernel loses it sooner.
void let_it_clean_up(const Screen& screen);

/// Paints every pixel of an XRGB8888 image.
commonbuf::Status fill(const commonbuf::Buffer& buffer, std::uint32_t colour);

/// One pixel without its unused byte.
commonbuf::Result<std::uint32_t> pixel(const commonbuf::Buffer& buffer, std::uint32_t x, std::uint32_t y);

/// A card with an overlay, a cursor and writeback, of which a test can pull the plug (vkms
/// in configfs).
class Pluggable {
public:
    /// Nothing where the kernel has none, or it cannot be written.
    static std::optional<Pluggable> create(std::string& why_not);
    Pluggable(Pluggable&& other) noexcept : path_(std::exchange(other.path_, "")) {}
    Pluggable& operator=(Pluggable&&) = delete;
    Pluggable(const Pluggable&) = delete;
    Pluggable& operator=(const Pluggable&) = delete;
    ~Pluggable();

    commonbuf::Result<commonbuf::drm::Device> open() const;
    void unplug_monitor() const;
    void unplug() const;

private:
    explicit Pluggable(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

#define NEED_SCREEN(variable)                                                                                          \
    NEED_DISPLAY(variable##_device);                                                                                   \
    std::string variable##_obstacle;                                                                                   \
    auto variable##_opened = Screen::open(variable##_device, variable##_obstacle);                                     \
    if (!variable##_opened)                                                                                            \
        GTEST_SKIP() << variable##_obstacle;                                                                           \
    [[maybe_unused]] Screen& variable = *variable##_opened
