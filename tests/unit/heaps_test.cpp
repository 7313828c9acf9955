// SPDX-License-Identifier: MIT
#include "fake/machine.hpp"
#include "heaps/heaps.hpp"
#include "heaps/heap_info.hpp"
#include "os/os.hpp"

#include <commonbuf/heap.hpp>
#include <commonbuf/layout.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/dma-buf.h>

#include <algorithm>
#include <cerrno>

namespace commonbuf {
namespace {

const HeapInfo* find(const std::vector<std::shared_ptr<Heap>>& heaps, std::string_view name)
{
    const auto found =
        std::find_if(heaps.begin(), heaps.end(), [name](const auto& heap) { return heap->info().name == name; });
    return found != heaps.end() ? &(*found)->info() : nullptr;
}

TEST(FindHeaps, ListsEveryKindWithoutAllocating)
{
    fake::Machine machine;
    machine.add_heap("system");
    machine.add_heap("camera@0", {.contiguous = true});
    machine.add_udmabuf();
    machine.add_card("card0", {});
    {
        const auto heaps = find_heaps();
        ASSERT_EQ(heaps.size(), 4U);
        EXPECT_FALSE(find(heaps, "system")->scarce);
        EXPECT_TRUE(find(heaps, "camera@0")->scarce);
        EXPECT_EQ(find(heaps, "udmabuf")->kind, HeapKind::udmabuf);
        EXPECT_EQ(find(heaps, "dumb-card0")->kind, HeapKind::drm_dumb);
        EXPECT_EQ(machine.count("DMA_HEAP_IOCTL_ALLOC"), 0U);
        EXPECT_EQ(machine.count("DRM_IOCTL_MODE_CREATE_DUMB"), 0U);
        // Whoever opens a card as the first becomes its master.
        EXPECT_EQ(machine.count("open"), 0U);
    }
    EXPECT_EQ(machine.leaks(), "");
}

TEST(FindHeaps, AMachineWithoutAnyListsUdmabufAsMissing)
{
    fake::Machine machine;
    const auto heaps = find_heaps();
    ASSERT_EQ(heaps.size(), 1U);
    ASSERT_TRUE(heaps[0]->info().obstacle);
    EXPECT_EQ(heaps[0]->info().obstacle->category, Category::not_present);
    EXPECT_FALSE(heaps[0]->allocate(4096));
}

/// The dumb buffers of one card.
class DumbHeapTest : public testing::Test {
protected:
    using Sizes = std::vector<fake::CardModel::Dumb>;

    fake::Machine machine;
    fake::CardModel& card = machine.add_card("card0", {});

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }

