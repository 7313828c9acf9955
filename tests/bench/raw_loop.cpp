// SPDX-License-Identifier: MIT
//
// The yardstick: a camera on a display by the kernel's calls only, with as few of them per frame as
// can be. It does nothing else: no other format than XRGB8888, no error that is not the end.
//
//   raw-loop --camera /dev/video1 --display /dev/dri/card0 --frames 300
//
// A frame takes five calls:
//
//   ppoll               until the camera has a frame
//   VIDIOC_DQBUF
//   read                the event of the flip before: its frame is on the screen
//   DRM_IOCTL_MODE_ATOMIC
//   VIDIOC_QBUF         the frame that it replaced, a frame's time later than could be
//
// With --fences the display tells by fences, as it has to where other devices are to wait for it, and each
// buffer goes back at once. That takes six: a fence is a descriptor (OUT_FENCE_PTR), which is polled and has to be
// closed.
//
//   ppoll, VIDIOC_DQBUF, DRM_IOCTL_MODE_ATOMIC, ppoll, VIDIOC_QBUF, close
#include <drm_fourcc.h>
#include <linux/videodev2.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Options {
    std::string camera = "/dev/video0";
    std::string display = "/dev/dri/card0";
    std::uint32_t width = 640;
    std::uint32_t height = 480;
    std::uint32_t frames = 300;
    std::uint32_t rate = 30;
    bool fences = false;
};

