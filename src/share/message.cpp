// SPDX-License-Identifier: MIT
#include "share/message.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <chrono>
#include <type_traits>
#include <utility>

namespace commonbuf::share::wire {
namespace {

constexpr const char* operation = "read a message";

Error lie(std::string detail) { return Error::invalid_argument(operation, std::move(detail)); }

/// Appends numbers, the lowest byte first.
class Writer {
public:
    template <typename Number>
    void put(Number number)
    {
        auto bits = static_cast<std::make_unsigned_t<Number>>(number);
        for (std::size_t i = 0; i < sizeof bits; ++i) {
            bytes_.push_back(static_cast<std::byte>(bits & 0xffU));
            bits = static_cast<decltype(bits)>(bits >> 4U >> 4U); // twice: 8 at once are too many for a byte
        }
    }
    void put_bytes(std::span<const std::byte> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

    std::vector<std::byte> take() { return std::move(bytes_); }

private:
    std::vector<std::byte> bytes_;
};

/// Takes numbers from the front. What is not there is 0, and remembered.
class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) noexcept : rest_(bytes) {}

    template <typename Number>
    Number take() noexcept
    {
        using Bits = std::make_unsigned_t<Number>;
        if (rest_.size() < sizeof(Number)) {
            short_ = true;
            rest_ = {};
            return 0;
        }
        Bits bits = 0;
        for (std::size_t i = 0; i < sizeof(Number); ++i)
            bits = static_cast<Bits>(bits | static_cast<Bits>(std::to_integer<std::uint64_t>(rest_[i]) << (8 * i)));
        rest_ = rest_.subspan(sizeof(Number));
        return static_cast<Number>(bits);
    }
    std::span<const std::byte> take_bytes(std::size_t size) noexcept
    {
        if (rest_.size() < size) {
            short_ = true;
            return std::exchange(rest_, {});
        }
        const auto taken = rest_.first(size);
        rest_ = rest_.subspan(size);
        return taken;
    }

    std::span<const std::byte> rest() const noexcept { return rest_; }
    bool is_short() const noexcept { return short_; }

private:
    std::span<const std::byte> rest_;
    bool short_ = false;
};

// Flags of a buffer.
constexpr std::uint32_t is_v4l2 = 1;
constexpr std::uint32_t is_for_good = 2;

// What a picture has.
constexpr std::uint32_t has_colour = 1;
constexpr std::uint32_t has_hdr = 2;
constexpr std::uint32_t has_crop = 4;
constexpr std::uint32_t has_taken = 8;
constexpr std::uint32_t has_shown_at = 16;
constexpr std::uint32_t has_sequence = 32;

void put_fence(Writer& to, const FenceOnWay& fence)
{
    to.put(static_cast<std::uint8_t>(fence.state));
    to.put(std::uint8_t{0});
    to.put(fence.place);
    to.put(fence.sys_errno);
}

std::vector<std::byte> buffer_payload(const BufferOnWay& buffer)
{
    const Layout& layout = buffer.layout;
    Writer to;
    to.put(buffer.token);
    to.put(layout.modifier.value);
    to.put(layout.format.fourcc);
    to.put((layout.format.is_v4l2 ? is_v4l2 : 0) | (buffer.for_good ? is_for_good : 0));
    for (const std::uint32_t number : {layout.width, layout.height, layout.lines_before, layout.lines_after,
                                       layout.rows, layout.plane_count, layout.memory_count})
        to.put(number);
    for (const Plane& plane : layout.used_planes()) {
        to.put(plane.memory);
        to.put(plane.stride);
        to.put(plane.offset);
        to.put(plane.size);
    }
    for (std::size_t i = 0; i < layout.memory_count; ++i) {
        to.put(layout.memory_sizes[i]);
        to.put(buffer.memories[i]);
    }
    return to.take();
}

std::vector<std::byte> picture_payload(const Picture& picture)
{
    const auto flag = [](const auto& member, std::uint32_t bit) { return member ? bit : 0U; };
    const Colour colour = picture.colour.value_or(Colour{});
    const HdrMetadata hdr = picture.hdr.value_or(HdrMetadata{});
    const Crop crop = picture.crop.value_or(Crop{});
    const auto time = [](const std::optional<std::chrono::nanoseconds>& at) {
        return static_cast<std::int64_t>(at.value_or(std::chrono::nanoseconds(0)).count());
    };
    Writer to;
    to.put(flag(picture.colour, has_colour) | flag(picture.hdr, has_hdr) | flag(picture.crop, has_crop) |
           flag(picture.taken, has_taken) | flag(picture.shown_at, has_shown_at) |
           flag(picture.sequence, has_sequence));
    to.put(static_cast<std::uint8_t>(picture.orientation));
    to.put(static_cast<std::uint8_t>(picture.field));
    to.put(colour.primaries);
    to.put(colour.transfer);
    to.put(colour.matrix);
    to.put(static_cast<std::uint8_t>(colour.full_range ? 1 : 0));
    to.put(colour.chroma_siting);
    to.put(std::uint8_t{0});
    for (const Chromaticity& point : {hdr.primaries[0], hdr.primaries[1], hdr.primaries[2], hdr.white}) {
        to.put(point.x);
        to.put(point.y);
    }
    to.put(hdr.max_luminance);
    to.put(hdr.min_luminance);
    to.put(hdr.max_content);
    to.put(hdr.max_average);
    for (const std::uint32_t number : {crop.left, crop.top, crop.width, crop.height})
        to.put(number);
    to.put(time(picture.taken));
    to.put(time(picture.shown_at));
    to.put(picture.sequence.value_or(0));
    return to.take();
}

void put_record(Writer& to, Kind kind, std::span<const std::byte> payload)
{
    to.put(static_cast<std::uint16_t>(kind));
    to.put(std::uint16_t{0});
    to.put(static_cast<std::uint32_t>(payload.size()));
    to.put_bytes(payload);
}

/// Reads what is behind the header.
class Records {
public:
    Records(std::size_t descriptors, const Limits& limits) : limits_(limits), uses_(descriptors) {}

