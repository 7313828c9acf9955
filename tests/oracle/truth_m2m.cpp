// SPDX-License-Identifier: MIT
//
// Codecs and converters. What they read: the same picture stands in the buffer and in the
// driver's own memory, in the driver's own layout, and the same has to come out. What they
// write: what comes out has to be what comes out in the driver's own memory.
#include "truth_codec.hpp"
#include "truth_device.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace truth {
namespace {

/// Both queues of one file.
struct Pipe {
    explicit Pipe(const std::string& path) : node(path), source(node, node.output()), sink(node, node.capture())
    {
        node.set_control("Transaction Time (msec)", 1); // vim2m pretends to work for 40 ms
        keep_quality(node);
    }

    VideoNode node;
    VideoQueue source;
    VideoQueue sink;
};

bool has(const std::vector<std::uint32_t>& codes, std::uint32_t code)
{
    return std::find(codes.begin(), codes.end(), code) != codes.end();
}

/// The code for the other end of a converter: the same, or the first that can be compared.
std::uint32_t other_end(const std::vector<std::uint32_t>& codes, std::uint32_t same)
{
    if (has(codes, same))
        return same;
    const auto found = std::find_if(codes.begin(), codes.end(),
                                    [](std::uint32_t code) { return shape_of_v4l2(code, false) != nullptr; });
    if (found == codes.end())
        throw Unknowable("nothing at its other end can be compared");
    return *found;
}

/// What came out: a stream's bytes, or a picture.
struct Outcome {
    Coded coded;
    Picture picture;
};

class Reader final : public Device {
public:
    Reader(const Use& use, const Layout& layout) : layout_(layout), tested_(use.path), reference_(use.path)
    {
        const auto codes = tested_.node.codes(tested_.node.capture());
        codes_stream_ = has(codes, stream_code);
        tested_.source.set(layout);
        raw_code_ = tested_.source.format().code;
        const std::uint32_t result = codes_stream_ ? stream_code : other_end(codes, raw_code_);
        finish(tested_, result);
        // Some read no image that is smaller than theirs: its stream shows what lies around the picture, too.
        if (const auto part = tested_.source.selected(V4L2_SEL_TGT_CROP);
            part && (part->width != layout.width || part->height != layout.height))
            throw Refused("the device reads " + std::to_string(part->width) + "x" + std::to_string(part->height));
        reference_.source.set(raw_code_, layout.width, layout.height);
        finish(reference_, result);
        if (tested_.source.format().sizes.size() != reference_.source.format().sizes.size())
            throw Unknowable("its own memory has another number of planes");
        reference_.source.make_own(1);
        where_ = reference_.source.own_layout(layout.width, layout.height);
    }

    void take(const std::vector<Buffer>& buffers) override
    {
        buffers_ = &buffers;
        // One slot: a buffer that comes in makes the driver let go of the one before.
        tested_.source.make_slots(1);
    }

    void see(std::size_t buffer, const Picture& picture) override
    {
        if (!last_ || *last_ != picture) {
            fill(reference_.source.maps(0), std::byte{});
            write_picture(picture, where_, reference_.source.maps(0));
            try {
                reference_.source.queue_own(0);
                expected_ = run(reference_);
            } catch (const Refused& refused) {
                throw Unknowable(std::string("it does not work in its own memory: ") + refused.what());
            }
            last_ = picture;
        }
        tested_.source.queue(0, (*buffers_)[buffer]);
        compare(run(tested_));
    }

private:
    void finish(Pipe& pipe, std::uint32_t result) const
    {
        pipe.source.select(V4L2_SEL_TGT_CROP, layout_.width, layout_.height);
        pipe.sink.set(result, pipe.source.format().width, pipe.source.format().height);
        pipe.sink.make_own(1);
    }

    Outcome run(Pipe& pipe) const
    {
        pipe.sink.queue_own(0);
        pipe.source.start();
        pipe.sink.start();
        const auto done = pipe.sink.dequeue();
        pipe.source.dequeue();
        const Maps& maps = pipe.sink.maps(done.slot);
        if (!codes_stream_)
            return {{}, read_picture(pipe.sink.own_layout(layout_.width, layout_.height), maps)};
        const auto bytes = maps[0].first(std::min<std::size_t>(done.used, maps[0].size()));
        return {Coded(bytes.begin(), bytes.end()), {}};
    }

    void compare(const Outcome& found) const
    {
        const std::string words = "what comes out is not what comes out of a copy in its own memory";
        if (!codes_stream_)
            return expect_same(expected_.picture, found.picture, words);
        if (expected_.coded == found.coded)
            return;
        // Encoders work on whole blocks, and read what lies beyond the last row and column. So
        // the streams may differ where the pictures do not.
        const std::string decoder = find_codec(false);
        if (decoder.empty())
            throw Unknowable("the streams differ, and nobody decodes them");
        const auto one = decode(decoder, {expected_.coded}, raw_code_, layout_.width, layout_.height);
        const auto other = decode(decoder, {found.coded}, raw_code_, layout_.width, layout_.height);
        constexpr std::uint32_t block = 8;
        if (const auto wrong = difference(one[0], other[0], block))
            throw Refused(words + ", decoded again: " + *wrong);
    }

