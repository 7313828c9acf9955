// SPDX-License-Identifier: MIT
//
// Every system call on the way from heaps to a streaming, shown and read buffer fails
// once, with each errno that it may give. Nothing may leak or crash, and either the
// failure is not in the way, or it reaches the caller with its errno.
#include "fake/machine.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <set>

namespace commonbuf {
namespace {

void furnish(fake::Machine& machine)
{
    machine.add_heap("region", {.contiguous = true});
    machine.add_heap("system");
    machine.add_udmabuf();
    machine.add_camera("video0", {.needs_contiguous = true, .formats = {V4L2_PIX_FMT_XBGR32}});
    machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}});
}

/// The whole way once. What fails ends it.
Status the_whole_way()
{
    const auto deadline = deadline_in(std::chrono::milliseconds(1));
    const auto camera = v4l2::Device::open("@fake-cam");
    if (!camera)
        return camera.error();
    const auto display = drm::Device::open("@fakedrm");
    if (!display)
        return display.error();
    Allocator allocator;
    if (Status kept = allocator.remember_in("/verdicts"); !kept)
        return kept;
    const auto plan =
        allocator.plan({DRM_FORMAT_XRGB8888, 64, 32, 2}, {camera->capture(), display->scanout(), cpu(Access::read)});
    if (!plan)
        return plan.error();
    auto queue = camera->open_queue(v4l2::Role::capture, plan->layout(), 2);
    if (!queue)
        return queue.error();
    for (int i = 0; i < 2; ++i) {
        const auto buffer = plan->allocate();
        if (!buffer)
            return buffer.error();
        if (Status queued = queue->queue(*buffer); !queued)
            return queued;
    }
    if (Status started = queue->start(); !started)
        return started;
    const auto frame = queue->dequeue(deadline);
    if (!frame)
        return frame.error();
    const auto framebuffer = display->framebuffer(frame->buffer);
    if (!framebuffer)
        return framebuffer.error();
    const auto exported = frame->buffer.export_fd();
    if (!exported)
        return exported.error();
    auto access = frame->buffer.read(deadline_in(std::chrono::seconds(10)));
    if (!access)
        return access.error();
    if (Status ended = access->end(); !ended)
        return ended;
    return queue->stop();
}

void furnish_with_codecs(fake::Machine& machine)
{
    machine.add_codec("video0", {.stays_at_end = true});
    machine.add_codec("video1", {.name = "fake-decoder", .encodes = false, .changes = 1});
    machine.add_codec("video2", {.name = "fake-stateless", .encodes = false, .requires_requests = true});
    machine.add_heap("system");
}

struct Sizes {
    Layout raw = linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::single).value();
    Layout coded = opaque_layout({Format::v4l2(V4L2_PIX_FMT_FWHT), 64, 32}, 0, 8192).value();
};

Result<Buffer> memory(const Layout& layout)
{
    auto fd = find_heaps().at(0)->allocate(layout.memory_sizes[0]);
    if (!fd)
        return fd.error();
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(*fd));
    return Buffer::wrap(layout, std::move(fds));
}

/// A buffer on either side of a codec.
Status feed(v4l2::M2m& codec, const Layout& in, const Layout& out, const v4l2::Payload& payload = {})
{
    const auto input = memory(in);
    const auto output = memory(out);
    if (!input || !output)
        return (input ? output : input).error();
    for (const auto& [side, buffer] : {std::pair{codec.capture_queue(), *output}, {codec.output_queue(), *input}}) {
        const bool in_side = side == codec.output_queue();
        if (Status queued = side->queue_when_ready(buffer, {}, in_side ? payload : v4l2::Payload{}); !queued)
            return queued;
        if (const auto withheld = side->pop_withheld(); !withheld.empty())
            return withheld.front().error;
    }
    return {};
}

