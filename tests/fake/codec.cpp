// SPDX-License-Identifier: MIT
//
// A codec with both queues on each file handle, and its media requests: the order of things in
// dev-encoder.rst and dev-decoder.rst, and no pictures.
#include "fake/machine.hpp"

#include <fcntl.h>
#include <linux/media.h>
#include <linux/videodev2.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>

namespace fake {
namespace {

int failed(int error)
{
    errno = error;
    return -1;
}

/// A media request, and which buffer of which file it holds.
class RequestFile final : public File {
public:
    int ioctl(Machine&, unsigned long request, void*) override
    {
        if (request == MEDIA_REQUEST_IOC_QUEUE) {
            if (submitted)
                return failed(EBUSY);
            if (!submit || !control)
                return failed(ENOENT);
            submitted = true;
            submit();
            return 0;
        }
        if (request != MEDIA_REQUEST_IOC_REINIT)
            return failed(ENOTTY);
        if (submitted && !done)
            return failed(EBUSY);
        if (!submitted && forget)
            forget();
        submitted = done = control = false;
        submit = forget = nullptr;
        return 0;
    }
    short ready(short events) override { return done ? static_cast<short>(events & POLLPRI) : short{0}; }

    std::function<void()> submit;
    std::function<void()> forget;
    bool submitted = false;
    bool control = false;
    bool done = false;
};

class MediaFile final : public File {
public:
    int ioctl(Machine& machine, unsigned long request, void* argument) override
    {
        if (request != MEDIA_IOC_REQUEST_ALLOC)
            return failed(ENOTTY);
        *static_cast<int*>(argument) = machine.new_descriptor(std::make_shared<RequestFile>());
        return 0;
    }
};

class CodecFile final : public File {
public:
    explicit CodecFile(CodecModel& model) : model_(model) {}

    int ioctl(Machine& machine, unsigned long request, void* argument) override
    {
        switch (request) {
        case VIDIOC_QUERYCAP: {
            auto& answer = *static_cast<v4l2_capability*>(argument);
            answer = {};
            std::strcpy(reinterpret_cast<char*>(answer.driver), "fake");
            answer.capabilities = V4L2_CAP_DEVICE_CAPS;
            answer.device_caps = V4L2_CAP_STREAMING | V4L2_CAP_VIDEO_M2M;
            return 0;
        }
        case VIDIOC_ENUM_FMT: {
            auto& entry = *static_cast<v4l2_fmtdesc*>(argument);
            const std::vector<std::uint32_t> codes = codes_of(entry.type);
            if (entry.index >= codes.size())
                return failed(EINVAL);
            entry.pixelformat = codes[entry.index];
            entry.flags = is_raw(entry.type) ? 0 : V4L2_FMT_FLAG_COMPRESSED;
            return 0;
        }
        case VIDIOC_G_FMT: fill(*static_cast<v4l2_format*>(argument), model_.width, model_.height); return 0;
        case VIDIOC_TRY_FMT:
        case VIDIOC_S_FMT: {
            auto& format = *static_cast<v4l2_format*>(argument);
            if (request == VIDIOC_S_FMT && !side(format.type).slots.empty())
                return failed(EBUSY);
            fill(format, format.fmt.pix.width, format.fmt.pix.height);
            if (request == VIDIOC_S_FMT) {
                side(format.type).size = format.fmt.pix.sizeimage;
                if (is_raw(format.type))
                    model_.fourcc = format.fmt.pix.pixelformat;
            }
            return 0;
        }
        case VIDIOC_REQBUFS: {
            auto& buffers = *static_cast<v4l2_requestbuffers*>(argument);
            Side& its = side(buffers.type);
            if (buffers.memory == V4L2_MEMORY_MMAP && !model_.exports)
                return failed(EINVAL);
            const std::uint32_t size = its.size;
            its = {};
            its.size = size;
            its.slots.resize(buffers.count);
            if (buffers.type == V4L2_BUF_TYPE_VIDEO_OUTPUT)
                buffers.capabilities = (model_.requires_requests ? V4L2_BUF_CAP_SUPPORTS_REQUESTS : 0U) |
                                       (model_.holds ? V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF : 0U);
            return 0;
        }
        case VIDIOC_CREATE_BUFS: {
            auto& create = *static_cast<v4l2_create_buffers*>(argument);
            Side& its = side(create.format.type);
            create.index = static_cast<std::uint32_t>(its.slots.size()) + model_.misplaced_slots;
            its.slots.resize(its.slots.size() + create.count);
            return 0;
        }
        case VIDIOC_QUERYBUF: {
            auto& buffer = *static_cast<v4l2_buffer*>(argument);
            const Side& its = side(buffer.type);
            if (buffer.index >= its.slots.size())
                return failed(EINVAL);
            buffer.flags = its.slots[buffer.index].in_request ? V4L2_BUF_FLAG_IN_REQUEST : 0;
            return 0;
        }
        case VIDIOC_EXPBUF: {
            auto& wanted = *static_cast<v4l2_exportbuffer*>(argument);
            Side& its = side(wanted.type);
            if (!model_.exports || wanted.index >= its.slots.size() || wanted.plane != 0)
                return failed(EINVAL);
            wanted.fd = machine.add_dma_buf(its.size);
            its.slots[wanted.index].memory = machine.file(wanted.fd);
            return 0;
        }
        case VIDIOC_QBUF: return queue(machine, *static_cast<v4l2_buffer*>(argument));
        case VIDIOC_DQBUF: return dequeue(*static_cast<v4l2_buffer*>(argument));
        case VIDIOC_STREAMON:
        case VIDIOC_STREAMOFF: {
            Side& its = side(static_cast<std::uint32_t>(*static_cast<int*>(argument)));
            its.streaming = request == VIDIOC_STREAMON;
            if (!its.streaming) {
                its.queued.clear();
                its.done.clear();
                its.at_end = false;
            }
            work();
            return 0;
        }
        case VIDIOC_SUBSCRIBE_EVENT: return model_.encodes || model_.requires_requests ? failed(EINVAL) : 0;
        case VIDIOC_DQEVENT: {
            if (model_.changes == 0)
                return failed(ENOENT);
            auto& event = *static_cast<v4l2_event*>(argument);
            --model_.changes;
            event.type = V4L2_EVENT_SOURCE_CHANGE;
            event.u.src_change.changes = V4L2_EVENT_SRC_CH_RESOLUTION;
            return 0;
        }
        case VIDIOC_G_CTRL: static_cast<v4l2_control*>(argument)->value = 2; return 0;
        case VIDIOC_S_EXT_CTRLS: {
            const auto& controls = *static_cast<const v4l2_ext_controls*>(argument);
            auto* its = dynamic_cast<RequestFile*>(machine.file(controls.request_fd).get());
            if (its == nullptr)
                return failed(EINVAL);
            its->control = true;
            return 0;
        }
        case VIDIOC_G_SELECTION: {
            auto& selection = *static_cast<v4l2_selection*>(argument);
            selection.r = {0, 0, model_.visible_width, model_.visible_height};
            return 0;
        }
        case VIDIOC_S_SELECTION: return 0;
        case VIDIOC_ENCODER_CMD:
            return model_.encodes ? command(static_cast<v4l2_encoder_cmd*>(argument)->cmd == V4L2_ENC_CMD_STOP)
                                  : failed(ENOTTY);
        case VIDIOC_DECODER_CMD:
            if (model_.holds)
                return flush(static_cast<v4l2_decoder_cmd*>(argument)->cmd);
            return model_.encodes || model_.requires_requests
                       ? failed(ENOTTY)
                       : command(static_cast<v4l2_decoder_cmd*>(argument)->cmd == V4L2_DEC_CMD_STOP);
        default: return failed(ENOTTY);
        }
    }

