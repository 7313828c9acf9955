// SPDX-License-Identifier: MIT
#include "buffer/buffer_state.hpp"
#include "fake/machine.hpp"
#include "integration/lateness.hpp"

#include <commonbuf/allocator.hpp>
#include <commonbuf/buffer.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/dma-buf.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <optional>
#include <thread>
#include <utility>

namespace commonbuf {
namespace {

using Flags = std::vector<std::uint64_t>;
constexpr std::uint64_t start_read = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ;
constexpr std::uint64_t end_read = DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ;
constexpr std::uint64_t start_write = DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE;
constexpr std::uint64_t end_write = DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE;
constexpr std::uint64_t start_both = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW;
constexpr std::uint64_t end_both = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;

class BufferTest : public testing::Test {
protected:
    fake::Machine machine;
    Layout layout = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::single);

    Buffer make(const Layout& wanted)
    {
        std::vector<UniqueFd> memories;
        for (const std::uint64_t size : wanted.used_memories())
            memories.emplace_back(machine.add_dma_buf(size));
        auto buffer = Buffer::wrap(wanted, std::move(memories));
        if (!buffer)
            throw std::runtime_error(buffer.error().message());
        return std::move(*buffer);
    }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

TEST_F(BufferTest, KnowsItsMemories)
{
    const Buffer buffer = make(layout);
    EXPECT_GE(buffer.dma_buf_fd(), 0);
    EXPECT_EQ(buffer.dma_buf_fd(1), -1);
    EXPECT_EQ(buffer.size(), layout.memory_sizes[0]);
    EXPECT_EQ(buffer.size(9), 0U);
    EXPECT_NE(buffer.id().inode, 0U);
    EXPECT_EQ(buffer.id(9), BufferId{});
    const auto exported = buffer.export_fd();
    ASSERT_TRUE(exported);
    EXPECT_EQ(os::id_of(exported->get())->inode, buffer.id().inode);
    EXPECT_EQ(buffer.export_fd(1).error().category, Category::invalid_argument);
}

TEST_F(BufferTest, WrapRefusesWhatIsTooSmallOrNoDmaBuf)
{
    std::vector<UniqueFd> small;
    small.emplace_back(machine.add_dma_buf(layout.memory_sizes[0] - 1));
    EXPECT_EQ(Buffer::wrap(layout, std::move(small)).error().category, Category::invalid_argument);

    std::vector<UniqueFd> file;
    file.emplace_back(machine.memfd_create("x", 0));
    const auto wrapped = Buffer::wrap(layout, std::move(file));
    ASSERT_FALSE(wrapped);
    EXPECT_NE(wrapped.error().detail.find("is not a dma-buf"), std::string::npos);

    EXPECT_EQ(Buffer::wrap(layout, {}).error().category, Category::invalid_argument);
    std::vector<UniqueFd> many;
    for (std::size_t i = 0; i < 5; ++i)
        many.emplace_back(machine.add_dma_buf(65536));
    EXPECT_FALSE(Buffer::wrap(layout, std::move(many)));
}

TEST_F(BufferTest, AnAccessIsOneBracket)
{
    const Buffer buffer = make(layout);
    {
        auto access = buffer.read(deadline_in(std::chrono::seconds(1)));
        ASSERT_TRUE(access);
        EXPECT_EQ(access->plane(0).size(), 64U * 32);
        EXPECT_EQ(access->plane(1).size(), 64U * 16);
        EXPECT_EQ(access->plane(1).data(), access->plane(0).data() + 64 * 32);
        EXPECT_TRUE(access->plane(2).empty());
        EXPECT_TRUE(access->end());
        EXPECT_TRUE(access->plane(0).empty());
        EXPECT_FALSE(access->end());
    }
    EXPECT_EQ(machine.dma_buf(buffer.dma_buf_fd())->brackets, (Flags{start_read, end_read}));
    EXPECT_EQ(buffer.cpu_accesses(), 1U);
}

TEST_F(BufferTest, TheDestructorEndsToo)
{
    const Buffer buffer = make(layout);
    {
        const auto access = buffer.read_write(deadline_in(std::chrono::seconds(1)));
        ASSERT_TRUE(access);
    }
    EXPECT_EQ(machine.dma_buf(buffer.dma_buf_fd())->brackets, (Flags{start_both, end_both}));
}

TEST_F(BufferTest, NestedAccessesAreCounted)
{
    const Buffer buffer = make(layout);
    const Deadline deadline = deadline_in(std::chrono::seconds(1));
    {
        auto outer = buffer.read(deadline);
        auto inner = buffer.read(deadline);
        auto writer = buffer.write(deadline);
        ASSERT_TRUE(outer && inner && writer);
        EXPECT_TRUE(outer->end());
        // What was written is flushed although somebody still reads.
        EXPECT_TRUE(writer->end());
        EXPECT_TRUE(inner->end());
    }
    EXPECT_EQ(machine.dma_buf(buffer.dma_buf_fd())->brackets, (Flags{start_read, start_write, end_write, end_read}));
}

TEST_F(BufferTest, TheMappingIsMadeOnceAndKept)
{
    const Buffer buffer = make(layout);
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(buffer.read(deadline_in(std::chrono::seconds(1))));
    EXPECT_EQ(machine.count("mmap"), 1U);
}

TEST_F(BufferTest, EveryMemoryIsBracketed)
{
    const Layout many = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::per_plane);
    const Buffer buffer = make(many);
    ASSERT_TRUE(buffer.write(deadline_in(std::chrono::seconds(1))));
    // Of reading, too: a reader that joins must not start a bracket over what was written.
    for (const std::size_t memory : {0U, 1U})
        EXPECT_EQ(machine.dma_buf(buffer.dma_buf_fd(memory))->brackets, (Flags{start_both, end_both}));
}

TEST_F(BufferTest, NoBracketOfReadingBeginsOrEndsBesideAWriter)
{
    const Buffer buffer = make(layout);
    const Deadline deadline = deadline_in(std::chrono::seconds(1));
    Flags& brackets = machine.dma_buf(buffer.dma_buf_fd())->brackets;
    {
        auto writer = buffer.write(deadline);
        auto reader = buffer.read(deadline);
        ASSERT_TRUE(writer && reader);
        EXPECT_TRUE(reader->end());
        EXPECT_TRUE(writer->end());
    }
    EXPECT_EQ(brackets, (Flags{start_both, end_both})) << "the reader is gone first";
    brackets.clear();
    {
        auto writer = buffer.write(deadline);
        auto reader = buffer.read(deadline);
        ASSERT_TRUE(writer && reader);
        EXPECT_TRUE(writer->end());
        EXPECT_TRUE(reader->end());
    }
    EXPECT_EQ(brackets, (Flags{start_both, end_write, end_read})) << "the writer is gone first";
    brackets.clear();
    {
        auto reader = buffer.read(deadline);
        auto writer = buffer.write(deadline);
        auto late = buffer.read(deadline);
        ASSERT_TRUE(reader && writer && late);
        EXPECT_TRUE(reader->end());
        EXPECT_TRUE(late->end());
        EXPECT_EQ(brackets, (Flags{start_read, start_write})) << "END of reading may discard what is written";
        EXPECT_TRUE(writer->end());
    }
    EXPECT_EQ(brackets, (Flags{start_read, start_write, end_both}));
}

TEST_F(BufferTest, OneMemoryThatFailsToEndLeavesNoOtherOpen)
{
    const Layout many = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::per_plane);
    const Buffer buffer = make(many);
    auto access = buffer.read(deadline_in(std::chrono::seconds(1)));
    ASSERT_TRUE(access);
    machine.fail(machine.calls().size(), EIO);
    EXPECT_EQ(access->end().error().sys_errno, EIO);
    EXPECT_EQ(machine.dma_buf(buffer.dma_buf_fd(1))->brackets, (Flags{start_read, end_read}));
}

