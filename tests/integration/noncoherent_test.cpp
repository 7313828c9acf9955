// SPDX-License-Identifier: MIT
//
// Memory that is not coherent: what the CPU sees and what devices see are two things, and only
// brackets carry pixels from one to the other. The board non-coherent has heaps of it
// (tests/lab/patches/noncoherent-heap.patch).
#include "devices.hpp"
#include "example.hpp"
#include "screen.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <utility>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

constexpr std::uint32_t red = 0xff0000;
constexpr std::uint32_t green = 0x00ff00;
constexpr std::uint32_t blue = 0x0000ff;

/// The lab's heap, by the parameter of its driver: "scattered" or "contiguous".
std::shared_ptr<cb::Heap> noncoherent_heap(const std::string& parameter)
{
    std::string name = devices::read_text("/sys/module/noncoherent_heap/parameters/" + parameter);
    name.erase(std::remove(name.begin(), name.end(), '\n'), name.end());
    return devices::heap_called(name);
}

#define NEED_NONCOHERENT(heap, parameter)                                                                              \
    const auto heap = noncoherent_heap(parameter);                                                                     \
    if (heap == nullptr)                                                                                               \
    GTEST_SKIP() << "no heap here has memory that is known not to be coherent"

/// A program's own mapping of an XRGB8888 buffer, and its own brackets.
class Raw {
public:
    explicit Raw(const cb::Buffer& buffer) : fd_(buffer.dma_buf_fd()), size_(buffer.size())
    {
        void* memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
        EXPECT_NE(memory, MAP_FAILED);
        pixels_ = static_cast<std::uint32_t*>(memory);
    }
    Raw(const Raw&) = delete;
    Raw& operator=(const Raw&) = delete;
    ~Raw() { ::munmap(pixels_, size_); }

    void sync(std::uint64_t flags) const
    {
        dma_buf_sync request{flags};
        EXPECT_EQ(::ioctl(fd_, DMA_BUF_IOCTL_SYNC, &request), 0);
    }
    void paint(std::uint32_t colour) const { std::fill_n(pixels_, size_ / sizeof colour, colour); }
    std::uint32_t pixel() const { return pixels_[size_ / sizeof(std::uint32_t) / 2] & 0xffffffU; }

private:
    int fd_;
    std::size_t size_;
    std::uint32_t* pixels_ = nullptr;
};

constexpr std::uint64_t start_write = DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE;
constexpr std::uint64_t end_write = DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE;
constexpr std::uint64_t start_read = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ;
constexpr std::uint64_t end_read = DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ;

class NonCoherent : public devices::Test {
protected:
    static cb::Result<cb::Buffer> image(const std::shared_ptr<cb::Heap>& heap, const cb::drm::Device& device)
    {
        const auto plan = cb::Allocator({heap}).plan({DRM_FORMAT_XRGB8888, Screen::width, Screen::height},
                                                     {device.scanout(), cb::cpu(cb::Access::read_write)});
        if (!plan)
            return plan.error();
        return plan->allocate();
    }

    /// Has the display show an image and write back what it shows.
    cb::Status show(Screen& screen, const cb::Buffer& image, const cb::Buffer& copy)
    {
        const auto done = screen.queue.commit(screen.picture(image).write_back(copy).enable(), cb::deadline_in(2s));
        if (!done)
            return done.error();
        if (cb::Status shown = done->shown.wait(cb::deadline_in(2s)); !shown)
            return shown;
        return done->written.wait(cb::deadline_in(3s));
    }
};

#define NEED_IMAGES(heap)                                                                                              \
    NEED_SCREEN(screen);                                                                                               \
    if (screen.display().writeback() == nullptr)                                                                       \
        GTEST_SKIP() << "the card has no writeback";                                                                   \
    const auto picture = image(heap, screen.display().device());                                                       \
    ASSERT_TRUE(picture) << picture.error().message();                                                                 \
    const auto copy = image(heap, screen.display().device());                                                          \
    ASSERT_TRUE(copy) << copy.error().message()

TEST_F(NonCoherent, TheCpuSeesOldPixelsUntilItStarts)
{
    for (const char* parameter : {"scattered", "contiguous"}) {
        NEED_NONCOHERENT(heap, parameter);
        NEED_IMAGES(heap);
        ASSERT_TRUE(fill(*picture, red));
        const Raw raw(*copy);
        ASSERT_TRUE(show(screen, *picture, *copy));
        EXPECT_EQ(raw.pixel(), 0U) << parameter;
        raw.sync(start_read);
        EXPECT_EQ(raw.pixel(), red) << parameter;
        raw.sync(end_read);
        ASSERT_TRUE(fill(*picture, green));
        ASSERT_TRUE(show(screen, *picture, *copy));
        EXPECT_EQ(raw.pixel(), red) << parameter << ": a bracket that is over shows nothing new";
        raw.sync(start_read);
        EXPECT_EQ(raw.pixel(), green) << parameter;
        raw.sync(end_read);
    }
}

