// SPDX-License-Identifier: MIT
#pragma once

#include "truth_buffer.hpp"

#include <linux/videodev2.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace truth {

/// A video node's file.
class VideoNode {
public:
    explicit VideoNode(std::string path);

    int fd() const noexcept { return fd_.get(); }
    const std::string& path() const noexcept { return path_; }
    bool multiplanar() const noexcept { return multiplanar_; }
    std::vector<std::uint32_t> codes(v4l2_buf_type type) const;

    /// Sets a control that is found by its name. Returns whether it is there.
    bool set_control(const std::string& name, std::int32_t value) const;
    /// Sets a menu to the item of this name.
    bool set_menu(const std::string& name, const std::string& item) const;

    v4l2_buf_type capture() const noexcept;
    v4l2_buf_type output() const noexcept;

private:
    std::optional<v4l2_queryctrl> control(const std::string& name) const;

    std::string path_;
    Fd fd_;
    bool multiplanar_ = false;
};

/// One queue of a node, in the driver's memory or in that of dma-bufs.
class VideoQueue {
public:
    VideoQueue(const VideoNode& node, v4l2_buf_type type) : node_(node), type_(type) {}
    VideoQueue(const VideoQueue&) = delete;
    VideoQueue& operator=(const VideoQueue&) = delete;
    ~VideoQueue();

    /// What the driver made of a format.
    struct Format {
        std::uint32_t code = 0;
        std::uint32_t width = 0;
        std::uint32_t height = 0;
        std::vector<std::uint32_t> strides;
        std::vector<std::uint32_t> sizes;
    };

    /// Sets a format. Strides may be left out. Throws Refused where the driver takes another code.
    const Format& set(std::uint32_t code, std::uint32_t width, std::uint32_t height,
                      const std::vector<std::uint32_t>& strides = {});

    /// Sets what a layout is in V4L2. Throws Refused where V4L2 or the driver has no such thing.
    const Format& set(const Layout& layout);

    /// What is set now.
    const Format& read_format();
    const Format& format() const noexcept { return format_; }

    /// Sets which part is cropped or composed; a driver that has no such part says so in vain.
    void select(std::uint32_t target, std::uint32_t width, std::uint32_t height) const;
    void select_default(std::uint32_t target) const;
    std::optional<v4l2_rect> selected(std::uint32_t target) const;

    /// Where the driver puts a picture of width x height in its own memory, by V4L2's rules.
    Layout own_layout(std::uint32_t width, std::uint32_t height) const;

    void make_own(std::uint32_t count);
    void make_slots(std::uint32_t count);

    /// How many slots there are: drivers make more than they are asked for.
    std::uint32_t slots() const noexcept { return count_; }

    /// The driver's memory of a slot.
    const Maps& maps(std::uint32_t slot) const { return maps_[slot]; }

    /// `used`: the bytes in the first plane; 0 stands for a whole picture.
    void queue_own(std::uint32_t slot, std::uint32_t used = 0);
    void queue(std::uint32_t slot, const Buffer& buffer);

    struct Done {
        std::uint32_t slot = 0;
        std::uint32_t used = 0;             ///< of the first plane
        std::vector<std::uint32_t> offsets; ///< where the driver says that each memory's content begins
    };

    /// Throws Refused where nothing comes in time, or the driver says that the content is broken.
    Done dequeue();

    void start();

    /// Stops, and gives every buffer back.
    void stop();

private:
    void request(std::uint32_t memory, std::uint32_t count);
    void queue(v4l2_buffer& buffer, std::vector<v4l2_plane>& planes);
    std::string words(const char* what) const { return std::string(what) + " on " + node_.path(); }

    const VideoNode& node_;
    v4l2_buf_type type_;
    Format format_;
    std::uint32_t memory_ = 0;
    std::uint32_t count_ = 0;
    bool streaming_ = false;
    std::vector<std::vector<std::unique_ptr<Mapping>>> mappings_;
    std::vector<Maps> maps_;
};

/// The slots of a queue that a device writes into, and the buffers in them. There is one slot fewer
/// than there are buffers: vb2 keeps a buffer mapped until another one comes into its slot, and while
/// it is mapped for the device to write, the CPU must not begin to write.
class Slots {
public:
    explicit Slots(VideoQueue& queue) : queue_(queue) {}

    void open(const std::vector<Buffer>& buffers);
    void give(std::size_t buffer);

    /// The buffer that comes out of a slot.
    std::size_t take(std::uint32_t slot);

private:
    VideoQueue& queue_;
    const std::vector<Buffer>* buffers_ = nullptr;
    std::vector<std::size_t> holds_;
    std::vector<std::uint32_t> free_;
};

/// A layout whose memories have something before the picture.
Layout shifted(const Layout& layout, const VideoQueue::Done& done);

} // namespace truth
