// SPDX-License-Identifier: MIT
//
// The table of formats against what real drivers make of them.
#include "devices.hpp"

#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>

#include <array>
#include <cstdio>
#include <set>
#include <vector>

namespace {

namespace cb = commonbuf;
using cb::v4l2::Role;

class Formats : public devices::Test {};

struct Answer {
    cb::Request request;
    std::uint32_t code = 0;
    std::uint32_t stride = 0;
    std::size_t memory_count = 0;
    std::array<std::uint64_t, cb::max_planes> sizes{};
};

/// What the driver makes of 640x480 in one of its formats.
std::optional<Answer> ask(const cb::v4l2::Device& device, Role role, std::uint32_t code)
{
    v4l2_format format{};
    Answer answer;
    if (device.info().multiplanar) {
        format.type = role == Role::capture ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE;
        v4l2_pix_format_mplane& pix = format.fmt.pix_mp;
        pix.width = 640;
        pix.height = 480;
        pix.pixelformat = code;
        pix.field = V4L2_FIELD_NONE;
        if (::ioctl(device.fd(), VIDIOC_TRY_FMT, &format) != 0 || pix.num_planes > cb::max_planes)
            return std::nullopt;
        answer = {{{}, pix.width, pix.height}, pix.pixelformat, pix.plane_fmt[0].bytesperline, pix.num_planes, {}};
        for (std::size_t i = 0; i < answer.memory_count; ++i)
            answer.sizes[i] = pix.plane_fmt[i].sizeimage;
    } else {
        format.type = role == Role::capture ? V4L2_BUF_TYPE_VIDEO_CAPTURE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
        v4l2_pix_format& pix = format.fmt.pix;
        pix.width = 640;
        pix.height = 480;
        pix.pixelformat = code;
        pix.field = V4L2_FIELD_NONE;
        if (::ioctl(device.fd(), VIDIOC_TRY_FMT, &format) != 0)
            return std::nullopt;
        answer = {{{}, pix.width, pix.height}, pix.pixelformat, pix.bytesperline, 1, {pix.sizeimage}};
    }
    return answer.code == code ? std::optional(answer) : std::nullopt;
}

/// Stride, planes and memories of every format that a driver has are those of the table:
/// the driver's own arithmetic comes to the same sizes.
TEST_F(Formats, SizesAreTheDrivers)
{
    std::set<std::string_view> checked;
    for (const Role role : {Role::capture, Role::output}) {
        for (const auto& device : devices::all(role)) {
            const auto& codes = role == Role::capture ? device.info().capture_formats : device.info().output_formats;
            for (const std::uint32_t code : codes) {
                const cb::FormatInfo* info = cb::format_from_v4l2(code);
                auto answer = info != nullptr ? ask(device, role, code) : std::nullopt;
                if (!answer)
                    continue;
                SCOPED_TRACE(std::string(info->name) + " on " + device.info().path);
                answer->request.format = info->format;
                const bool many = code == info->v4l2_multi;
                const auto layout = cb::linear_layout(answer->request, answer->stride,
                                                      many ? cb::Memories::per_plane : cb::Memories::single);
                ASSERT_TRUE(layout) << layout.error().message();
                ASSERT_EQ(layout->memory_count, answer->memory_count);
                for (std::size_t i = 0; i < layout->memory_count; ++i) {
                    // vivid puts a header in front of one plane of NV16M and NV61M, to try
                    // its users (PLANE0_DATA_OFFSET in vivid-vid-common.c).
                    const std::uint64_t header = many && answer->sizes[i] == layout->memory_sizes[i] + 128 ? 128 : 0;
                    EXPECT_EQ(layout->memory_sizes[i] + header, answer->sizes[i]) << "memory " << i;
                }
                checked.insert(info->name);
            }
        }
    }
    if (checked.empty())
        GTEST_SKIP() << "no V4L2 node here has a format of the table";
    std::printf("%zu formats have the drivers' sizes\n", checked.size());
}

/// Pixels behind a header are not where the layout says: such a layout is never proved.
TEST_F(Formats, AHeaderInFrontOfThePixelsIsRefused)
{
    NEED_HEAP(true, "region"); // contiguous: whichever allocator vivid has
    std::size_t refused = 0;
    for (const auto& device : devices::all(Role::capture)) {
        for (const std::uint32_t code : {V4L2_PIX_FMT_NV16M, V4L2_PIX_FMT_NV61M}) {
            const cb::FormatInfo* info = cb::format_from_v4l2(code);
            const auto answer = device.info().driver == "vivid" ? ask(device, Role::capture, code) : std::nullopt;
            if (!answer)
                continue;
            cb::Request request = answer->request;
            request.format = info->format;
            auto layout = *cb::linear_layout(request, answer->stride, cb::Memories::per_plane);
            const cb::Use use = device.capture();
            layout = *use.importer().fit(layout);
            auto trial = use.importer().begin_trial(layout);
            ASSERT_TRUE(trial) << trial.error().message();
            std::vector<cb::UniqueFd> memories;
            std::vector<int> fds;
            for (const std::uint64_t size : layout.used_memories()) {
                memories.push_back(std::move(*devices::usable_heap(true)->allocate(size)));
                fds.push_back(memories.back().get());
            }
            const cb::Verdict verdict = (*trial)->attempt(fds);
            EXPECT_EQ(verdict.outcome, cb::Outcome::refused);
            EXPECT_EQ(verdict.reason, "the driver puts the image at offset 128 of its memory (data_offset)");
            ++refused;
        }
    }
    if (refused == 0)
        GTEST_SKIP() << "no multi-planar vivid here";
}

} // namespace