    short ready(short events) override
    {
        int found = 0;
        if (!output_.done.empty())
            found |= POLLOUT;
        if (!capture_.done.empty() || capture_.at_end)
            found |= POLLIN;
        if (model_.changes > 0)
            found |= POLLPRI;
        return static_cast<short>(found & events);
    }

private:
    struct Slot {
        bool in_request = false;
        v4l2_buffer given{};
        std::shared_ptr<File> request;
        std::shared_ptr<File> memory;
    };
    struct Side {
        std::vector<Slot> slots;
        std::deque<std::uint32_t> queued;
        std::deque<v4l2_buffer> done;
        bool streaming = false;
        bool at_end = false; ///< the last frame was dequeued
        std::uint32_t sequence = 0;
        std::uint32_t size = 0; ///< of a frame
    };

    bool is_raw(std::uint32_t type) const { return (type == V4L2_BUF_TYPE_VIDEO_OUTPUT) == model_.encodes; }
    Side& side(std::uint32_t type) { return type == V4L2_BUF_TYPE_VIDEO_OUTPUT ? output_ : capture_; }

    std::vector<std::uint32_t> codes_of(std::uint32_t type) const
    {
        if (!is_raw(type))
            return {V4L2_PIX_FMT_FWHT};
        return model_.raw.empty() ? std::vector<std::uint32_t>{V4L2_PIX_FMT_NV12} : model_.raw;
    }

    void fill(v4l2_format& format, std::uint32_t width, std::uint32_t height) const
    {
        v4l2_pix_format& pix = format.fmt.pix;
        const bool raw = is_raw(format.type);
        const std::vector<std::uint32_t> codes = codes_of(format.type);
        const auto code = std::find(codes.begin(), codes.end(), pix.pixelformat);
        pix = {};
        pix.width = width;
        pix.height = std::min((height + model_.row_step - 1) / model_.row_step * model_.row_step, model_.max_rows);
        pix.field = V4L2_FIELD_NONE;
        pix.pixelformat = code != codes.end() ? *code : codes.front();
        pix.bytesperline = raw ? width : 0;
        pix.sizeimage = raw ? width * pix.height * 3 / 2 : model_.coded_size;
        if (raw && model_.distort)
            model_.distort(format);
    }