TEST_F(BufferTest, OneMemoryThatTakesNoFenceKeepsItFromNoOther)
{
    const Layout many = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::per_plane);
    const Buffer buffer = make(many);
    const auto work = machine.add_fence("work");
    const Fence fence = Fence::from_fd(UniqueFd(machine.sync_file(work))).value();
    machine.fail(machine.calls().size(), EIO); // the first memory refuses it
    EXPECT_EQ(buffer.import_fence(fence, Access::write).error().sys_errno, EIO);
    EXPECT_TRUE(machine.dma_buf(buffer.dma_buf_fd(0))->fences.empty());
    EXPECT_EQ(machine.dma_buf(buffer.dma_buf_fd(1))->fences.size(), 1U);
}

TEST_F(BufferTest, AnAccessThatAnotherOneReplacesEnds)
{
    const Buffer one = make(layout);
    const Buffer other = make(layout);
    auto access = one.read(deadline_in(std::chrono::seconds(1)));
    auto next = other.write(deadline_in(std::chrono::seconds(1)));
    ASSERT_TRUE(access && next);
    *access = std::move(*next);
    EXPECT_EQ(machine.dma_buf(one.dma_buf_fd())->brackets, (Flags{start_read, end_read}));
    CpuAccess& self = *access;
    *access = std::move(self);
    EXPECT_FALSE(access->plane(0).empty());
    EXPECT_TRUE(access->end());
    EXPECT_EQ(machine.dma_buf(other.dma_buf_fd())->brackets, (Flags{start_both, end_both}));
}