    Status add(Kind kind, std::uint16_t flags, std::span<const std::byte> payload)
    {
        Reader from(payload);
        Status read;
        switch (kind) {
        case Kind::buffer: read = add_buffer(from); break;
        case Kind::release: read = add_release(from); break;
        case Kind::fence:
        case Kind::picture:
        case Kind::data:
            if (contents_.buffers.empty())
                return lie("it has a record that belongs to no buffer");
            read = add_to(contents_.buffers.back(), kind, from);
            break;
        default:
            if ((flags & needed) != 0)
                return Error::unsupported(operation,
                                          text::format("it has a record of the unknown kind {} that must be understood",
                                                       static_cast<unsigned>(kind)),
                                          "use a newer library");
            return {};
        }
        if (read && from.is_short())
            return lie(text::format("a record of the kind {} has too few bytes: {}", static_cast<unsigned>(kind),
                                    payload.size()));
        return read;
    }

    Result<Contents> finish()
    {
        if (const auto idle = std::ranges::find(uses_, Use::none); idle != uses_.end())
            return lie(text::format("nothing in it uses descriptor {} of {}", idle - uses_.begin(), uses_.size()));
        return std::move(contents_);
    }

private:
    enum class Use : std::uint8_t { none, memory, fence };

    Status use(std::uint16_t place, Use use)
    {
        if (place >= uses_.size())
            return lie(text::format("it names descriptor {}, and {} came", place, uses_.size()));
        if (uses_[place] != Use::none && (use == Use::fence || uses_[place] == Use::fence))
            return lie(text::format("it uses descriptor {} for two things", place));
        uses_[place] = use;
        return {};
    }

