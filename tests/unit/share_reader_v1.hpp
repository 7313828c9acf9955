// SPDX-License-Identifier: MIT
//
// A reader of messages as version 1 has them. It shares no code with the library and never changes: what a later
// library writes for old readers, this one has to understand.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace reader_v1 {

struct Plane {
    std::uint32_t memory;
    std::uint32_t stride;
    std::uint64_t offset;
    std::uint64_t size;
};

struct Memory {
    std::uint64_t size;
    std::uint16_t descriptor;
};

struct Fence {
    std::uint8_t state; // 1: a descriptor; 2: failed
    std::uint16_t descriptor;
    std::int32_t error;
};

struct Buffer {
    std::uint64_t token;
    std::uint64_t modifier;
    std::uint32_t fourcc;
    std::uint32_t flags;
    std::array<std::uint32_t, 5> numbers; // width, height, lines before, lines after, rows
    std::vector<Plane> planes;
    std::vector<Memory> memories;
    std::optional<Fence> fence;
    std::optional<std::uint8_t> orientation;
    std::vector<std::byte> data;
};

struct Release {
    std::uint64_t token;
    Fence fence;
};

struct Message {
    std::uint16_t descriptors = 0;
    std::vector<Buffer> buffers;
    std::vector<Release> releases;
    std::size_t passed_over = 0; // records of later versions
};

class Bytes {
public:
    explicit Bytes(std::span<const std::byte> all) : rest(all) {}

    std::uint64_t number(std::size_t bytes)
    {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i)
            value |= std::to_integer<std::uint64_t>(rest[i]) << (8 * i);
        rest = rest.subspan(bytes);
        return value;
    }
    std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
    std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
    std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
    std::uint64_t u64() { return number(8); }

    std::span<const std::byte> rest;
};

inline Fence fence(Bytes& from)
{
    Fence read{};
    read.state = from.u8();
    from.u8();
    read.descriptor = from.u16();
    read.error = static_cast<std::int32_t>(from.u32());
    return read;
}

inline Buffer buffer(Bytes& from)
{
    Buffer read{};
    read.token = from.u64();
    read.modifier = from.u64();
    read.fourcc = from.u32();
    read.flags = from.u32();
    for (std::uint32_t& number : read.numbers)
        number = from.u32();
    const std::uint32_t planes = from.u32();
    const std::uint32_t memories = from.u32();
    for (std::uint32_t i = 0; i < planes; ++i) {
        Plane plane{};
        plane.memory = from.u32();
        plane.stride = from.u32();
        plane.offset = from.u64();
        plane.size = from.u64();
        read.planes.push_back(plane);
    }
    for (std::uint32_t i = 0; i < memories; ++i) {
        Memory memory{};
        memory.size = from.u64();
        memory.descriptor = from.u16();
        read.memories.push_back(memory);
    }
    return read;
}

/// Nothing for a message that version 1 has to refuse.
inline std::optional<Message> read(std::span<const std::byte> bytes)
{
    Bytes from(bytes);
    if (from.u32() != 0x66626d63)
        return std::nullopt;
    from.u16();
    if (from.u16() > 1)
        return std::nullopt;
    if (from.u32() != bytes.size())
        return std::nullopt;
    Message message;
    message.descriptors = from.u16();
    from.u16();
    while (!from.rest.empty()) {
        const std::uint16_t kind = from.u16();
        const std::uint16_t flags = from.u16();
        const std::uint32_t size = from.u32();
        Bytes payload(from.rest.first(size));
        from.rest = from.rest.subspan(size);
        switch (kind) {
        case 1: message.buffers.push_back(buffer(payload)); break;
        case 2: message.buffers.back().fence = fence(payload); break;
        case 3:
            payload.u32();
            message.buffers.back().orientation = payload.u8();
            break;
        case 4: message.buffers.back().data.assign(payload.rest.begin(), payload.rest.end()); break;
        case 5: {
            Release release{};
            release.token = payload.u64();
            release.fence = fence(payload);
            message.releases.push_back(release);
            break;
        }
        default:
            if ((flags & 1) != 0)
                return std::nullopt;
            ++message.passed_over;
        }
    }
    return message;
}

} // namespace reader_v1