    /// Allocates one and tells what the driver made.
    Sizes made(const Layout& layout)
    {
        card.dumb_buffers.clear();
        const auto heap = heaps::find_drm_dumb().at(0);
        const auto memories = heap->allocate_image(layout);
        EXPECT_TRUE(memories) << memories.error().message();
        if (memories) {
            EXPECT_EQ(memories->size(), layout.memory_count);
            EXPECT_GE(os::size_of(memories->at(0).get()).value(), layout.memory_sizes[0]);
        }
        return card.dumb_buffers;
    }
};

TEST_F(DumbHeapTest, ADumbBufferIsThePictureThatTheLayoutIs)
{
    EXPECT_EQ(made(*linear_layout({DRM_FORMAT_XRGB8888, 640, 480}, 2560, Memories::single)), (Sizes{{640, 480, 32}}));
    EXPECT_EQ(made(*linear_layout({DRM_FORMAT_RGB565, 640, 480}, 1280, Memories::single)), (Sizes{{640, 480, 16}}));
    EXPECT_EQ(made(*linear_layout({DRM_FORMAT_XRGB8888, 600, 480}, 2560, Memories::single)), (Sizes{{640, 480, 32}}))
        << "the rows have the layout's stride";
    EXPECT_EQ(made(*linear_layout({DRM_FORMAT_NV12, 640, 480}, 640, Memories::single)), (Sizes{{640, 720, 8}}));
}

TEST_F(DumbHeapTest, ADriverWithOneDepthHasTheSameRowsInIt)
{
    card.dumb_bits = 32;
    EXPECT_EQ(made(*linear_layout({DRM_FORMAT_XRGB8888, 800, 600}, 3200, Memories::single)), (Sizes{{800, 600, 32}}));
    EXPECT_EQ(made(*linear_layout({DRM_FORMAT_RGB565, 640, 480}, 1280, Memories::single)), (Sizes{{320, 480, 32}}));
}

TEST_F(DumbHeapTest, WhereTheDriversStrideIsAnotherOneItIsBytes)
{
    card.dumb_pitch_align = 4096;
    EXPECT_EQ(made(*linear_layout({DRM_FORMAT_XRGB8888, 640, 480}, 2560, Memories::single)).back(),
              (fake::CardModel::Dumb{1024, 300, 32}));
}

TEST_F(DumbHeapTest, SeveralMemoriesAreBytes)
{
    EXPECT_EQ(made(*linear_layout({DRM_FORMAT_NV12, 1024, 512}, 1024, Memories::per_plane)),
              (Sizes{{1024, 128, 32}, {1024, 64, 32}}));
}

TEST_F(DumbHeapTest, ACardThatIsGoneIsNotOneWithoutDumbBuffers)
{
    machine.fail_all("DRM_IOCTL_GET_CAP", EIO);
    const auto heap = heaps::find_drm_dumb().at(0);
    const auto memory = heap->allocate(4096);
    ASSERT_FALSE(memory);
    EXPECT_EQ(memory.error().category, Category::device_failed);
}

TEST(FindHeaps, SaysWhatStandsInTheWay)
{
    fake::Machine machine;
    machine.add_heap("system");
    machine.forbid("/dev/dma_heap/system");
    fake::CardModel card;
    card.dumb = false;
    machine.add_card("card0", card);
    const auto heaps = find_heaps();
    EXPECT_EQ(find(heaps, "system")->obstacle->category, Category::permission_denied);
    // Whether a card has dumb buffers shows when it is opened, and a list opens none.
    EXPECT_FALSE(find(heaps, "dumb-card0")->obstacle);
    EXPECT_EQ(heaps.back()->allocate(4096).error().category, Category::unsupported);
    machine.forbid("/dev/dri/card0");
    const auto closed = find_heaps();
    EXPECT_EQ(find(closed, "dumb-card0")->obstacle->category, Category::permission_denied);
}

struct Duplicate {
    const char* description;
    std::vector<const char*> heaps;
    const char* device_tree_default;
    const char* duplicate;
};

TEST(FindHeaps, LegacyNamesOfTheDefaultRegionAreRecognised)
{
    const std::vector<Duplicate> cases{
        {"kernel's own region", {"default_cma_region", "reserved", "system"}, nullptr, "reserved"},
        {"device tree's default", {"default_cma_region", "linux,cma", "cam"}, "linux,cma", "linux,cma"},
        {"a node of any name", {"default_cma_region", "pool@1", "reserved"}, "pool@1", "pool@1"},
        {"before Linux 6.17", {"reserved", "system"}, nullptr, nullptr},
        {"other regions stand for themselves", {"default_cma_region", "camera@0"}, nullptr, nullptr},
    };
    for (const Duplicate& each : cases) {
        fake::Machine machine;
        for (const char* name : each.heaps)
            machine.add_heap(name);
        if (each.device_tree_default != nullptr)
            machine.add_text(std::string("/sys/firmware/devicetree/base/reserved-memory/") + each.device_tree_default +
                                 "/linux,cma-default",
                             "");
        for (const auto& heap : heaps::find_dma_heaps()) {
            const bool expected = each.duplicate != nullptr && heap->info().name == each.duplicate;
            EXPECT_EQ(heap->info().same_as, expected ? "default_cma_region" : "")
                << each.description << ": " << heap->info().name;
        }
    }
}

TEST(Allocate, EveryKindGivesAtLeastWhatIsAsked)
{
    fake::Machine machine;
    machine.add_heap("system");
    machine.add_udmabuf();
    machine.add_card("card0", {});
    {
        for (const auto& heap : find_heaps()) {
            for (const std::uint64_t bytes : {1ULL, 4096ULL, 4097ULL, 3686400ULL}) {
                const auto memory = heap->allocate(bytes);
                ASSERT_TRUE(memory) << heap->info().name << ": " << memory.error().message();
                EXPECT_GE(os::size_of(memory->get()).value(), bytes) << heap->info().name;
            }
            EXPECT_FALSE(heap->allocate(0)) << heap->info().name;
            EXPECT_FALSE(heap->allocate(UINT64_MAX)) << heap->info().name;
        }
    }
    EXPECT_EQ(machine.leaks(), "");
}

TEST(Allocate, AFullRegionIsExhausted)
{
    fake::Machine machine;
    machine.add_heap("camera", {.contiguous = true, .capacity = 8192});
    const auto heaps = heaps::find_dma_heaps();
    const auto first = heaps[0]->allocate(8192);
    ASSERT_TRUE(first);
    const auto second = heaps[0]->allocate(4096);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().category, Category::out_of_memory);
    EXPECT_EQ(second.error().sys_errno, ENOMEM);
    EXPECT_NE(second.error().message().find("/dev/dma_heap/camera"), std::string::npos);
}