/// An encoder to its end and on, a decoder whose stream changes, and one that takes requests.
Status the_way_through_codecs()
{
    const Sizes sizes;
    const auto deadline = deadline_in(std::chrono::milliseconds(1));
    auto encoder = v4l2::M2m::open("@fake-codec");
    if (!encoder)
        return encoder.error();
    Status done = encoder->open_queues(sizes.raw, sizes.coded, 2)
                      .and_then([&] { return feed(*encoder, sizes.raw, sizes.coded); })
                      .and_then([&] { return feed(*encoder, sizes.raw, sizes.coded); })
                      .and_then([&] { return encoder->start(); });
    if (!done)
        return done;
    if (const auto ready = encoder->wait(deadline); !ready)
        return ready.error();
    for (auto* side : {encoder->output_queue(), encoder->capture_queue()}) {
        const auto frame = side->dequeue(deadline);
        if (!frame)
            return frame.error();
        if (const auto again = side->dequeue(deadline); !again)
            return again.error();
    }
    if (const auto slots = encoder->capture_queue()->grow(1); !slots)
        return slots.error();
    const auto spare = memory(sizes.coded);
    if (!spare)
        return spare.error();
    done = encoder->capture_queue()->queue_when_ready(*spare).and_then([&] { return encoder->drain(); });
    if (!done)
        return done;
    const auto last = encoder->capture_queue()->dequeue(deadline);
    if (!last)
        return last.error();
    if (done = encoder->resume(); !done)
        return done;

    auto decoder = v4l2::M2m::open("@fake-decoder");
    if (!decoder)
        return decoder.error();
    if (done = decoder->open_output(sizes.coded, 2); !done)
        return done;
    if (const auto change = decoder->pop_source_change(); !change)
        return change.error();
    done = decoder->open_capture(sizes.raw, 2)
               .and_then([&] { return feed(*decoder, sizes.coded, sizes.raw); })
               .and_then([&] { return decoder->start(); })
               .and_then([&] { return decoder->drain(); })
               .and_then([&] { return decoder->stop(); });
    if (!done)
        return done;

    auto stateless = v4l2::M2m::open("@fake-stateless");
    if (!stateless)
        return stateless.error();
    if (done = stateless->open_queues(sizes.coded, sizes.raw, 2); !done)
        return done;
    const auto media = v4l2::MediaDevice::open(stateless->device());
    if (!media)
        return media.error();
    auto request = media->allocate();
    if (!request)
        return request.error();
    v4l2::Payload payload;
    payload.request = request->fd();
    return request->set_control(V4L2_CID_BRIGHTNESS, 1)
        .and_then([&] { return feed(*stateless, sizes.coded, sizes.raw, payload); })
        .and_then([&] { return request->submit(); })
        .and_then([&] { return stateless->start(); })
        .and_then([&] { return request->wait(deadline); })
        .and_then([&] { return request->reset(); });
}

/// The errnos that the manual pages and the drivers know for a call.
std::vector<int> errnos_of(const std::string& call)
{
    static const std::map<std::string, std::vector<int>> known{
        {"open", {EACCES, ENOENT, EMFILE, ENODEV, EBUSY, EINTR}},
        {"mmap", {ENOMEM, EACCES, EINVAL, ENODEV}},
        {"ppoll", {ENOMEM, EINTR}},
        {"dup", {EMFILE, EBADF}},
        {"fcntl", {EBADF, EPERM}},
        {"clone", {EAGAIN, ENOMEM, ENOSYS, EPERM}},
        {"memfd_create", {EMFILE, ENOMEM}},
        {"ftruncate", {EINTR, ENOMEM, EINVAL}},
        {"DMA_HEAP_IOCTL_ALLOC", {ENOMEM, EINVAL, EMFILE, EINTR}},
        {"UDMABUF_CREATE", {ENOMEM, EINVAL, EMFILE, EINTR}},
        {"UDMABUF_CREATE_LIST", {ENOMEM, EINVAL, EMFILE, EINTR}},
        {"DMA_BUF_IOCTL_SYNC", {EIO, EINTR, EAGAIN, EINVAL}},
        {"VIDIOC_QBUF", {EFAULT, EINVAL, ENOMEM, EIO, ENODEV, EINTR}},
        {"VIDIOC_PREPARE_BUF", {EFAULT, EINVAL, ENOMEM, EIO, ENODEV, ENOTTY, EINTR}},
        {"VIDIOC_DQBUF", {EIO, EPIPE, ENODEV, EINTR}},
        {"VIDIOC_REQBUFS", {EBUSY, EINVAL, ENOMEM, ENODEV, EINTR}},
        {"VIDIOC_S_FMT", {EBUSY, EINVAL, ENODEV, EINTR}},
        {"MEDIA_IOC_REQUEST_ALLOC", {ENOTTY, ENOMEM, EMFILE, EINTR}},
        {"MEDIA_REQUEST_IOC_QUEUE", {EBUSY, EINVAL, ENOENT, ENODEV, EINTR}},
        {"MEDIA_REQUEST_IOC_REINIT", {EBUSY, EINTR}},
        {"VIDIOC_S_EXT_CTRLS", {EACCES, EBUSY, EINVAL, ERANGE, EINTR}},
    };
    if (const auto found = known.find(call); found != known.end())
        return found->second;
    if (call.starts_with("DRM_"))
        return {EINVAL, ENOMEM, ENODEV, EACCES, EINTR, EAGAIN};
    if (call.starts_with("VIDIOC_"))
        return {EINVAL, ENODEV, ENOTTY, EINTR};
    return {EIO, ENOENT};
}

