// SPDX-License-Identifier: MIT
#include "fake/display.hpp"
#include "fake/machine.hpp"
#include "fake/syncobj.hpp"

#include <drm.h>
#include <drm_fourcc.h>
#include <drm_mode.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <linux/videodev2.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace fake {
namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t cap_atomic_async_page_flip = 0x15; // newer than Debian 12's drm.h

int failed(int error)
{
    errno = error;
    return -1;
}

class HeapFile final : public File {
public:
    explicit HeapFile(HeapModel& model) : model_(model) {}

    int ioctl(Machine& machine, unsigned long request, void* argument) override
    {
        if (request != DMA_HEAP_IOCTL_ALLOC)
            return failed(ENOTTY);
        auto& data = *static_cast<dma_heap_allocation_data*>(argument);
        if (data.fd != 0 || data.heap_flags != 0 ||
            (data.fd_flags & ~static_cast<unsigned>(O_CLOEXEC | O_ACCMODE)) != 0 || data.len == 0 ||
            data.len > UINT64_MAX - page)
            return failed(EINVAL);
        const std::uint64_t size = (data.len + page - 1) / page * page;
        if (size > model_.capacity - model_.used)
            return failed(ENOMEM);
        constexpr std::uint64_t chunk = 65536;
        auto memory = std::make_shared<DmaBuf>(size, model_.contiguous || (model_.lucky && size % chunk == 0));
        model_.used += size;
        memory->released = [&model = model_, size] { model.used -= size; };
        data.fd = static_cast<std::uint32_t>(machine.new_descriptor(std::move(memory)));
        return 0;
    }

private:
    HeapModel& model_;
};

class UdmabufFile final : public File {
public:
    int ioctl(Machine& machine, unsigned long request, void* argument) override
    {
        if (request == UDMABUF_CREATE) {
            const auto& data = *static_cast<udmabuf_create*>(argument);
            return make(machine, static_cast<int>(data.memfd), data.offset, data.size, false);
        }
        if (request != UDMABUF_CREATE_LIST)
            return failed(ENOTTY);
        const auto& list = *static_cast<udmabuf_create_list*>(argument);
        constexpr std::uint32_t list_limit = 1024;
        if (list.count == 0 || list.count > list_limit)
            return failed(EINVAL);
        // The items follow the head in memory.
        const auto* items = reinterpret_cast<const udmabuf_create_item*>(static_cast<const std::byte*>(argument) +
                                                                         sizeof(udmabuf_create_list));
        std::uint64_t total = 0;
        bool ascending = true;
        for (std::uint32_t i = 0; i < list.count; ++i) {
            total += items[i].size;
            ascending = ascending && (i == 0 || items[i].offset > items[i - 1].offset);
        }
        // In the worst case the file's pages are contiguous, and only the order tells.
        return make(machine, static_cast<int>(items[0].memfd), 0, total, ascending);
    }

private:
    static int make(Machine& machine, int memfd, std::uint64_t offset, std::uint64_t size, bool contiguous)
    {
        const auto* memory = dynamic_cast<MemFile*>(machine.file(memfd).get());
        if (memory == nullptr || (memory->seals & F_SEAL_SHRINK) == 0 || size == 0 || offset % page != 0 ||
            size % page != 0 || offset + size > static_cast<std::uint64_t>(memory->length))
            return failed(EINVAL);
        return machine.new_descriptor(std::make_shared<DmaBuf>(size, contiguous));
    }
};

class CameraFile final : public File {
public:
    explicit CameraFile(CameraModel& model) : model_(model) {}

