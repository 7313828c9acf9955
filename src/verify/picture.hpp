// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/format.hpp>
#include <commonbuf/layout.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// The arithmetic of proof by content: pictures, how they differ, and what that looks like.
namespace commonbuf::content {

/// An image where it lies: a layout, and all bytes of its memories.
struct View {
    Layout layout;
    std::array<std::span<std::byte>, max_planes> memories{};

    /// The pixels of a row, without padding; empty for a row outside of its memory.
    std::span<std::byte> row(std::size_t plane, std::uint32_t row) const noexcept;
};

/// A copy of the rows of an image without their padding, so that images of different layouts can be
/// compared. Bits that the format leaves unused are zero.
class Picture {
public:
    Picture() = default;

    /// `view` must be linear and pass validate().
    explicit Picture(const View& view);

    Format format() const noexcept { return format_; }
    /// Whether an image of this layout has the same format and size.
    bool fits(const Layout& layout) const noexcept
    {
        return format_ == layout.format && width_ == layout.width && height_ == layout.height;
    }
    std::uint32_t plane_count() const noexcept { return plane_count_; }
    std::uint32_t rows(std::size_t plane) const noexcept { return planes_[plane].rows; }
    std::span<const std::byte> row(std::size_t plane, std::uint32_t row) const noexcept;

    friend bool operator==(const Picture&, const Picture&) = default;

    /// The rows of one plane.
    struct Rows {
        std::uint32_t rows = 0;
        std::size_t bytes = 0; ///< of one row
        std::vector<std::byte> content;

        friend bool operator==(const Rows&, const Rows&) = default;
    };
    const Rows& plane(std::size_t plane) const noexcept { return planes_[plane]; }

private:
    Format format_;
    std::uint32_t width_ = 0;
    std::uint32_t height_ = 0;
    std::uint32_t plane_count_ = 0;
    std::array<Rows, max_planes> planes_;
};

/// Which bits of a pixel mean something. The bytes repeat along a row; all ones if the format uses
/// every bit.
using Mask = std::array<std::uint8_t, 8>;
Mask meaningful_bits(Format format);

/// Zeroes the bits of a row that mean nothing.
void keep_meaning(const Mask& mask, std::span<std::byte> row) noexcept;

/// Draws a different picture for every frame, plane and row, and leaves padding as it is. The same
/// numbers give the same picture in every layout.
void draw(const View& view, std::uint32_t frame) noexcept;

/// Fills bytes with what is another noise for each seed; equal seeds give the same.
void fill_with_noise(std::span<std::byte> bytes, std::uint64_t seed) noexcept;

/// Fills every plane with `value`, its padding too.
void fill(const View& view, std::byte value) noexcept;

/// Returns what a buffer holds before the device writes into it: a different byte for each frame, so
/// that what is never written cannot look right for long.
std::byte canary(std::uint32_t frame) noexcept;

} // namespace commonbuf::content
