// SPDX-License-Identifier: MIT
#include "buffer/buffer_state.hpp"
#include "fake/machine.hpp"

#include <commonbuf/buffer.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/dma-buf.h>

#include <cerrno>

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
    for (const std::size_t memory : {0U, 1U})
        EXPECT_EQ(machine.dma_buf(buffer.dma_buf_fd(memory))->brackets, (Flags{start_write, end_write}));
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
        kept = *buffer.state().import_once<int>(&owner, make_import);
        EXPECT_EQ(buffer.state().import_once<int>(&owner, make_import).value(), kept.lock());
        EXPECT_EQ(made, 1);
    }
    EXPECT_TRUE(kept.expired());
}

} // namespace
} // namespace commonbuf