    int ioctl(Machine& machine, unsigned long request, void* argument) override
    {
        switch (request) {
        case VIDIOC_QUERYCAP: return query(*static_cast<v4l2_capability*>(argument));
        case VIDIOC_ENUM_FMT: return enumerate(*static_cast<v4l2_fmtdesc*>(argument));
        case VIDIOC_G_FMT: return get_format(*static_cast<v4l2_format*>(argument));
        case VIDIOC_TRY_FMT: return adjust(*static_cast<v4l2_format*>(argument));
        case VIDIOC_S_FMT: return set_format(*static_cast<v4l2_format*>(argument));
        case VIDIOC_G_SELECTION: {
            auto& selection = *static_cast<v4l2_selection*>(argument);
            if (selection.target == V4L2_SEL_TGT_COMPOSE)
                return failed(EINVAL); // it fills the whole image
            selection.r.width = selection.target == V4L2_SEL_TGT_CROP ? model_.crop : 0;
            return 0;
        }
        case VIDIOC_S_SELECTION: {
            const auto& selection = *static_cast<const v4l2_selection*>(argument);
            if (selection.target == V4L2_SEL_TGT_CROP)
                model_.crop = selection.r.width;
            return 0;
        }
        case VIDIOC_REQBUFS: return request_buffers(*static_cast<v4l2_requestbuffers*>(argument));
        case VIDIOC_CREATE_BUFS: return create_buffers(*static_cast<v4l2_create_buffers*>(argument));
        case VIDIOC_QUERYBUF:
            return static_cast<const v4l2_buffer*>(argument)->index < model_.slots ? 0 : failed(EINVAL);
        case VIDIOC_EXPBUF: return export_buffer(machine, *static_cast<v4l2_exportbuffer*>(argument));
        case VIDIOC_PREPARE_BUF:
            return model_.has_prepare ? map(machine, *static_cast<v4l2_buffer*>(argument)) : failed(ENOTTY);
        case VIDIOC_QBUF: return queue(machine, *static_cast<v4l2_buffer*>(argument));
        case VIDIOC_DQBUF: return dequeue(*static_cast<v4l2_buffer*>(argument));
        case VIDIOC_STREAMON: model_.streaming = 1; return 0;
        case VIDIOC_STREAMOFF:
            model_.streaming = 0;
            model_.queue.clear();
            return 0;
        default: return failed(ENOTTY);
        }
    }

    short ready(short events) override
    {
        if (model_.streaming == 0 || model_.slots == 0)
            return POLLERR;
        return model_.queue.empty() || model_.frames == 0U ? short{0} : events;
    }

    void closed(Machine&) override
    {
        model_.slots = 0;
        model_.streaming = 0;
        model_.queue.clear();
    }

private:
    int query(v4l2_capability& answer) const
    {
        answer = {};
        model_.driver.copy(reinterpret_cast<char*>(answer.driver), sizeof answer.driver - 1);
        model_.card.copy(reinterpret_cast<char*>(answer.card), sizeof answer.card - 1);
        model_.bus.copy(reinterpret_cast<char*>(answer.bus_info), sizeof answer.bus_info - 1);
        answer.capabilities = V4L2_CAP_DEVICE_CAPS;
        answer.device_caps = V4L2_CAP_STREAMING | model_.capabilities;
        if (model_.no_pictures)
            return 0;
        if (model_.memory_to_memory)
            answer.device_caps |= V4L2_CAP_VIDEO_M2M;
        else
            answer.device_caps |= model_.output ? V4L2_CAP_VIDEO_OUTPUT : V4L2_CAP_VIDEO_CAPTURE;
        return 0;
    }

    int enumerate(v4l2_fmtdesc& entry) const
    {
        // A node with pictures and metadata names other formats for the metadata.
        const bool metadata = entry.type == V4L2_BUF_TYPE_META_CAPTURE || entry.type == V4L2_BUF_TYPE_META_OUTPUT;
        if (entry.index >= model_.formats.size() || metadata != model_.no_pictures)
            return failed(EINVAL);
        entry.pixelformat = model_.formats[entry.index];
        return 0;
    }

    int get_format(v4l2_format& format) const
    {
        format.fmt = {};
        format.fmt.pix.width = model_.width;
        format.fmt.pix.height = model_.height;
        format.fmt.pix.pixelformat = model_.fourcc;
        format.fmt.pix.bytesperline = model_.stride;
        format.fmt.pix.sizeimage = model_.size;
        format.fmt.pix.field = model_.field;
        format.fmt.pix.priv = V4L2_PIX_FMT_PRIV_MAGIC;
        format.fmt.pix.colorspace = model_.colorspace;
        format.fmt.pix.quantization = model_.quantization;
        return 0;
    }

    /// As vivid: what an output queue's pictures are is the program's to say, and a default
    /// otherwise. What a camera's are is the driver's, unless it can convert.
    void adjust_colours(v4l2_pix_format& pix) const
    {
        const bool asked = (pix.flags & V4L2_PIX_FMT_FLAG_SET_CSC) != 0 && model_.converts_colours;
        const bool extended = pix.priv == V4L2_PIX_FMT_PRIV_MAGIC;
        if (!model_.output && !asked) {
            pix.colorspace = model_.colorspace;
            pix.quantization = model_.quantization;
        }
        if (pix.colorspace == V4L2_COLORSPACE_DEFAULT)
            pix.colorspace = V4L2_COLORSPACE_REC709;
        const std::uint32_t usual = V4L2_QUANTIZATION_LIM_RANGE;
        if (!extended || pix.quantization == V4L2_QUANTIZATION_DEFAULT)
            pix.quantization = model_.output || asked ? usual : model_.quantization;
        pix.priv = V4L2_PIX_FMT_PRIV_MAGIC;
        pix.flags = 0;
    }