/// Each way to get a bracket wrong leaves old pixels on the screen.
TEST_F(NonCoherent, DevicesSeeOldPixelsAfterEachMistake)
{
    NEED_NONCOHERENT(heap, "scattered");
    NEED_IMAGES(heap);
    const Raw raw(*picture);
    const std::array<std::pair<const char*, std::function<void()>>, 5> mistakes{{
        {"no bracket", [&] { raw.paint(blue); }},
        {"no END",
         [&] {
             raw.sync(start_write);
             raw.paint(blue);
         }},
        {"a bracket of reading",
         [&] {
             raw.sync(start_read);
             raw.paint(blue);
             raw.sync(end_read);
         }},
        {"START after the access",
         [&] {
             raw.paint(blue);
             raw.sync(start_write);
             raw.sync(end_write);
         }},
        {"END before the access",
         [&] {
             raw.sync(start_write);
             raw.sync(end_write);
             raw.paint(blue);
         }},
    }};
    for (const auto& [what, mistake] : mistakes) {
        SCOPED_TRACE(what);
        raw.sync(start_write);
        raw.paint(green);
        raw.sync(end_write);
        mistake();
        ASSERT_TRUE(show(screen, *picture, *copy));
        EXPECT_EQ(pixel(*copy, 3, 4).value(), green);
    }
    raw.sync(start_write);
    raw.paint(blue);
    raw.sync(end_write);
    ASSERT_TRUE(show(screen, *picture, *copy));
    EXPECT_EQ(pixel(*copy, 3, 4).value(), blue) << "none of them";
}

TEST_F(NonCoherent, AnAccessCarriesEverythingBothWays)
{
    for (const char* parameter : {"scattered", "contiguous"}) {
        SCOPED_TRACE(parameter);
        NEED_NONCOHERENT(heap, parameter);
        NEED_IMAGES(heap);
        for (const std::uint32_t colour : {red, green, blue}) {
            ASSERT_TRUE(fill(*picture, colour));
            ASSERT_TRUE(show(screen, *picture, *copy));
            EXPECT_EQ(pixel(*copy, 3, 4).value(), colour);
            EXPECT_EQ(pixel(*copy, 639, 479).value(), colour);
        }
    }
}

/// What a device wrote stays where the CPU does not write, whether it says that it reads or not.
TEST_F(NonCoherent, WritingAPartKeepsTheRest)
{
    NEED_NONCOHERENT(heap, "scattered");
    NEED_IMAGES(heap);
    const auto again = image(heap, screen.display().device());
    ASSERT_TRUE(again) << again.error().message();
    for (const bool reads : {false, true}) {
        ASSERT_TRUE(fill(*copy, green));
        ASSERT_TRUE(fill(*picture, red));
        ASSERT_TRUE(show(screen, *picture, *copy));
        {
            auto access = reads ? copy->read_write(cb::deadline_in(1s)) : copy->write(cb::deadline_in(1s));
            ASSERT_TRUE(access) << access.error().message();
            std::memcpy(access->plane(0).data(), &blue, sizeof blue);
            ASSERT_TRUE(access->end());
        }
        // The display reads what it wrote itself.
        ASSERT_TRUE(show(screen, *copy, *again));
        EXPECT_EQ(pixel(*again, 0, 0).value(), blue);
        EXPECT_EQ(pixel(*again, 1, 0).value(), red);
        EXPECT_EQ(pixel(*again, 639, 479).value(), red);
    }
}

void paint_rows(const cb::CpuAccess& access, const cb::Layout& layout, std::uint32_t from, std::uint32_t to)
{
    for (std::uint32_t y = from; y < to; ++y) {
        std::byte* row = access.plane(0).data() + std::size_t{y} * layout.planes[0].stride;
        for (std::uint32_t x = 0; x < layout.width; ++x)
            std::memcpy(row + std::size_t{x} * sizeof blue, &blue, sizeof blue);
    }
}

/// What is written and not yet ended is in the CPU's pages only. A START or END of reading would bring the
/// devices' pages over it.
TEST_F(NonCoherent, AReaderLosesNothingOfAWriter)
{
    NEED_NONCOHERENT(heap, "scattered");
    for (const bool reader_is_first : {false, true}) {
        SCOPED_TRACE(reader_is_first ? "the reader began before the writer" : "the reader began after the writer");
        NEED_IMAGES(heap);
        ASSERT_TRUE(fill(*picture, green));
        const cb::Layout& layout = picture->layout();
        std::optional<cb::CpuAccess> reader;
        const auto begin_to_read = [&] {
            auto access = picture->read(cb::deadline_in(1s));
            ASSERT_TRUE(access) << access.error().message();
            reader.emplace(std::move(*access));
        };
        if (reader_is_first)
            begin_to_read();
        auto writer = picture->write(cb::deadline_in(1s));
        ASSERT_TRUE(writer) << writer.error().message();
        paint_rows(*writer, layout, 0, layout.height / 2);
        if (!reader_is_first)
            begin_to_read();
        ASSERT_TRUE(reader);
        std::uint32_t seen = 0;
        std::memcpy(&seen, reader->plane(0).data(), sizeof seen);
        EXPECT_EQ(seen, blue) << "in the same mapping";
        ASSERT_TRUE(reader->end());
        paint_rows(*writer, layout, layout.height / 2, layout.height);
        ASSERT_TRUE(writer->end());
        ASSERT_TRUE(show(screen, *picture, *copy));
        EXPECT_EQ(pixel(*copy, 3, 4).value(), blue) << "written before the reader ended";
        EXPECT_EQ(pixel(*copy, 639, 479).value(), blue) << "and after it";
    }
}