    Layout layout_;
    Pipe tested_;
    Pipe reference_;
    bool codes_stream_ = false;
    std::uint32_t raw_code_ = 0;
    Layout where_;
    std::optional<Picture> last_;
    Outcome expected_;
    const std::vector<Buffer>* buffers_ = nullptr;
};

/// A converter, as one that writes.
class Converter final : public Device {
public:
    Converter(const Use& use, const Layout& layout) : layout_(layout), tested_(use.path), reference_(use.path)
    {
        const Shape& shape = *shape_of(layout.fourcc);
        const bool apart = layout.memories.size() > 1;
        const auto& codes = apart ? shape.apart : shape.together;
        const std::uint32_t input = other_end(tested_.node.codes(tested_.node.output()), codes.empty() ? 0 : codes[0]);
        for (Pipe* pipe : {&tested_, &reference_})
            pipe->source.set(input, layout.width, layout.height);
        tested_.sink.set(layout);
        reference_.sink.set(tested_.sink.format().code, layout.width, layout.height);
        for (Pipe* pipe : {&tested_, &reference_})
            pipe->source.make_own(1);
        reference_.sink.make_own(1);
        input_ = reference_.source.own_layout(layout.width, layout.height);
        output_ = reference_.sink.own_layout(layout.width, layout.height);
    }

    void take(const std::vector<Buffer>& buffers) override { slots_.open(buffers); }

    void give(std::size_t buffer) override { slots_.give(buffer); }

    Frame next(std::uint32_t seed) override
    {
        const Picture picture = draw(*shape_of(input_.fourcc), layout_.width, layout_.height, seed);
        Picture expected;
        try {
            reference_.sink.queue_own(0);
            run(reference_, picture);
            expected = read_picture(output_, reference_.sink.maps(0));
        } catch (const Refused& refused) {
            throw Unknowable(std::string("it does not work in its own memory: ") + refused.what());
        }
        return {slots_.take(run(tested_, picture)), std::move(expected)};
    }

    void stop() override { tested_.sink.stop(); }

private:
    /// The slot of the sink that was filled.
    std::uint32_t run(Pipe& pipe, const Picture& picture) const
    {
        write_picture(picture, input_, pipe.source.maps(0));
        pipe.source.queue_own(0);
        pipe.source.start();
        pipe.sink.start();
        const auto done = pipe.sink.dequeue();
        pipe.source.dequeue();
        return done.slot;
    }

    Layout layout_;
    Pipe tested_;
    Pipe reference_;
    Layout input_;
    Layout output_;
    Slots slots_{tested_.sink};
};

/// A stream, and the pictures that a decoder makes of it in its own memory.
struct Known {
    std::vector<Coded> stream;
    std::vector<Picture> pictures;
};

const Known& known_stream(const std::string& path, std::uint32_t raw_code, const Layout& layout)
{
    static std::map<std::tuple<std::string, std::uint32_t, std::uint32_t, std::uint32_t>, Known> all;
    Known& known = all[{path, raw_code, layout.width, layout.height}];
    if (known.pictures.empty()) {
        constexpr std::uint32_t frames = 3;
        std::vector<Picture> drawn;
        for (std::uint32_t i = 0; i < frames; ++i)
            drawn.push_back(draw(*shape_of(layout.fourcc), layout.width, layout.height, i));
        known.stream = encode(drawn, raw_code);
        known.pictures = decode(path, known.stream, raw_code, layout.width, layout.height);
    }
    return known;
}

class DecoderDevice final : public Device {
public:
    DecoderDevice(const Use& use, const Layout& layout)
        : layout_(layout),
          known_(known_stream(use.path, raw_code(use.path, layout), layout)),
          decoder_(use.path, known_.stream)
    {
        decoder_.sink().set(layout);
    }

    void take(const std::vector<Buffer>& buffers) override { slots_.open(buffers); }

    void give(std::size_t buffer) override { slots_.give(buffer); }

    Frame next(std::uint32_t) override
    {
        const std::size_t buffer = slots_.take(decoder_.next().slot);
        return {buffer, known_.pictures[frame_++ % known_.pictures.size()]};
    }

    void stop() override { decoder_.sink().stop(); }

private:
    static std::uint32_t raw_code(const std::string& path, const Layout& layout)
    {
        const VideoNode node(path);
        const Shape& shape = *shape_of(layout.fourcc);
        const auto known = node.codes(node.capture());
        for (const std::uint32_t code : layout.memories.size() > 1 ? shape.apart : shape.together) {
            if (has(known, code))
                return code;
        }
        throw Refused(path + " has no " + letters(layout.fourcc));
    }

    Layout layout_;
    const Known& known_;
    Decoder decoder_;
    Slots slots_{decoder_.sink()};
    std::size_t frame_ = 0;
};

} // namespace

std::unique_ptr<Device> open_m2m(const Use& use, const Layout& layout)
{
    if (use.kind == DeviceKind::m2m_source)
        return std::make_unique<Reader>(use, layout);
    const VideoNode node(use.path);
    if (has(node.codes(node.output()), stream_code))
        return std::make_unique<DecoderDevice>(use, layout);
    return std::make_unique<Converter>(use, layout);
}

} // namespace truth