/// A START that a fence holds up until the test lets it go on.
class BufferStart : public BufferTest {
protected:
    std::promise<void> inside;
    std::promise<void> go_on;
    std::promise<void> ended;
    bool came = false;

    /// Somebody puts a fence in just before a START of this kind.
    std::shared_ptr<fake::FenceModel> come_before(std::uint64_t kinds, const Buffer& buffer, bool writes)
    {
        const auto fence = machine.add_fence("stranger");
        fake::DmaBuf& memory = *machine.dma_buf(buffer.dma_buf_fd());
        memory.while_starting = [this, &memory, kinds, fence, writes](std::uint64_t flags) {
            if (flags != kinds || std::exchange(came, true))
                return;
            memory.fences.emplace_back(fence, writes);
            inside.set_value();
            go_on.get_future().wait();
            fence->status = 1;
        };
        return fence;
    }

    // The other thread gives the memory back in a moment, maybe after the test's own handle.
    void TearDown() override
    {
        const Deadline patience = deadline_in(std::chrono::seconds(20));
        while (!machine.leaks().empty() && std::chrono::steady_clock::now() < patience)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        BufferTest::TearDown();
    }
};

TEST_F(BufferStart, ThatHangsHoldsNobodyPastTheDeadline)
{
    std::optional<Buffer> buffer = make(layout);
    fake::DmaBuf& memory = *machine.dma_buf(buffer->dma_buf_fd());
    come_before(start_read, *buffer, true);
    Lateness machine_here;
    const auto begun = std::chrono::steady_clock::now();
    const auto access = buffer->read(begun + std::chrono::milliseconds(20));
    const auto took = std::chrono::steady_clock::now() - begun;
    const auto late = machine_here.worst();
    ASSERT_FALSE(access);
    EXPECT_EQ(access.error().category, Category::timed_out);
    EXPECT_GE(took, std::chrono::milliseconds(20));
    EXPECT_LT(took, std::chrono::milliseconds(70) + late);
    EXPECT_EQ(buffer->cpu_accesses(), 0U);
    EXPECT_EQ(buffer->read(Deadline{}).error().category, Category::timed_out) << "the fence is still there";

    // Nobody waits for it any more, not even a handle: it is ended all the same.
    memory.synced = [this](std::uint64_t flags) {
        if (flags == end_read)
            ended.set_value();
    };
    const UniqueFd kept = std::move(*buffer->export_fd());
    buffer.reset();
    go_on.set_value();
    ended.get_future().wait();
    EXPECT_EQ(memory.brackets, (Flags{start_read, end_read}));
    // The other thread gives the memory back in a moment.
    while (machine.open_descriptors() > 1)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

/// A VkImage must not outlive its VkDevice, which the program destroys once its handles are gone.
TEST_F(BufferStart, ThatHangsHoldsNothingThatDevicesMadeOfTheBuffer)
{
    std::optional<Buffer> buffer = make(layout);
    come_before(start_read, *buffer, true);
    auto import = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = import;
    ASSERT_TRUE(buffer->state().import_once<int>(
        this, [&]() -> Result<std::shared_ptr<int>> { return std::move(import); }, [](const Error&) {}));
    ASSERT_FALSE(buffer->read(Deadline{}));
    inside.get_future().wait();
    std::optional<Buffer> other = buffer;
    buffer.reset();
    EXPECT_FALSE(alive.expired()) << "another handle is left";
    other.reset();
    EXPECT_TRUE(alive.expired());
    go_on.set_value();
}

TEST_F(BufferStart, OfAWriterThatHangsHoldsUpNoReader)
{
    const Buffer buffer = make(layout);
    come_before(start_both, buffer, false);
    auto writer = std::async(std::launch::async, [&] { return buffer.write(deadline_in(std::chrono::seconds(10))); });
    inside.get_future().wait();
    const auto begun = std::chrono::steady_clock::now();
    auto reader = buffer.read(deadline_in(std::chrono::seconds(10)));
    ASSERT_TRUE(reader);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(500));
    EXPECT_TRUE(reader->end());
    go_on.set_value();
    auto written = writer.get();
    ASSERT_TRUE(written);
    EXPECT_TRUE(written->end());
    EXPECT_EQ(machine.dma_buf(buffer.dma_buf_fd())->brackets, (Flags{start_both, start_read, end_read, end_both}));
}