    /// As devices with an interlaced source do.
    void adjust_field(v4l2_pix_format& pix) const
    {
        const std::uint32_t asked = pix.field;
        pix.field = V4L2_FIELD_NONE;
        if (model_.lines == 0)
            return;
        const bool one = model_.only_fields || asked == V4L2_FIELD_ALTERNATE;
        pix.field = one ? V4L2_FIELD_ALTERNATE : V4L2_FIELD_INTERLACED;
        if (!one && model_.fields_in_row && asked != V4L2_FIELD_INTERLACED)
            pix.field = V4L2_FIELD_SEQ_TB;
        pix.height = one ? model_.lines / 2 : model_.lines;
    }

    /// As drivers do: corrects what it cannot do instead of refusing it.
    int adjust(v4l2_format& format) const
    {
        v4l2_pix_format& pix = format.fmt.pix;
        if (std::find(model_.formats.begin(), model_.formats.end(), pix.pixelformat) == model_.formats.end())
            pix.pixelformat = model_.formats.front();
        pix.width = std::min(pix.width, model_.max_width);
        if (model_.refuses_single_fields && pix.field == V4L2_FIELD_ALTERNATE)
            return failed(EINVAL);
        adjust_field(pix);
        adjust_colours(pix);
        const bool semi_planar = pix.pixelformat == V4L2_PIX_FMT_NV12;
        const std::uint32_t least = semi_planar ? pix.width : pix.width * 4;
        std::uint32_t stride = least;
        if (model_.stride_step != 0)
            stride =
                (std::max(pix.bytesperline, least) + model_.stride_step - 1) / model_.stride_step * model_.stride_step;
        constexpr std::uint32_t most = 65536;
        pix.bytesperline = std::min(stride, most);
        pix.sizeimage = pix.bytesperline * pix.height * (semi_planar ? 3 : 2) / 2 + model_.extra_bytes;
        if (model_.distort)
            model_.distort(format);
        return 0;
    }

    int set_format(v4l2_format& format)
    {
        if (model_.owned_elsewhere || model_.slots != 0)
            return failed(EBUSY);
        adjust(format);
        model_.width = format.fmt.pix.width;
        model_.height = format.fmt.pix.height;
        model_.fourcc = format.fmt.pix.pixelformat;
        model_.stride = format.fmt.pix.bytesperline;
        model_.size = format.fmt.pix.sizeimage;
        model_.field = format.fmt.pix.field;
        model_.colorspace = format.fmt.pix.colorspace;
        model_.quantization = format.fmt.pix.quantization;
        model_.crop = 0;
        return 0;
    }

    int request_buffers(v4l2_requestbuffers& request)
    {
        if (!has_memory(request.memory))
            return failed(EINVAL);
        if (model_.owned_elsewhere)
            return failed(EBUSY);
        request.count = std::min<std::uint32_t>(request.count, max_slots());
        model_.slots = request.count;
        model_.memory = request.memory;
        model_.own_sizes.assign(request.memory == V4L2_MEMORY_MMAP ? request.count : 0, model_.size);
        model_.queue.clear();
        inodes_.assign(request.count, 0);
        memories_.assign(request.count, nullptr);
        return 0;
    }

    std::uint32_t max_slots() const { return model_.max_slots != 0 ? model_.max_slots : VIDEO_MAX_FRAME; }

    bool has_memory(std::uint32_t memory) const
    {
        return memory == V4L2_MEMORY_MMAP ? model_.exports : memory == V4L2_MEMORY_DMABUF && model_.imports;
    }

