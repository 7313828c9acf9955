// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/buffer.hpp>
#include <commonbuf/export.hpp>
#include <commonbuf/foreign.hpp>
#include <commonbuf/format.hpp>
#include <commonbuf/result.hpp>

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// How other programs and libraries write down a dma-buf image, as plain structures: nothing of them is
/// included or linked. Those that have the members of a C structure have its memory layout too.
///
/// What to_...() returns has the buffer's own descriptors, borrowed: valid as long as the buffer. Most of these
/// APIs duplicate what they are given.
///
/// What from_...() reads is what somebody else wrote. It borrows the descriptors and duplicates them, and joins
/// those that are one dma-buf. Nothing is checked that admit() checks: the result goes there.
///
/// Errors of to_...(): unsupported (the program's own memory; a format that DRM does not have; offsets beyond 32
/// bits, which these interfaces cannot say), invalid_state (the buffer was moved from).
/// Errors of from_...(): invalid_argument (what makes no sense: numbers of planes, negative numbers, a
/// descriptor that is none, different modifiers), unsupported (the format), too_many_files.
namespace commonbuf::adapters {

/// The arguments of zwp_linux_buffer_params_v1.add (Wayland's linux-dmabuf-v1).
struct LinuxDmabufPlane {
    int fd = -1;
    std::uint32_t plane_idx = 0;
    std::uint32_t offset = 0;
    std::uint32_t stride = 0;
    std::uint32_t modifier_hi = 0;
    std::uint32_t modifier_lo = 0;
};

/// The same of zwp_linux_buffer_params_v1.create with its planes.
struct LinuxDmabuf {
    std::int32_t width = 0;
    std::int32_t height = 0;
    std::uint32_t format = 0;
    std::uint32_t flags = 0; ///< from_linux_dmabuf() refuses all: the picture upside down, and fields
    std::vector<LinuxDmabufPlane> planes{};
};

COMMONBUF_API Result<LinuxDmabuf> to_linux_dmabuf(const Buffer& buffer);
COMMONBUF_API Result<ForeignBuffer> from_linux_dmabuf(const LinuxDmabuf& image);

/// An entry of the table that zwp_linux_dmabuf_feedback_v1.format_table sends.
struct FeedbackEntry {
    std::uint32_t format = 0;
    std::uint32_t padding = 0;
    std::uint64_t modifier = 0;

    friend bool operator==(const FeedbackEntry&, const FeedbackEntry&) = default;
};

/// Formats that one device prefers, best first.
struct FeedbackSource {
    dev_t device = 0;        ///< st_rdev of its node
    std::uint32_t flags = 0; ///< zwp_linux_dmabuf_feedback_v1.tranche_flags; 1 is scanout
    std::vector<FormatModifier> formats{};
};

struct FeedbackTranche {
    dev_t device = 0;
    std::uint32_t flags = 0;
    std::vector<std::uint16_t> indices{}; ///< into the table
};

struct Feedback {
    dev_t main_device = 0;
    std::vector<FeedbackEntry> table{};
    std::vector<FeedbackTranche> tranches{};
};

/// Makes one table of what the devices prefer, with each entry once. Formats that only V4L2 has are left out.
///
/// Errors: invalid_argument (more entries than 16 bits can count).
COMMONBUF_API Result<Feedback> to_feedback(dev_t main_device, std::span<const FeedbackSource> sources);

/// Reads a table back, for a client. Errors: invalid_argument (an index beyond the table).
COMMONBUF_API Result<std::vector<FeedbackSource>> from_feedback(const Feedback& feedback);

/// One plane as PipeWire passes it: struct spa_data of the type SPA_DATA_DmaBuf, with its spa_chunk. Format,
/// modifier and size are in the stream's format.
struct SpaPlane {
    std::int64_t fd = -1;
    std::uint32_t mapoffset = 0;
    std::uint32_t maxsize = 0; ///< bytes from `mapoffset` to the end of the memory
    std::uint32_t chunk_offset = 0;
    std::uint32_t chunk_size = 0;
    std::int32_t chunk_stride = 0;
};

COMMONBUF_API Result<std::vector<SpaPlane>> to_spa(const Buffer& buffer);
COMMONBUF_API Result<ForeignBuffer> from_spa(std::span<const SpaPlane> planes, const FormatModifier& format,
                                             std::uint32_t width, std::uint32_t height);

/// Makes the attributes of eglCreateImage for EGL_LINUX_DMA_BUF_EXT (EGL_EXT_image_dma_buf_import and
/// _modifiers), with EGL_NONE at the end. EGLAttrib is as wide as a pointer; eglCreateImageKHR takes the
/// same numbers as EGLint. An implicit modifier is left out.
COMMONBUF_API Result<std::vector<std::intptr_t>> to_egl(const Buffer& buffer);

/// Reads such a list, up to EGL_NONE or its end. Hints about colours are passed over.
COMMONBUF_API Result<ForeignBuffer> from_egl(std::span<const std::intptr_t> attributes);

/// struct AVDRMObjectDescriptor (libavutil/hwcontext_drm.h).
struct DrmObject {
    int fd = -1;
    std::size_t size = 0;
    std::uint64_t format_modifier = 0;
};

/// struct AVDRMPlaneDescriptor.
struct DrmPlane {
    int object_index = 0;
    std::ptrdiff_t offset = 0;
    std::ptrdiff_t pitch = 0;
};

/// struct AVDRMLayerDescriptor.
struct DrmLayer {
    std::uint32_t format = 0;
    int nb_planes = 0;
    std::array<DrmPlane, max_planes> planes{};
};

/// struct AVDRMFrameDescriptor.
struct DrmFrame {
    int nb_objects = 0;
    std::array<DrmObject, max_planes> objects{};
    int nb_layers = 0;
    std::array<DrmLayer, max_planes> layers{};
};

/// Describes a buffer by one layer with all planes.
COMMONBUF_API Result<DrmFrame> to_drm_frame(const Buffer& buffer);

/// Reads a frame, whose size stands in the AVFrame. Several layers are the planes of one image, as VA-API
/// exports them: then `format` says of which. With one layer it may be left out.
COMMONBUF_API Result<ForeignBuffer> from_drm_frame(const DrmFrame& frame, std::uint32_t width, std::uint32_t height,
                                                   Format format = {});

/// struct gbm_import_fd_modifier_data (gbm.h), one descriptor for each plane.
struct GbmImport {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::uint32_t format = 0;
    std::uint32_t num_fds = 0;
    std::array<int, max_planes> fds{-1, -1, -1, -1};
    std::array<int, max_planes> strides{};
    std::array<int, max_planes> offsets{};
    std::uint64_t modifier = 0;
};

COMMONBUF_API Result<GbmImport> to_gbm(const Buffer& buffer);
COMMONBUF_API Result<ForeignBuffer> from_gbm(const GbmImport& image);

} // namespace commonbuf::adapters
