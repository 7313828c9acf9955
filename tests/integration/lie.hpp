// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

/// A driver that lies: real devices do other work than the library is told. This program
/// has an ioctl() of its own in front of the C library's, which the library calls too.
struct Lies {
    /// Where this stride is asked for, of a queue or a framebuffer, the driver gets the
    /// real one, and its answer is made to say that it does as it was asked.
    std::uint32_t stride = 0;
    std::uint32_t real_stride = 0;

    /// The bytes that a camera does not reach in imported memory: they are as they were
    /// before, from this frame on.
    std::function<bool(std::size_t byte)> kept;
    std::uint32_t from_frame = 0;

    /// From this byte of imported memory on, a camera puts everything so many bytes too
    /// late: a plane that lies elsewhere.
    std::size_t late_from = 0;
    std::size_t late_by = 0;
};

/// Lies as long as it lives. One at a time.
class Lie {
public:
    explicit Lie(Lies lies);
    Lie(const Lie&) = delete;
    Lie& operator=(const Lie&) = delete;
    ~Lie();
};