    /// As vb2_ioctl_create_bufs(): of none, it says what there is.
    int create_buffers(v4l2_create_buffers& request)
    {
        if (!model_.exports && model_.max_slots == 0)
            return failed(ENOTTY);
        if (!has_memory(request.memory))
            return failed(EINVAL);
        request.index = model_.slots;
        request.capabilities = V4L2_BUF_CAP_SUPPORTS_MMAP | (model_.imports ? V4L2_BUF_CAP_SUPPORTS_DMABUF : 0U) |
                               (model_.orphans ? V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS : 0U);
        if (model_.max_slots != 0) {
            // Newer than the headers of some systems.
            request.capabilities |= 1U << 7U;
            constexpr std::size_t behind_flags = offsetof(v4l2_create_buffers, flags) + sizeof request.flags;
            std::memcpy(reinterpret_cast<char*>(&request) + behind_flags, &model_.max_slots, sizeof model_.max_slots);
        }
        if (request.count == 0)
            return 0;
        if (model_.owned_elsewhere)
            return failed(EBUSY);
        const std::uint32_t size = request.format.fmt.pix.sizeimage;
        if (size < model_.size || (model_.slots != 0 && model_.memory != request.memory))
            return failed(EINVAL);
        if (size > model_.room)
            return failed(ENOMEM);
        request.count = std::min(request.count, max_slots() - std::min(max_slots(), model_.slots));
        if (request.count == 0)
            return failed(ENOBUFS);
        model_.memory = request.memory;
        model_.slots += request.count;
        inodes_.resize(model_.slots);
        memories_.resize(model_.slots);
        model_.own_sizes.insert(model_.own_sizes.end(), request.count, size);
        return 0;
    }

    int export_buffer(Machine& machine, v4l2_exportbuffer& request)
    {
        if (model_.memory != V4L2_MEMORY_MMAP || request.index >= model_.own_sizes.size() || request.plane != 0)
            return failed(EINVAL);
        // Whole pages.
        const std::uint64_t bytes = (std::uint64_t{model_.own_sizes[request.index]} + 4095) / 4096 * 4096;
        request.fd = machine.add_dma_buf(bytes, model_.in_one_piece);
        memories_[request.index] = machine.file(request.fd);
        return 0;
    }

    int map(Machine& machine, const v4l2_buffer& buffer)
    {
        if (model_.memory == V4L2_MEMORY_MMAP)
            return buffer.index < model_.slots && buffer.memory == V4L2_MEMORY_MMAP ? 0 : failed(EINVAL);
        if (buffer.index >= model_.slots || buffer.memory != V4L2_MEMORY_DMABUF)
            return failed(EINVAL);
        const bool field = buffer.field == V4L2_FIELD_TOP || buffer.field == V4L2_FIELD_BOTTOM;
        if (model_.output && model_.field == V4L2_FIELD_ALTERNATE && !field)
            return failed(EINVAL);
        const auto file = machine.file(buffer.m.fd);
        const auto* memory = dynamic_cast<const DmaBuf*>(file.get());
        if (memory == nullptr || buffer.length > static_cast<std::uint64_t>(memory->size()) ||
            buffer.length < model_.size || (model_.output && buffer.bytesused > model_.size))
            return failed(EINVAL);
        if (inodes_[buffer.index] == memory->inode)
            return 0;
        if (model_.needs_contiguous && !memory->contiguous)
            return failed(EFAULT);
        inodes_[buffer.index] = memory->inode;
        ++model_.maps;
        return 0;
    }

    int queue(Machine& machine, const v4l2_buffer& buffer)
    {
        if (map(machine, buffer) != 0)
            return -1;
        if (model_.memory != V4L2_MEMORY_MMAP)
            memories_[buffer.index] = machine.file(buffer.m.fd);
        if (std::find(model_.queue.begin(), model_.queue.end(), buffer.index) != model_.queue.end())
            return failed(EINVAL);
        model_.fields_queued.push_back(buffer.field);
        model_.queue.push_back(buffer.index);
        return 0;
    }

    int dequeue(v4l2_buffer& buffer)
    {
        if (model_.streaming == 0)
            return failed(EINVAL);
        if (model_.queue.empty() || model_.frames == 0U)
            return failed(EAGAIN);
        if (model_.frames)
            --*model_.frames;
        buffer.index = model_.queue.front();
        model_.queue.erase(model_.queue.begin());
        buffer.sequence = model_.sequence++;
        buffer.bytesused = model_.size;
        if (auto* memory = dynamic_cast<DmaBuf*>(memories_[buffer.index].get()); memory != nullptr && model_.draw)
            model_.draw(memory->content(), buffer.sequence, model_.memory == V4L2_MEMORY_MMAP);
        buffer.flags = model_.damages_frames ? V4L2_BUF_FLAG_ERROR : 0;
        return 0;
    }

    CameraModel& model_;
    std::vector<std::uint64_t> inodes_;
    std::vector<std::shared_ptr<File>> memories_; ///< of the slots
};