bool says(const Error& error, int number)
{
    if (error.sys_errno == number)
        return true;
    if (error.report == nullptr)
        return false;
    const auto in_use = [number](const UseVerdict& use) { return use.verdict.sys_errno == number; };
    const auto& report = *error.report;
    return std::any_of(report.heaps.begin(), report.heaps.end(),
                       [&](const HeapVerdict& heap) {
                           return heap.verdict.sys_errno == number ||
                                  std::any_of(heap.uses.begin(), heap.uses.end(), in_use);
                       }) ||
           std::any_of(report.set_aside.begin(), report.set_aside.end(),
                       [&](const LayoutVerdict& layout) { return layout.verdict.sys_errno == number; }) ||
           std::any_of(report.not_served.begin(), report.not_served.end(), in_use);
}

TEST(Faults, TheWayWorksWithoutAny)
{
    fake::Machine machine;
    furnish(machine);
    const Status done = the_whole_way();
    EXPECT_TRUE(done) << done.error().message();
    EXPECT_EQ(machine.leaks(), "");
}

TEST(Faults, TheWayThroughCodecsWorksWithoutAny)
{
    fake::Machine machine;
    furnish_with_codecs(machine);
    const Status done = the_way_through_codecs();
    EXPECT_TRUE(done) << done.error().message();
    EXPECT_EQ(machine.leaks(), "");
}

void every_call_fails_once(void (*furnish_machine)(fake::Machine&), Status (*way)(), std::size_t least)
{
    std::vector<std::string> calls;
    {
        fake::Machine machine;
        furnish_machine(machine);
        ASSERT_TRUE(way());
        calls = machine.calls();
    }

    // What may fail and be said in a way that has no errno of its own: the card or node
    // is then simply not found under its name, or is taken for no device at all.
    const std::set<std::string> found_by_name{"list",
                                              "read",
                                              "readlink",
                                              "open",
                                              "DRM_IOCTL_VERSION",
                                              "DRM_IOCTL_GET_CAP",
                                              "VIDIOC_ENUM_FMT",
                                              "VIDIOC_TRY_FMT",
                                              "VIDIOC_QUERYCAP"};
    std::size_t points = 0;
    std::size_t survived = 0;
    std::set<std::string> kinds;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        for (const int error : errnos_of(calls[i])) {
            const std::string where = calls[i] + " (call " + std::to_string(i) + ") with " + errno_name(error);
            fake::Machine machine;
            furnish_machine(machine);
            machine.fail(i, error);
            const Status done = way();
            ASSERT_TRUE(machine.fault_hit()) << where;
            ASSERT_EQ(machine.leaks(), "") << where;
            const bool interrupted = error == EINTR || (error == EAGAIN && !calls[i].starts_with("VIDIOC_"));
            const bool optional = calls[i] == "clone"; // a trial goes on without a guardian
            if ((interrupted && calls[i] != "ftruncate") || optional) {
                EXPECT_TRUE(done) << where << ": " << done.error().message();
            }
            if (!done) {
                EXPECT_FALSE(done.error().call.empty() && done.error().operation.empty()) << where;
                // Whether a descriptor is a dma-buf at all is asked by a call that fails.
                const bool no_dma_buf = done.error().detail.find("is not a dma-buf") != std::string::npos;
                EXPECT_TRUE(says(done.error(), error) || found_by_name.contains(calls[i]) || no_dma_buf)
                    << where << ": " << done.error().message();
            } else {
                ++survived;
            }
            ++points;
            kinds.insert(calls[i]);
        }
    }
    std::printf("failure points: %zu (%zu calls of %zu kinds); %zu were no obstacle, %zu reached the caller\n", points,
                calls.size(), kinds.size(), survived, points - survived);
    EXPECT_GT(points, least);
}

TEST(Faults, EveryCallFailsOnceWithEachErrno) { every_call_fails_once(furnish, the_whole_way, 300); }
TEST(Faults, EveryCallThroughCodecsFailsOnceWithEachErrno)
{
    every_call_fails_once(furnish_with_codecs, the_way_through_codecs, 300);
}

} // namespace
} // namespace commonbuf