    Status add_buffer(Reader& from)
    {
        if (contents_.buffers.size() >= limits_.max_buffers)
            return lie(text::format("it has more buffers than the {} that are allowed", limits_.max_buffers));
        BufferOnWay buffer;
        Layout& layout = buffer.layout;
        buffer.token = from.take<std::uint64_t>();
        layout.modifier = from.take<std::uint64_t>();
        layout.format = from.take<std::uint32_t>();
        const auto flags = from.take<std::uint32_t>();
        layout.format.is_v4l2 = (flags & is_v4l2) != 0;
        buffer.for_good = (flags & is_for_good) != 0;
        for (std::uint32_t* const number : {&layout.width, &layout.height, &layout.lines_before, &layout.lines_after,
                                            &layout.rows, &layout.plane_count, &layout.memory_count})
            *number = from.take<std::uint32_t>();
        if (layout.plane_count == 0 || layout.plane_count > max_planes || layout.memory_count == 0 ||
            layout.memory_count > max_planes)
            return lie(text::format("a buffer has {} planes in {} memories, which are not between 1 and {}",
                                    layout.plane_count, layout.memory_count, max_planes));
        for (std::uint32_t i = 0; i < layout.plane_count; ++i) {
            Plane& plane = layout.planes[i];
            plane.memory = from.take<std::uint32_t>();
            plane.stride = from.take<std::uint32_t>();
            plane.offset = from.take<std::uint64_t>();
            plane.size = from.take<std::uint64_t>();
        }
        for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
            layout.memory_sizes[i] = from.take<std::uint64_t>();
            buffer.memories.push_back(from.take<std::uint16_t>());
            if (from.is_short())
                return {};
            if (Status good = use(buffer.memories.back(), Use::memory); !good)
                return good;
        }
        contents_.buffers.push_back(std::move(buffer));
        has_ = {};
        return {};
    }

    Status add_release(Reader& from)
    {
        if (contents_.releases.size() >= limits_.max_releases)
            return lie(text::format("it has more releases than the {} that are allowed", limits_.max_releases));
        ReleaseOnWay release;
        release.token = from.take<std::uint64_t>();
        Status read = take_fence(from, release.until);
        contents_.releases.push_back(release);
        return read;
    }

    Status add_to(BufferOnWay& buffer, Kind kind, Reader& from)
    {
        bool& has = kind == Kind::fence ? has_.fence : kind == Kind::picture ? has_.picture : has_.data;
        if (std::exchange(has, true))
            return lie(text::format("a buffer has two records of the kind {}", static_cast<unsigned>(kind)));
        if (kind == Kind::fence)
            return take_fence(from, buffer.ready);
        if (kind == Kind::picture)
            return take_picture(from, buffer);
        const auto data = from.rest();
        if (data.size() > limits_.max_data)
            return lie(
                text::format("a buffer has {} bytes of data, and {} are allowed", data.size(), limits_.max_data));
        buffer.data.assign(data.begin(), data.end());
        return {};
    }

    Status take_fence(Reader& from, FenceOnWay& fence)
    {
        const auto state = from.take<std::uint8_t>();
        static_cast<void>(from.take<std::uint8_t>());
        fence.place = from.take<std::uint16_t>();
        fence.sys_errno = from.take<std::int32_t>();
        if (state > static_cast<std::uint8_t>(FenceOnWay::State::failed))
            return lie(text::format("a fence has the unknown state {}", state));
        fence.state = static_cast<FenceOnWay::State>(state);
        if (from.is_short() || fence.state != FenceOnWay::State::descriptor)
            return {};
        return use(fence.place, Use::fence);
    }

    Status take_picture(Reader& from, BufferOnWay& buffer)
    {
        Picture& picture = buffer.picture;
        const auto has = from.take<std::uint32_t>();
        const auto orientation = from.take<std::uint8_t>();
        const auto field = from.take<std::uint8_t>();
        Colour colour;
        colour.primaries = from.take<std::uint8_t>();
        colour.transfer = from.take<std::uint8_t>();
        colour.matrix = from.take<std::uint8_t>();
        colour.full_range = from.take<std::uint8_t>() != 0;
        colour.chroma_siting = from.take<std::uint8_t>();
        static_cast<void>(from.take<std::uint8_t>());
        HdrMetadata hdr;
        for (Chromaticity* const point : {&hdr.primaries[0], &hdr.primaries[1], &hdr.primaries[2], &hdr.white}) {
            point->x = from.take<std::uint16_t>();
            point->y = from.take<std::uint16_t>();
        }
        hdr.max_luminance = from.take<std::uint32_t>();
        hdr.min_luminance = from.take<std::uint32_t>();
        hdr.max_content = from.take<std::uint16_t>();
        hdr.max_average = from.take<std::uint16_t>();
        Crop crop;
        for (std::uint32_t* const number : {&crop.left, &crop.top, &crop.width, &crop.height})
            *number = from.take<std::uint32_t>();
        const std::chrono::nanoseconds taken(from.take<std::int64_t>());
        const std::chrono::nanoseconds shown_at(from.take<std::int64_t>());
        const auto sequence = from.take<std::uint64_t>();
        if (orientation > static_cast<std::uint8_t>(Orientation::mirrored_270) ||
            field > static_cast<std::uint8_t>(FieldOrder::bottom_first))
            return lie(text::format("a picture has the unknown orientation {} or field {}", orientation, field));
        const Layout& layout = buffer.layout;
        if ((has & has_crop) != 0 && (std::uint64_t{crop.left} + crop.width > layout.width ||
                                      std::uint64_t{crop.top} + crop.height > layout.height))
            return lie(text::format("a picture's part of {}x{} at {},{} is not inside {}x{}", crop.width, crop.height,
                                    crop.left, crop.top, layout.width, layout.height));
        const auto set = [has](auto& member, std::uint32_t bit, const auto& value) {
            if ((has & bit) != 0)
                member = value;
        };
        set(picture.colour, has_colour, colour);
        set(picture.hdr, has_hdr, hdr);
        set(picture.crop, has_crop, crop);
        set(picture.taken, has_taken, taken);
        set(picture.shown_at, has_shown_at, shown_at);
        set(picture.sequence, has_sequence, sequence);
        picture.orientation = static_cast<Orientation>(orientation);
        picture.field = static_cast<FieldOrder>(field);
        return {};
    }

