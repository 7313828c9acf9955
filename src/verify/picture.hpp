// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/format.hpp>
#include <commonbuf/layout.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// Proof by content, the part that is arithmetic: pictures, how they differ, and what
/// that looks like.
namespace commonbuf::content {

/// An image where it lies: a layout, and all bytes of its memories.
struct View {
    Layout layout;
    std::array<std::span<std::byte>, max_planes> memories{};

    /// The pixels of a row, without padding; empty for a row outside of its memory.
    std::span<std::byte> row(std::size_t plane, std::uint32_t row) const noexcept;
};

/// A copy of the rows of an image without their padding, so that images of different
/// layouts can be compared. Bits that the format leaves unused are zero in it.
class Picture {
public:
    Picture() = default;

    /// `view` is linear and was let through by check().
    explicit Picture(const View& view);

    Format format() const noexcept { return format_; }
    std::uint32_t width() const noexcept { return width_; }
    std::uint32_t height() const noexcept { return height_; }
    std::uint32_t plane_count() const noexcept { return plane_count_; }
    std::uint32_t rows(std::size_t plane) const noexcept { return planes_[plane].rows; }
    std::span<const std::byte> row(std::size_t plane, std::uint32_t row) const noexcept;

    friend bool operator==(const Picture&, const Picture&) = default;

private:
    struct Rows {
        std::uint32_t rows = 0;
        std::size_t bytes = 0; ///< of one row
        std::vector<std::byte> content;

        friend bool operator==(const Rows&, const Rows&) = default;
    };

    Format format_;
    std::uint32_t width_ = 0;
    std::uint32_t height_ = 0;
    std::uint32_t plane_count_ = 0;
    std::array<Rows, max_planes> planes_;
};

/// Which bits of a pixel mean something. The bytes repeat along a row; all ones where
/// the format uses every bit.
using Mask = std::array<std::uint8_t, 8>;
Mask meaningful_bits(Format format) noexcept;

/// Zeroes the bits of a row that mean nothing.
void keep_meaning(const Mask& mask, std::span<std::byte> row) noexcept;

/// Writes a picture that is another one for every frame, plane and row; padding is left
/// as it is. The same numbers give the same picture, whatever the layout.
void draw(const View& view, std::uint32_t frame) noexcept;

/// Writes `value` over every plane, padding included.
void fill(const View& view, std::byte value) noexcept;

/// What stands in a buffer before the device writes into it: other bytes for each frame,
/// so that what is never written cannot look right for long.
std::byte canary(std::uint32_t frame) noexcept;

} // namespace commonbuf::content