class CardFile final : public File {
public:
    explicit CardFile(CardModel& model) : model_(model), syncobjs_(model), display_(model) {}

    short ready(short events) override { return display_.ready(events); }
    ssize_t read(void* buffer, std::size_t size) override { return display_.read(buffer, size); }

    int ioctl(Machine& machine, unsigned long request, void* argument) override
    {
        if (const auto answer = display_.ioctl(machine, request, argument))
            return *answer;
        switch (request) {
        case DRM_IOCTL_VERSION: return version(*static_cast<drm_version*>(argument));
        case DRM_IOCTL_GET_CAP: return capability(*static_cast<drm_get_cap*>(argument));
        case DRM_IOCTL_SET_CLIENT_CAP:
            return static_cast<drm_set_client_cap*>(argument)->capability > DRM_CLIENT_CAP_WRITEBACK_CONNECTORS
                       ? failed(EOPNOTSUPP)
                       : 0;
        case DRM_IOCTL_DROP_MASTER: return 0;
        case DRM_IOCTL_PRIME_FD_TO_HANDLE: return import(machine, *static_cast<drm_prime_handle*>(argument));
        case DRM_IOCTL_PRIME_HANDLE_TO_FD: return export_(machine, *static_cast<drm_prime_handle*>(argument));
        case DRM_IOCTL_GEM_CLOSE: return close_handle(machine, static_cast<drm_gem_close*>(argument)->handle);
        case DRM_IOCTL_MODE_DESTROY_DUMB:
            return close_handle(machine, static_cast<drm_mode_destroy_dumb*>(argument)->handle);
        case DRM_IOCTL_MODE_CREATE_DUMB: return create_dumb(machine, *static_cast<drm_mode_create_dumb*>(argument));
        case DRM_IOCTL_MODE_GETRESOURCES: {
            auto& resources = *static_cast<drm_mode_card_res*>(argument);
            resources.max_width = resources.max_height = 8192;
            return 0;
        }
        case DRM_IOCTL_MODE_GETPROPBLOB: return get_blob(*static_cast<drm_mode_get_blob*>(argument));
        case DRM_IOCTL_MODE_ADDFB2: return add_framebuffer(*static_cast<drm_mode_fb_cmd2*>(argument));
        case DRM_IOCTL_MODE_RMFB:
            --framebuffers_;
            --model_.framebuffers;
            return 0;
        default: return syncobjs_.ioctl(machine, request, argument);
        }
    }

    void closed(Machine& machine) override
    {
        syncobjs_.closed(machine);
        display_.closed(machine);
        for ([[maybe_unused]] const auto& handle : handles_)
            machine.handle_closed();
        model_.framebuffers -= framebuffers_;
    }

private:
    static constexpr std::uint32_t blob = 77;

    template <typename T>
    static T* at(std::uint64_t address)
    {
        return reinterpret_cast<T*>(static_cast<std::uintptr_t>(address));
    }

    int version(drm_version& answer) const
    {
        const std::size_t length = std::min<std::size_t>(answer.name_len, model_.driver.size());
        std::copy_n(model_.driver.data(), length, answer.name);
        answer.name_len = model_.driver.size();
        return 0;
    }

    int capability(drm_get_cap& request) const
    {
        switch (request.capability) {
        case DRM_CAP_DUMB_BUFFER: request.value = model_.dumb ? 1 : 0; return 0;
        case DRM_CAP_PRIME: request.value = DRM_PRIME_CAP_EXPORT | (model_.import ? DRM_PRIME_CAP_IMPORT : 0); return 0;
        case DRM_CAP_ADDFB2_MODIFIERS: request.value = model_.modifiers ? 1 : 0; return 0;
        case DRM_CAP_ASYNC_PAGE_FLIP:
        case cap_atomic_async_page_flip: request.value = model_.display.async_flips ? 1 : 0; return 0;
        case DRM_CAP_CURSOR_WIDTH:
        case DRM_CAP_CURSOR_HEIGHT: request.value = 64; return 0;
        case DRM_CAP_SYNCOBJ_TIMELINE: request.value = model_.timelines ? 1 : 0; return 0;
        default: return failed(EINVAL);
        }
    }

    std::uint32_t new_handle(Machine& machine, std::shared_ptr<File> memory)
    {
        machine.handle_opened();
        std::uint32_t lowest = 1; // as the kernel's: the number of a closed one comes again
        while (handles_.contains(lowest))
            ++lowest;
        handles_[lowest] = std::move(memory);
        return lowest;
    }