TEST_F(BufferStart, OfAWriterThatComesLateEndsAsOfAReader)
{
    const Buffer buffer = make(layout);
    fake::DmaBuf& memory = *machine.dma_buf(buffer.dma_buf_fd());
    come_before(start_both, buffer, false);
    EXPECT_FALSE(buffer.write(Deadline{}));
    memory.synced = [this](std::uint64_t flags) {
        if (flags == end_read)
            ended.set_value();
    };
    go_on.set_value();
    ended.get_future().wait();
    EXPECT_EQ(memory.brackets, (Flags{start_both, end_read}))
        << "END of writing would bring an old copy over what a device has written since";
    memory.synced = {};
    memory.writers = 0; // the fake counts
    EXPECT_TRUE(buffer.write(deadline_in(std::chrono::seconds(1))));
}

TEST_F(BufferTest, WhatNobodyElseCanReachIsStartedInTheCallersThread)
{
    machine.add_heap("system");
    const auto plan = Allocator().plan({DRM_FORMAT_XRGB8888, 64, 32}, {cpu(Access::read)});
    ASSERT_TRUE(plan);
    const auto buffer = plan->allocate();
    ASSERT_TRUE(buffer);
    fake::DmaBuf& memory = *machine.dma_buf(buffer->state().dma_buf_fd(0));
    std::thread::id in;
    memory.while_starting = [&in](std::uint64_t) { in = std::this_thread::get_id(); };
    ASSERT_TRUE(buffer->read(deadline_in(std::chrono::seconds(1))));
    EXPECT_EQ(in, std::this_thread::get_id());
    EXPECT_GE(buffer->dma_buf_fd(), 0);
    ASSERT_TRUE(buffer->read(deadline_in(std::chrono::seconds(1))));
    EXPECT_NE(in, std::this_thread::get_id()) << "whoever got the descriptor may put a fence in";
}

TEST_F(BufferTest, ARefusedImportIsReportedWithoutALock)
{
    const Buffer buffer = make(layout);
    bool locked = false;
    buffer.state().on_import_failure([&](const std::vector<std::string>&, const Error&) {
        auto other = std::async(std::launch::async, [&] { buffer.state().forget_import(nullptr); });
        locked = other.wait_for(std::chrono::seconds(2)) != std::future_status::ready;
    });
    const auto refuse = []() -> Result<std::shared_ptr<int>> { return Error::unsupported("import", "no"); };
    int owner = 0;
    EXPECT_FALSE(buffer.state().import_once<int>(
        &owner, refuse, [&](const Error& error) { buffer.state().import_failed({"somebody"}, error); }));
    EXPECT_FALSE(locked);
}