TEST(HeapKinds, AreRankedInTheOrderOfTheEnumeration)
{
    std::uint8_t last = 0;
    for (int i = 1; i <= static_cast<int>(HeapKind::custom); ++i) {
        const std::uint8_t rank = heaps::heap_traits(static_cast<HeapKind>(i)).rank;
        EXPECT_GT(rank, last) << to_string(static_cast<HeapKind>(i));
        last = rank;
    }
    EXPECT_TRUE(heaps::heap_traits(HeapKind::dma_heap).reports_exhaustion);
    EXPECT_FALSE(heaps::heap_traits(HeapKind::drm_dumb).reports_exhaustion) << "it may give ordinary memory";
    EXPECT_TRUE(heaps::heap_traits(HeapKind::v4l2).takes_from_cma);
}

TEST(PageOrders, AreTheSamePagesForwardAndBackward)
{
    fake::Machine machine;
    machine.add_udmabuf();
    {
        for (const std::uint64_t bytes : {1ULL, 3686400ULL, 33177600ULL, 1ULL << 32U}) {
            const auto orders = heaps::PageOrders::create(bytes);
            ASSERT_TRUE(orders) << orders.error().message();
            const auto forward = orders->make(heaps::PageOrders::Order::forwards);
            const auto reversed = orders->make(heaps::PageOrders::Order::backwards);
            const auto mixed = orders->make(heaps::PageOrders::Order::mixed);
            ASSERT_TRUE(forward && reversed && mixed);
            EXPECT_FALSE(machine.dma_buf(mixed->get())->contiguous);
            EXPECT_EQ(os::size_of(forward->get()).value(), os::size_of(mixed->get()).value());
            EXPECT_GE(os::size_of(forward->get()).value(), bytes);
            EXPECT_EQ(os::size_of(forward->get()).value(), os::size_of(reversed->get()).value());
            EXPECT_FALSE(machine.dma_buf(reversed->get())->contiguous);
            // The first bracket decides what the kernel maps for all of them.
            EXPECT_EQ(machine.dma_buf(forward->get())->brackets.front() & DMA_BUF_SYNC_RW, DMA_BUF_SYNC_RW);
        }
        EXPECT_FALSE(heaps::PageOrders::create(UINT64_MAX));
    }
    EXPECT_EQ(machine.leaks(), "");
}

} // namespace
} // namespace commonbuf