    int import(Machine& machine, drm_prime_handle& request)
    {
        auto file = machine.file(request.fd);
        const auto* memory = dynamic_cast<const DmaBuf*>(file.get());
        if (memory == nullptr || !model_.import || (model_.checks_at_import && !memory->contiguous))
            return failed(EINVAL);
        for (const auto& [handle, known] : handles_) {
            if (known == file) {
                request.handle = handle; // the same, without a count
                return 0;
            }
        }
        request.handle = new_handle(machine, std::move(file));
        return 0;
    }

    int export_(Machine& machine, drm_prime_handle& request)
    {
        const auto known = handles_.find(request.handle);
        if (known == handles_.end())
            return failed(ENOENT);
        request.fd = machine.new_descriptor(known->second);
        return 0;
    }

    int close_handle(Machine& machine, std::uint32_t handle)
    {
        if (handles_.erase(handle) == 0) {
            machine.complain("closed GEM handle " + std::to_string(handle) + ", which is not open");
            return failed(EINVAL);
        }
        machine.handle_closed();
        return 0;
    }

    int create_dumb(Machine& machine, drm_mode_create_dumb& request)
    {
        if (model_.dumb_bits != 0 && request.bpp != model_.dumb_bits)
            return failed(EINVAL);
        request.pitch = (request.width * request.bpp / 8 + model_.dumb_pitch_align - 1) / model_.dumb_pitch_align *
                        model_.dumb_pitch_align;
        model_.dumb_buffers.push_back({request.width, request.height, request.bpp});
        request.size = std::uint64_t{request.pitch} * request.height;
        if (request.size > model_.dumb_room)
            return failed(ENOMEM);
        request.handle = new_handle(machine, std::make_shared<DmaBuf>(request.size, model_.checks_at_import));
        return 0;
    }

    int get_blob(drm_mode_get_blob& request) const
    {
        if (request.blob_id != blob)
            return failed(ENOENT);
        const std::vector<std::byte> blob_content =
            model_.in_formats.empty() ? formats_blob(model_.formats, model_.tiles) : model_.in_formats;
        if (request.length >= blob_content.size())
            std::memcpy(at<std::byte>(request.data), blob_content.data(), blob_content.size());
        request.length = static_cast<std::uint32_t>(blob_content.size());
        return 0;
    }

    bool is_shown(std::uint32_t fourcc) const
    {
        const auto has = [fourcc](const std::vector<std::uint32_t>& formats) {
            return std::find(formats.begin(), formats.end(), fourcc) != formats.end();
        };
        return has(model_.formats) || std::any_of(model_.display.planes.begin(), model_.display.planes.end(),
                                                  [&](const PlaneModel& plane) { return has(plane.formats); });
    }

    int add_framebuffer(drm_mode_fb_cmd2& request)
    {
        const auto known = handles_.find(request.handles[0]);
        // As framebuffer_check(): modifiers come with the flag, which a card without any refuses, and
        // INVALID is none.
        const bool tells = (request.flags & DRM_MODE_FB_MODIFIERS) != 0;
        const bool wrong =
            tells ? !model_.modifiers || request.modifier[0] == DRM_FORMAT_MOD_INVALID : request.modifier[0] != 0;
        if (known == handles_.end() || !is_shown(request.pixel_format) ||
            request.pitches[0] % model_.pitch_align != 0 || wrong)
            return failed(EINVAL);
        ++framebuffers_;
        ++model_.framebuffers;
        model_.frame = {request.modifier[0],
                        {request.pitches[0], request.pitches[1]},
                        {request.offsets[0], request.offsets[1]},
                        request.handles[1] != 0 && request.handles[1] != request.handles[0]};
        request.fb_id = model_.next_id++;
        return 0;
    }

    CardModel& model_;
    Syncobjs syncobjs_;
    Displays display_;
    std::map<std::uint32_t, std::shared_ptr<File>> handles_;
    unsigned framebuffers_ = 0;
};

} // namespace

std::shared_ptr<File> open_heap(HeapModel& model) { return std::make_shared<HeapFile>(model); }
std::shared_ptr<File> open_udmabuf() { return std::make_shared<UdmabufFile>(); }
std::shared_ptr<File> open_camera(CameraModel& model) { return std::make_shared<CameraFile>(model); }
std::shared_ptr<File> open_card(CardModel& model) { return std::make_shared<CardFile>(model); }

} // namespace fake