void expect_bars(const cb::Buffer& buffer)
{
    auto access = buffer.read(cb::deadline_in(1s));
    ASSERT_TRUE(access) << access.error().message();
    const cb::Layout& layout = buffer.layout();
    std::set<std::uint32_t> colours;
    const std::byte* row = access->plane(0).data() + std::size_t{layout.height - 10} * layout.planes[0].stride;
    for (std::size_t x = 0; x < layout.width; ++x) {
        std::uint32_t pixel = 0;
        std::memcpy(&pixel, row + x * sizeof pixel, sizeof pixel);
        colours.insert(pixel & 0xffffffU);
    }
    EXPECT_EQ(colours.size(), 8U) << "the eight bars of the test pattern";
    EXPECT_TRUE(access->end());
}

void expect_frames(const cb::v4l2::Device& camera, const std::shared_ptr<cb::Heap>& heap)
{
    const auto plan =
        cb::Allocator({heap}).plan({DRM_FORMAT_XRGB8888, 640, 480}, {camera.capture(), cb::cpu(cb::Access::read)});
    ASSERT_TRUE(plan) << plan.error().message();
    auto queue = camera.open_queue(cb::v4l2::Role::capture, plan->layout(), 2);
    ASSERT_TRUE(queue) << queue.error().message();
    for (int i = 0; i < 2; ++i)
        ASSERT_TRUE(queue->queue(*plan->allocate()));
    ASSERT_TRUE(queue->start());
    for (int i = 0; i < 4; ++i) {
        const auto frame = queue->dequeue(cb::deadline_in(5s));
        ASSERT_TRUE(frame) << frame.error().message();
        if (i < 2) {
            EXPECT_EQ(Raw(frame->buffer).pixel(), 0U) << "nothing came over yet";
        }
        expect_bars(frame->buffer);
        ASSERT_TRUE(queue->queue(frame->buffer));
    }
}

/// Cameras that map the memory into the kernel, and ones that take it as a list of pages.
TEST_F(NonCoherent, FramesOfCamerasComeOver)
{
    {
        NEED_NONCOHERENT(heap, "scattered");
        NEED_CAMERA(camera, devices::scattered_camera());
        expect_frames(camera, heap);
    }
    NEED_NONCOHERENT(heap, "contiguous");
    NEED_CAMERA(camera, devices::contiguous_camera());
    expect_frames(camera, heap);
}

/// With brackets that are wrong in this way (without_brackets.cpp), or right ones.
example::Screenshot screenshot(const std::string& mistake)
{
    const auto wrong = std::filesystem::read_symlink("/proc/self/exe").replace_filename("libwithout-brackets.so");
    return example::screenshot("BRACKETS=" + mistake + " LD_PRELOAD=" + wrong.string());
}

/// A whole program, with the library's brackets in place, and then with each of them left out, turned
/// round or moved.
TEST_F(NonCoherent, EachMistakeIsSeenInAScreenshot)
{
    NEED_NONCOHERENT(heap, "scattered");
    NEED_EXAMPLE("screenshot");
    NEED_EXAMPLES_DISPLAY();
    const example::Screenshot right = screenshot("right");
    if (right.outcome.text.find("ASan runtime does not come first") != std::string::npos)
        GTEST_SKIP() << "sanitizers want to be loaded before everybody else";
    example::expect_good("screenshot", right.outcome);
    ASSERT_NE(right.picture.find("PNG"), std::string::npos);
    for (const char* mistake : {"no-start", "no-end", "end-of-reading", "late-start", "early-end"}) {
        const example::Screenshot wrong = screenshot(mistake);
        EXPECT_NE(wrong.picture.find("PNG"), std::string::npos) << wrong.outcome.text;
        EXPECT_FALSE(wrong.picture == right.picture) << mistake;
    }
}

/// A plan's first heap is the board's, and not the only coherent one.
TEST_F(NonCoherent, PlansUseIt)
{
    NEED_NONCOHERENT(heap, "scattered");
    NEED_DISPLAY(display);
    const auto plan =
        cb::Allocator().plan({DRM_FORMAT_XRGB8888, 640, 480}, {display.scanout(), cb::cpu(cb::Access::read_write)});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().heap.name, heap->info().name) << plan->explain();
}

/// The heap's pages are never contiguous by luck, not even two of them.
TEST_F(NonCoherent, ScatteredPagesAreNeverContiguous)
{
    NEED_NONCOHERENT(heap, "scattered");
    NEED_CAMERA(camera, devices::contiguous_camera());
    const auto plan = cb::Allocator({heap}).plan({DRM_FORMAT_XRGB8888, 640, 480}, {camera.capture()});
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().category, cb::Category::incompatible) << plan.error().message();
}

} // namespace
