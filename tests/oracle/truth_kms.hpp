// SPDX-License-Identifier: MIT
#pragma once

#include "truth_buffer.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace truth {

/// A KMS object and its properties.
struct KmsObject {
    std::uint32_t id = 0;
    std::map<std::string, std::uint32_t> properties; ///< ids by name
    std::map<std::string, std::uint64_t> values;

    bool has(const std::string& name) const { return properties.count(name) != 0; }
};

/// A card's file, as its master, with one display: a connector, its CRTC, a plane that shows
/// the format, and a writeback connector where there is one.
class Card {
public:
    /// Throws Refused where no plane shows the format, Unknowable where there is no display.
    Card(const std::string& path, std::uint32_t fourcc);

    int fd() const noexcept { return fd_.get(); }
    bool writes_back() const noexcept { return writeback_.id != 0; }

    /// Makes a framebuffer. The handles are borrowed. Throws Refused.
    std::uint32_t add_framebuffer(const Layout& layout, const std::vector<std::uint32_t>& handles) const;
    void remove_framebuffer(std::uint32_t id) const;

    /// Shows a framebuffer as the whole display, whose mode has this size. With `written`, returns
    /// when the display has written the picture into that framebuffer. Throws Refused.
    void show(std::uint32_t framebuffer, std::uint32_t width, std::uint32_t height, std::uint32_t written);
    void turn_off();

private:
    KmsObject object(std::uint32_t id, std::uint32_t type) const;
    void find_connectors(const std::vector<std::uint32_t>& crtcs, const std::vector<std::uint32_t>& connectors);
    void find_plane(std::uint32_t fourcc);
    std::uint32_t make_mode(std::uint32_t width, std::uint32_t height) const;

    struct Change {
        const KmsObject& object;
        std::string property;
        std::uint64_t value;
    };
    void commit(const std::vector<Change>& changes, std::uint32_t flags) const;

    std::string path_;
    Fd fd_;
    bool modifiers_ = false;
    KmsObject connector_;
    KmsObject writeback_;
    KmsObject crtc_;
    KmsObject plane_;
    std::uint32_t crtc_bit_ = 0;
    bool lit_ = false;
    std::chrono::steady_clock::time_point settled_;
};

/// A picture in memory of the card's own.
class DumbPicture {
public:
    DumbPicture(const Card& card, const Shape& shape, std::uint32_t width, std::uint32_t height);
    DumbPicture(const DumbPicture&) = delete;
    DumbPicture& operator=(const DumbPicture&) = delete;
    ~DumbPicture();

    std::uint32_t framebuffer() const noexcept { return framebuffer_; }
    const Layout& layout() const noexcept { return layout_; }
    Maps maps() const { return {mapping_->bytes()}; }

private:
    const Card& card_;
    Layout layout_;
    std::uint32_t handle_ = 0;
    std::uint32_t framebuffer_ = 0;
    std::unique_ptr<Mapping> mapping_;
};

} // namespace truth