    int queue(Machine& machine, const v4l2_buffer& buffer)
    {
        Side& its = side(buffer.type);
        if (buffer.index >= its.slots.size())
            return failed(EINVAL);
        Slot& slot = its.slots[buffer.index];
        if (buffer.memory != V4L2_MEMORY_MMAP)
            slot.memory = machine.file(buffer.m.fd);
        if (dynamic_cast<const DmaBuf*>(slot.memory.get()) == nullptr)
            return failed(EINVAL);
        slot.given = buffer;
        const bool with_request = (buffer.flags & V4L2_BUF_FLAG_REQUEST_FD) != 0;
        const bool may = model_.requires_requests && &its == &output_;
        if (with_request != may)
            return failed(EBADR);
        if (!with_request) {
            its.queued.push_back(buffer.index);
            work();
            return 0;
        }
        slot.request = machine.file(buffer.request_fd);
        auto* request = dynamic_cast<RequestFile*>(slot.request.get());
        if (request == nullptr)
            return failed(EINVAL);
        slot.in_request = true;
        request->submit = [this, index = buffer.index] {
            output_.slots[index].in_request = false;
            output_.queued.push_back(index);
            work();
        };
        request->forget = [this, index = buffer.index] {
            output_.slots[index].in_request = false;
            output_.slots[index].request.reset();
        };
        return 0;
    }

    int dequeue(v4l2_buffer& buffer)
    {
        Side& its = side(buffer.type);
        if (!its.streaming)
            return failed(EINVAL);
        if (its.at_end)
            return failed(EPIPE);
        if (its.done.empty())
            return failed(EAGAIN);
        buffer = its.done.front();
        its.done.pop_front();
        its.at_end = (buffer.flags & V4L2_BUF_FLAG_LAST) != 0;
        return 0;
    }

    int command(bool stop)
    {
        draining_ = stop;
        stopped_ = false;
        if (!stop && !model_.stays_at_end)
            capture_.at_end = false;
        work();
        return 0;
    }

    /// The only command of a stateless decoder.
    int flush(std::uint32_t command)
    {
        if (command != V4L2_DEC_CMD_FLUSH)
            return failed(EINVAL);
        if (!output_.queued.empty())
            output_.slots[output_.queued.back()].given.flags &= ~__u32{V4L2_BUF_FLAG_M2M_HOLD_CAPTURE_BUF};
        else if (held_)
            let_go();
        return 0;
    }

    void let_go()
    {
        finish(capture_, 100, V4L2_BUF_FLAG_KEYFRAME, *held_);
        held_.reset();
    }

    void finish(Side& its, std::uint32_t bytes, std::uint32_t flags, const timeval& timestamp)
    {
        Slot& slot = its.slots[its.queued.front()];
        v4l2_buffer buffer = slot.given;
        its.queued.pop_front();
        buffer.bytesused = bytes;
        buffer.flags = flags;
        buffer.timestamp = timestamp;
        buffer.sequence = its.sequence++;
        its.done.push_back(buffer);
        if (auto* request = dynamic_cast<RequestFile*>(slot.request.get()))
            request->done = true;
        slot.request.reset();
    }

    /// The memory whose turn it is.
    static std::span<std::byte> content(Side& its)
    {
        return dynamic_cast<DmaBuf&>(*its.slots[its.queued.front()].memory).content();
    }

    /// One frame in, one frame out, as long as there are both.
    void work()
    {
        while (output_.streaming && capture_.streaming && !capture_.queued.empty() && !stopped_) {
            if (output_.queued.empty()) {
                if (!draining_)
                    return;
                finish(capture_, 0, V4L2_BUF_FLAG_LAST, {});
                stopped_ = true;
                return;
            }
            const v4l2_buffer& source = output_.slots[output_.queued.front()].given;
            const timeval timestamp = source.timestamp;
            if (held_ && (held_->tv_sec != timestamp.tv_sec || held_->tv_usec != timestamp.tv_usec)) {
                let_go();
                continue;
            }
            constexpr std::uint32_t usual = 100;
            const std::uint32_t made = model_.convert ? model_.convert(content(output_), content(capture_)) : usual;
            const bool holds = model_.holds && (source.flags & V4L2_BUF_FLAG_M2M_HOLD_CAPTURE_BUF) != 0;
            finish(output_, 0, 0, timestamp);
            held_ = holds ? std::optional(timestamp) : std::nullopt;
            if (holds)
                continue;
            finish(capture_, made, V4L2_BUF_FLAG_KEYFRAME | (model_.damages_frames ? V4L2_BUF_FLAG_ERROR : 0U),
                   timestamp);
        }
    }

    CodecModel& model_;
    Side output_;
    Side capture_;
    bool draining_ = false;
    bool stopped_ = false;
    std::optional<timeval> held_; ///< the time stamp of the picture that waits for further slices
};

} // namespace

std::shared_ptr<File> open_codec(CodecModel& model) { return std::make_shared<CodecFile>(model); }
std::shared_ptr<File> open_media() { return std::make_shared<MediaFile>(); }

} // namespace fake