    struct Has {
        bool fence = false;
        bool picture = false;
        bool data = false;
    };

    const Limits& limits_;
    std::vector<Use> uses_; ///< of the descriptors
    Contents contents_;
    Has has_; ///< of the last buffer
};

} // namespace

std::vector<std::byte> write(const Contents& contents, std::size_t descriptors)
{
    Writer records;
    for (const BufferOnWay& buffer : contents.buffers) {
        put_record(records, Kind::buffer, buffer_payload(buffer));
        if (buffer.ready.state != FenceOnWay::State::over) {
            Writer fence;
            put_fence(fence, buffer.ready);
            put_record(records, Kind::fence, fence.take());
        }
        if (buffer.picture != Picture{})
            put_record(records, Kind::picture, picture_payload(buffer.picture));
        if (!buffer.data.empty())
            put_record(records, Kind::data, buffer.data);
    }
    for (const ReleaseOnWay& release : contents.releases) {
        Writer payload;
        payload.put(release.token);
        put_fence(payload, release.until);
        put_record(records, Kind::release, payload.take());
    }
    const std::vector<std::byte> all = records.take();
    constexpr std::uint16_t oldest = 1;
    Writer message;
    message.put(magic);
    message.put(version);
    message.put(oldest);
    message.put(static_cast<std::uint32_t>(header_bytes + all.size()));
    message.put(static_cast<std::uint16_t>(descriptors));
    message.put(std::uint16_t{0});
    message.put_bytes(all);
    return message.take();
}

Result<Contents> read(std::span<const std::byte> bytes, std::size_t descriptors, const Limits& limits)
{
    Reader from(bytes);
    const auto begin = from.take<std::uint32_t>();
    static_cast<void>(from.take<std::uint16_t>()); // the writer's version decides nothing
    const auto oldest = from.take<std::uint16_t>();
    const auto size = from.take<std::uint32_t>();
    const auto announced = from.take<std::uint16_t>();
    static_cast<void>(from.take<std::uint16_t>());
    if (from.is_short() || begin != magic)
        return lie("it is not a message of this library");
    if (oldest > version)
        return Error::unsupported(operation,
                                  text::format("it needs version {} of the messages, and this is {}", oldest, version),
                                  "use a newer library");
    if (size != bytes.size())
        return lie(text::format("it says that it has {} bytes, and {} came", size, bytes.size()));
    if (announced != descriptors)
        return lie(text::format("it says that it has {} descriptors, and {} came", announced, descriptors));
    Records records(descriptors, limits);
    while (!from.rest().empty()) {
        const auto kind = from.take<std::uint16_t>();
        const auto flags = from.take<std::uint16_t>();
        const auto length = from.take<std::uint32_t>();
        const auto payload = from.take_bytes(length);
        if (from.is_short())
            return lie("its last record is cut off");
        if (const Status read = records.add(static_cast<Kind>(kind), flags, payload); !read)
            return read.error();
    }
    return records.finish();
}

} // namespace commonbuf::share::wire