/// What a file of another kind can answer, for example one of a FUSE server.
class Pretender final : public fake::File {
public:
    int ioctl(fake::Machine&, unsigned long, void*) override
    {
        errno = EINVAL;
        return -1;
    }
    std::int64_t size() const override { return 1 << 20; }
};

TEST_F(BufferTest, AFileThatAnswersLikeADmaBufIsNone)
{
    std::vector<UniqueFd> memories;
    memories.emplace_back(machine.new_descriptor(std::make_shared<Pretender>()));
    EXPECT_EQ(Buffer::wrap(layout, std::move(memories)).error().category, Category::invalid_argument);
}

TEST_F(BufferTest, PlanesOfTwoMemoriesThatAreOneDmaBufMustNotOverlap)
{
    Layout many = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::per_plane);
    const auto wrap_twice = [&] {
        std::vector<UniqueFd> memories;
        memories.emplace_back(machine.add_dma_buf(8192));
        memories.push_back(duplicate(memories.front().get()).value());
        return Buffer::wrap(many, std::move(memories));
    };
    EXPECT_EQ(wrap_twice().error().category, Category::invalid_argument);
    many.planes[1].offset = 64 * 32;
    many.memory_sizes[1] += 64 * 32;
    EXPECT_TRUE(wrap_twice());
}

TEST_F(BufferTest, AFailedStartLeavesNothingOpen)
{
    const Layout many = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::per_plane);
    const Buffer buffer = make(many);
    const std::size_t before = machine.calls().size();
    // Two waits, two mappings, the first START; then the second one fails.
    machine.fail(before + 5, EIO);
    const auto access = buffer.read(deadline_in(std::chrono::seconds(1)));
    ASSERT_FALSE(access);
    EXPECT_TRUE(machine.fault_hit());
    EXPECT_EQ(access.error().call, "DMA_BUF_IOCTL_SYNC START");
    EXPECT_EQ(machine.dma_buf(buffer.dma_buf_fd(0))->brackets, (Flags{start_read, end_read}));
    EXPECT_TRUE(buffer.read(deadline_in(std::chrono::seconds(1))));
}

TEST_F(BufferTest, ABusyBufferTimesOutBeforeStart)
{
    const Buffer buffer = make(layout);
    machine.dma_buf(buffer.dma_buf_fd())->busy = true;
    const auto access = buffer.write(deadline_in(std::chrono::milliseconds(1)));
    ASSERT_FALSE(access);
    EXPECT_EQ(access.error().category, Category::timed_out);
    EXPECT_TRUE(machine.dma_buf(buffer.dma_buf_fd())->brackets.empty());
    EXPECT_EQ(buffer.cpu_accesses(), 0U);
}

TEST_F(BufferTest, WhatIsSharedForReadingIsNotWritten)
{
    const Buffer buffer = make(layout);
    machine.dma_buf(buffer.dma_buf_fd())->read_only = true;
    const Deadline deadline = deadline_in(std::chrono::seconds(1));
    EXPECT_TRUE(buffer.read(deadline));
    const auto access = buffer.write(deadline);
    ASSERT_FALSE(access);
    EXPECT_EQ(access.error().category, Category::permission_denied);
}

TEST_F(BufferTest, AnImportIsMadeOnceAndGoesWithTheBuffer)
{
    int owner = 0;
    int made = 0;
    std::weak_ptr<int> kept;
    {
        const Buffer buffer = make(layout);
        const auto make_import = [&]() -> Result<std::shared_ptr<int>> { return std::make_shared<int>(++made); };
        const auto failed = [](const Error&) { ADD_FAILURE(); };
        kept = *buffer.state().import_once<int>(&owner, make_import, failed);
        EXPECT_EQ(buffer.state().import_once<int>(&owner, make_import, failed).value(), kept.lock());
        EXPECT_EQ(made, 1);
    }
    EXPECT_TRUE(kept.expired());
}

} // namespace
} // namespace commonbuf
