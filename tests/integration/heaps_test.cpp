// SPDX-License-Identifier: MIT
#include "devices.hpp"

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;

class Heaps : public devices::Test {};

std::vector<std::shared_ptr<cb::Heap>> usable_heaps()
{
    auto heaps = cb::find_heaps();
    std::erase_if(heaps, [](const auto& heap) { return !devices::makes_memory(*heap); });
    return heaps;
}

TEST_F(Heaps, EveryOneHoldsWhatTheCpuWrites)
{
    const auto heaps = usable_heaps();
    if (heaps.empty())
        GTEST_SKIP() << "no heap can be used here: " << cb::find_heaps().front()->info().obstacle->message();
    for (const auto& heap : heaps) {
        cb::Allocator allocator({heap});
        const auto plan = allocator.plan({DRM_FORMAT_NV12, 640, 480}, {cb::cpu(cb::Access::read_write)});
        if (!heap->info().same_as.empty()) {
            EXPECT_FALSE(plan) << "a duplicate is no heap of its own";
            continue;
        }
        ASSERT_TRUE(plan) << plan.error().message();
        const auto buffer = plan->allocate();
        ASSERT_TRUE(buffer) << buffer.error().message();
        EXPECT_EQ(buffer->heap(), heap->info().name);
        {
            auto access = buffer->write(cb::deadline_in(1s));
            ASSERT_TRUE(access) << access.error().message();
            for (std::size_t p = 0; p < 2; ++p)
                std::fill(access->plane(p).begin(), access->plane(p).end(), std::byte(17 + p));
            ASSERT_TRUE(access->end());
        }
        // Through another descriptor, as another process would have it.
        std::vector<cb::UniqueFd> memories;
        memories.push_back(*buffer->export_fd());
        const auto other = cb::Buffer::wrap(buffer->layout(), std::move(memories));
        ASSERT_TRUE(other) << other.error().message();
        EXPECT_EQ(other->id(), buffer->id());
        auto access = other->read(cb::deadline_in(1s));
        ASSERT_TRUE(access);
        for (std::size_t p = 0; p < 2; ++p) {
            const auto plane = access->plane(p);
            EXPECT_EQ(std::count(plane.begin(), plane.end(), std::byte(17 + p)),
                      static_cast<std::ptrdiff_t>(plane.size()))
                << heap->info().name << " plane " << p;
        }
        ASSERT_TRUE(access->end());
    }
}

TEST_F(Heaps, FreshMemoryIsZero)
{
    const auto heaps = usable_heaps();
    if (heaps.empty())
        GTEST_SKIP() << "no heap can be used here";
    for (const auto& heap : heaps) {
        if (!heap->info().same_as.empty())
            continue;
        const auto plan = cb::Allocator({heap}).plan({DRM_FORMAT_R8, 4096, 64}, {cb::cpu(cb::Access::read)});
        ASSERT_TRUE(plan) << plan.error().message();
        const auto buffer = plan->allocate();
        ASSERT_TRUE(buffer);
        const auto access = buffer->read(cb::deadline_in(1s));
        ASSERT_TRUE(access);
        const auto plane = access->plane(0);
        EXPECT_TRUE(std::all_of(plane.begin(), plane.end(), [](std::byte b) { return b == std::byte(0); }))
            << heap->info().name;
    }
}

/// Which CMA region each heap's memory comes from, by the kernel's own counters.
std::map<std::string, std::uint64_t> allocations_by_region()
{
    std::map<std::string, std::uint64_t> counts;
    std::error_code error;
    for (const auto& region : std::filesystem::directory_iterator("/sys/kernel/mm/cma", error)) {
        std::ifstream file(region.path() / "alloc_pages_success");
        file >> counts[region.path().filename()];
    }
    return counts;
}

TEST_F(Heaps, DuplicateNamesAreTheOnesTheKernelsCountersShow)
{
    if (allocations_by_region().empty())
        GTEST_SKIP() << "this kernel has no counters of CMA regions (/sys/kernel/mm/cma)";
    std::map<std::string, std::string> region_of;
    for (const auto& heap : usable_heaps()) {
        if (heap->info().kind != cb::HeapKind::dma_heap)
            continue;
        const auto before = allocations_by_region();
        ASSERT_TRUE(heap->allocate(65536)) << heap->info().name;
        for (const auto& [region, count] : allocations_by_region()) {
            if (count != before.at(region))
                region_of[heap->info().name] = region;
        }
    }
    if (region_of.empty())
        GTEST_SKIP() << "no heap of a CMA region can be used here";
    for (const auto& heap : usable_heaps()) {
        const auto& info = heap->info();
        if (!region_of.contains(info.name))
            continue;
        bool shared = false;
        for (const auto& [other, region] : region_of)
            shared = shared || (other != info.name && region == region_of[info.name]);
        const bool part_of_pair = !info.same_as.empty() || info.name == "default_cma_region";
        EXPECT_EQ(shared, part_of_pair && region_of.size() > 1) << info.name;
        if (!info.same_as.empty()) {
            EXPECT_EQ(region_of[info.name], region_of[info.same_as]) << info.name;
        }
    }
}

TEST_F(Heaps, AFullRegionIsATypedErrorAndComesBack)
{
    // Not dumb buffers: those of most displays are ordinary memory, and how much of that
    // there is changes with all that the machine does.
    const auto region = devices::usable_heap(true);
    if (region == nullptr)
        GTEST_SKIP() << "no region can be used here";
    cb::Allocator allocator({region});
    const auto plan = allocator.plan({DRM_FORMAT_XRGB8888, 640, 480}, {cb::cpu(cb::Access::read)});
    ASSERT_TRUE(plan) << plan.error().message();
    std::size_t first_time = 0;
    for (int round = 0; round < 2; ++round) {
        std::vector<cb::Buffer> held;
        for (;;) {
            auto buffer = plan->allocate();
            if (!buffer) {
                EXPECT_EQ(buffer.error().category, cb::Category::out_of_memory) << buffer.error().message();
                break;
            }
            held.push_back(std::move(*buffer));
            ASSERT_LT(held.size(), 10000U);
        }
        EXPECT_GT(held.size(), 0U);
        if (round == 0)
            first_time = held.size();
        else
            EXPECT_EQ(held.size(), first_time) << "not all of it came back";
    }
}

} // namespace