[[noreturn]] void fail(const char* what)
{
    std::fprintf(stderr, "raw-loop: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

void call(int fd, unsigned long request, void* argument, const char* name)
{
    if (drmIoctl(fd, request, argument) != 0)
        fail(name);
}

std::uint64_t address(const void* at) { return reinterpret_cast<std::uintptr_t>(at); }

/// The buffers are of the camera's own memory.
struct Camera {
    int fd = -1;
    std::uint32_t stride = 0;
    std::vector<int> dma_bufs;

    Camera(const Options& options, std::uint32_t count)
    {
        fd = ::open(options.camera.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            fail(options.camera.c_str());
        v4l2_format format{};
        format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        format.fmt.pix.width = options.width;
        format.fmt.pix.height = options.height;
        format.fmt.pix.pixelformat = V4L2_PIX_FMT_XBGR32;
        format.fmt.pix.field = V4L2_FIELD_NONE;
        call(fd, VIDIOC_S_FMT, &format, "VIDIOC_S_FMT");
        stride = format.fmt.pix.bytesperline;
        v4l2_streamparm rate{};
        rate.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        rate.parm.capture.timeperframe = {1, options.rate};
        drmIoctl(fd, VIDIOC_S_PARM, &rate); // one that it does not have is no failure
        v4l2_requestbuffers slots{};
        slots.count = count;
        slots.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        slots.memory = V4L2_MEMORY_MMAP;
        call(fd, VIDIOC_REQBUFS, &slots, "VIDIOC_REQBUFS");
        for (std::uint32_t i = 0; i < slots.count; ++i) {
            v4l2_exportbuffer exported{};
            exported.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
            exported.index = i;
            exported.flags = O_RDWR | O_CLOEXEC;
            call(fd, VIDIOC_EXPBUF, &exported, "VIDIOC_EXPBUF");
            dma_bufs.push_back(exported.fd);
            give(i);
        }
        int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        call(fd, VIDIOC_STREAMON, &type, "VIDIOC_STREAMON");
    }

    void give(std::uint32_t index) const
    {
        v4l2_buffer buffer{};
        buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        buffer.memory = V4L2_MEMORY_MMAP;
        buffer.index = index;
        call(fd, VIDIOC_QBUF, &buffer, "VIDIOC_QBUF");
    }

    std::uint32_t take() const
    {
        v4l2_buffer buffer{};
        buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        buffer.memory = V4L2_MEMORY_MMAP;
        call(fd, VIDIOC_DQBUF, &buffer, "VIDIOC_DQBUF");
        return buffer.index;
    }
};

struct Display {
    int fd = -1;
    std::uint32_t connector = 0;
    std::uint32_t crtc = 0;
    std::uint32_t plane = 0;
    std::vector<std::uint32_t> framebuffers; ///< one for each of the camera's buffers
    // What a flip sets: FB_ID of the plane, and where the fence goes.
    std::array<std::uint32_t, 2> objects{};
    std::array<std::uint32_t, 2> counts{1, 1};
    std::array<std::uint32_t, 2> properties{};
    std::array<std::uint64_t, 2> values{};
    std::int32_t fence = -1;

    Display(const Options& options, const Camera& camera)
    {
        fd = ::open(options.display.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            fail(options.display.c_str());
        if (drmSetClientCap(fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1) != 0 ||
            drmSetClientCap(fd, DRM_CLIENT_CAP_ATOMIC, 1) != 0)
            fail("the card has no atomic commits");
        for (const int memory : camera.dma_bufs) {
            std::uint32_t handle = 0;
            if (drmPrimeFDToHandle(fd, memory, &handle) != 0)
                fail("DRM_IOCTL_PRIME_FD_TO_HANDLE");
            const std::array<std::uint32_t, 4> handles{handle};
            const std::array<std::uint32_t, 4> pitches{camera.stride};
            const std::array<std::uint32_t, 4> offsets{};
            framebuffers.emplace_back();
            if (drmModeAddFB2(fd, options.width, options.height, DRM_FORMAT_XRGB8888, handles.data(), pitches.data(),
                              offsets.data(), &framebuffers.back(), 0) != 0)
                fail("DRM_IOCTL_MODE_ADDFB2");
        }
        turn_on(options);
    }

    std::uint32_t property(std::uint32_t object, std::uint32_t type, const char* name) const
    {
        std::uint32_t found = 0;
        drmModeObjectProperties* all = drmModeObjectGetProperties(fd, object, type);
        for (std::uint32_t i = 0; all != nullptr && i < all->count_props; ++i) {
            drmModePropertyRes* one = drmModeGetProperty(fd, all->props[i]);
            if (one != nullptr && std::strcmp(one->name, name) == 0)
                found = one->prop_id;
            drmModeFreeProperty(one);
        }
        drmModeFreeObjectProperties(all);
        if (found == 0)
            fail(name);
        return found;
    }

    void turn_on(const Options& options)
    {
        drmModeModeInfo mode{};
        drmModeRes* resources = drmModeGetResources(fd);
        for (int i = 0; resources != nullptr && connector == 0 && i < resources->count_connectors; ++i) {
            drmModeConnector* one = drmModeGetConnector(fd, resources->connectors[i]);
            for (int m = 0; one != nullptr && one->connection == DRM_MODE_CONNECTED && m < one->count_modes; ++m) {
                if (one->modes[m].hdisplay != options.width || one->modes[m].vdisplay != options.height)
                    continue;
                mode = one->modes[m];
                connector = one->connector_id;
                break;
            }
            drmModeFreeConnector(one);
        }
        if (connector == 0)
            fail("no connector has a mode of this size");
        crtc = resources->crtcs[0];
        drmModeFreeResources(resources);
        drmModePlaneRes* planes = drmModeGetPlaneResources(fd);
        for (std::uint32_t i = 0; i < planes->count_planes && plane == 0; ++i) {
            drmModePlane* one = drmModeGetPlane(fd, planes->planes[i]);
            drmModeObjectProperties* all = drmModeObjectGetProperties(fd, one->plane_id, DRM_MODE_OBJECT_PLANE);
            const std::uint32_t type = property(one->plane_id, DRM_MODE_OBJECT_PLANE, "type");
            for (std::uint32_t p = 0; p < all->count_props; ++p) {
                if (all->props[p] == type && all->prop_values[p] == DRM_PLANE_TYPE_PRIMARY &&
                    (one->possible_crtcs & 1U) != 0)
                    plane = one->plane_id;
            }
            drmModeFreeObjectProperties(all);
            drmModeFreePlane(one);
        }
        drmModeFreePlaneResources(planes);
        std::uint32_t blob = 0;
        if (drmModeCreatePropertyBlob(fd, &mode, sizeof mode, &blob) != 0)
            fail("DRM_IOCTL_MODE_CREATEPROPBLOB");
        constexpr unsigned fraction = 16; // SRC_* are 16.16 fixed point
        drmModeAtomicReq* request = drmModeAtomicAlloc();
        const auto set = [&](std::uint32_t object, std::uint32_t type, const char* name, std::uint64_t value) {
            drmModeAtomicAddProperty(request, object, property(object, type, name), value);
        };
        set(connector, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", crtc);
        set(crtc, DRM_MODE_OBJECT_CRTC, "MODE_ID", blob);
        set(crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE", 1);
        set(plane, DRM_MODE_OBJECT_PLANE, "CRTC_ID", crtc);
        set(plane, DRM_MODE_OBJECT_PLANE, "FB_ID", framebuffers.front());
        set(plane, DRM_MODE_OBJECT_PLANE, "SRC_W", std::uint64_t{options.width} << fraction);
        set(plane, DRM_MODE_OBJECT_PLANE, "SRC_H", std::uint64_t{options.height} << fraction);
        set(plane, DRM_MODE_OBJECT_PLANE, "CRTC_W", options.width);
        set(plane, DRM_MODE_OBJECT_PLANE, "CRTC_H", options.height);
        if (drmModeAtomicCommit(fd, request, DRM_MODE_ATOMIC_ALLOW_MODESET, nullptr) != 0)
            fail("turn the display on");
        drmModeAtomicFree(request);
        objects = {plane, crtc};
        properties = {property(plane, DRM_MODE_OBJECT_PLANE, "FB_ID"),
                      property(crtc, DRM_MODE_OBJECT_CRTC, "OUT_FENCE_PTR")};
    }

    /// Shows a buffer at the next refresh.
    void flip(std::uint32_t index, bool with_fence)
    {
        values = {framebuffers[index], address(&fence)};
        drm_mode_atomic request{};
        request.flags = DRM_MODE_ATOMIC_NONBLOCK | (with_fence ? 0U : unsigned{DRM_MODE_PAGE_FLIP_EVENT});
        request.count_objs = with_fence ? 2 : 1;
        request.objs_ptr = address(objects.data());
        request.count_props_ptr = address(counts.data());
        request.props_ptr = address(properties.data());
        request.prop_values_ptr = address(values.data());
        call(fd, DRM_IOCTL_MODE_ATOMIC, &request, "DRM_IOCTL_MODE_ATOMIC");
    }

    /// Takes the event of the last flip.
    void take_event() const
    {
        std::array<std::byte, 1024> events{};
        while (::read(fd, events.data(), events.size()) < 0) {
            if (errno != EAGAIN)
                fail("read");
            pollfd entry{fd, POLLIN, 0}; // the camera is faster than the display
            ::poll(&entry, 1, -1);
        }
    }
};

constexpr int patience = 2000; // milliseconds

void wait(pollfd* entries, nfds_t count)
{
    errno = ETIMEDOUT;
    if (::poll(entries, count, patience) <= 0)
        fail("wait");
}

void by_events(const Options& options, const Camera& camera, Display& display)
{
    std::int64_t last = -1;
    std::int64_t before_last = -1;
    for (std::uint32_t shown = 0; shown < options.frames; ++shown) {
        pollfd entry{camera.fd, POLLIN, 0};
        wait(&entry, 1);
        const std::uint32_t next = camera.take();
        if (last >= 0)
            display.take_event();
        display.flip(next, false);
        // The last one is on the screen, so the one before it is not.
        if (before_last >= 0)
            camera.give(static_cast<std::uint32_t>(before_last));
        before_last = std::exchange(last, next);
    }
}

void by_fences(const Options& options, const Camera& camera, Display& display)
{
    std::int64_t on_screen = -1;
    std::int64_t replaced = -1;
    bool flips = false;
    std::vector<std::uint32_t> captured;
    for (std::uint32_t shown = 0; shown < options.frames;) {
        std::array<pollfd, 2> entries{{{camera.fd, POLLIN, 0}, {flips ? display.fence : -1, POLLIN, 0}}};
        wait(entries.data(), entries.size());
        if (entries[0].revents != 0)
            captured.push_back(camera.take());
        if (entries[1].revents != 0) {
            ::close(display.fence);
            flips = false;
            ++shown;
            if (replaced >= 0)
                camera.give(static_cast<std::uint32_t>(replaced));
        }
        if (flips || captured.empty())
            continue;
        display.flip(captured.front(), true);
        flips = true;
        replaced = on_screen;
        on_screen = captured.front();
        captured.erase(captured.begin());
    }
}

} // namespace

int main(int count, char** words)
{
    Options options;
    for (int i = 1; i < count; ++i) {
        const std::string word = words[i];
        const std::string value = i + 1 < count ? words[i + 1] : "";
        if (word == "--fences") {
            options.fences = true;
            continue;
        }
        if (word == "--camera")
            options.camera = value;
        else if (word == "--display")
            options.display = value;
        else if (word == "--width")
            options.width = static_cast<std::uint32_t>(std::stoul(value));
        else if (word == "--height")
            options.height = static_cast<std::uint32_t>(std::stoul(value));
        else if (word == "--frames")
            options.frames = static_cast<std::uint32_t>(std::stoul(value));
        else if (word == "--rate")
            options.rate = static_cast<std::uint32_t>(std::stoul(value));
        else {
            std::fprintf(stderr, "usage: raw-loop [--camera NODE] [--display CARD] [--width N] [--height N] "
                                 "[--frames N] [--rate N] [--fences]\n");
            return 2;
        }
        ++i;
    }
    constexpr std::uint32_t buffers = 10;
    const Camera camera(options, buffers);
    Display display(options, camera);
    (options.fences ? by_fences : by_events)(options, camera, display);
    std::printf("raw-loop: %u frames shown\n", options.frames);
    return 0;
}
