// SPDX-License-Identifier: MIT
//
// Heaps that lay images out themselves, beside those that give bytes.
#include "fake/machine.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace commonbuf {
namespace {

constexpr Format xr24 = DRM_FORMAT_XRGB8888;
constexpr Modifier tiled = I915_FORMAT_MOD_X_TILED;

/// The heap of a device that rounds strides, and makes nothing but images.
class ImageHeap final : public Heap {
public:
    explicit ImageHeap(std::shared_ptr<Heap> memory) : memory_(std::move(memory))
    {
        info_.name = "gpu";
        info_.kind = HeapKind::gbm;
    }

    const HeapInfo& info() const noexcept override { return info_; }

    Result<UniqueFd> allocate(std::uint64_t /*bytes*/) override
    {
        return Error::unsupported("allocate from gpu", "it makes images, not bytes");
    }

    Result<std::vector<Layout>> propose(const WantedImage& image) override
    {
        asked.push_back(image);
        if (broken)
            return Error::device_gone("ask the gpu", "it is gone");
        auto layout = linear_layout(image.request, stride, image.arrangement.memories);
        if (!layout)
            return layout.error();
        layout->modifier = image.arrangement.modifier;
        if (lie)
            lie(*layout);
        return std::vector{*layout};
    }

    Result<std::vector<UniqueFd>> allocate_image(const Layout& layout) override
    {
        if (layout.planes[0].stride != stride)
            return Error::incompatible(Call("gbm_bo_create", "gpu"),
                                       "the device's stride is " + std::to_string(stride) + ", and " +
                                           std::to_string(layout.planes[0].stride) + " is wanted");
        if (layout.total_size() > most)
            return Error::incompatible(Call("gbm_bo_create", "gpu"), "it has another size");
        auto memory = memory_->allocate(layout.memory_sizes[0]);
        if (!memory)
            return memory.error();
        std::vector<UniqueFd> memories;
        for (std::size_t i = 0; i < too_many; ++i)
            memories.emplace_back();
        memories.push_back(std::move(*memory));
        return memories;
    }

    std::uint32_t stride = 5376;
    std::uint64_t most = UINT64_MAX;
    std::size_t too_many = 0;
    bool broken = false;
    std::function<void(Layout&)> lie;
    std::vector<WantedImage> asked;

    HeapInfo info_;

private:
    std::shared_ptr<Heap> memory_;
};

/// A device that takes what it is told to.
class TakingDevice final : public Importer {
public:
    struct Taking final : Trial {
        explicit Taking(Outcome as) : outcome(as) {}
        Verdict attempt(std::span<const int> /*memories*/) override { return {.outcome = outcome, .call = "import"}; }
        Outcome outcome;
    };

    const std::string& name() const noexcept override { return name_; }
    Result<std::shared_ptr<const Support>> support(const Request& /*request*/) override
    {
        auto all = std::make_shared<Support>();
        for (const Modifier modifier : modifiers)
            all->entries.push_back({xr24, modifier, Memories::single, constraints});
        return all;
    }
    Result<std::unique_ptr<Trial>> begin_trial(const Layout& /*layout*/) override
    {
        return std::make_unique<Taking>(outcome);
    }

    std::vector<Modifier> modifiers{linear};
    Constraints constraints;
    Outcome outcome = Outcome::proved;

private:
    std::string name_ = "test:device";
};

class ImageHeaps : public testing::Test {
protected:
    void SetUp() override
    {
        machine.add_heap("system");
        machine.add_udmabuf();
        system = find_heaps().front();
        gpu = std::make_shared<ImageHeap>(system);
    }
    void TearDown() override
    {
        gpu.reset();
        system.reset();
        EXPECT_EQ(machine.leaks(), "");
    }

    Result<Plan> plan(std::vector<std::shared_ptr<Heap>> heaps, const Preferences& preferences = {})
    {
        return Allocator(std::move(heaps)).plan(request, {Use(device)}, preferences);
    }
    static const HeapVerdict& verdict(const Report& report, std::string_view heap)
    {
        return *std::find_if(report.heaps.begin(), report.heaps.end(),
                             [heap](const HeapVerdict& each) { return each.heap.name == heap; });
    }

    fake::Machine machine;
    Request request{xr24, 1280, 720};
    std::shared_ptr<Heap> system;
    std::shared_ptr<ImageHeap> gpu;
    std::shared_ptr<TakingDevice> device = std::make_shared<TakingDevice>();
};

TEST_F(ImageHeaps, SayHowATiledImageLiesWhereNoUseDoes)
{
    device->modifiers = {tiled};
    const auto none = plan({system});
    ASSERT_FALSE(none);
    EXPECT_NE(none.error().detail.find("none of them says how an image lies"), std::string::npos);

    const auto made = plan({gpu});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().modifier, tiled);
    EXPECT_EQ(made->layout().planes[0].stride, 5376U);
    EXPECT_EQ(made->chosen().heap.name, "gpu");
    EXPECT_EQ(made->chosen().verdict.outcome, Outcome::proved);
    const auto buffer = made->allocate();
    ASSERT_TRUE(buffer) << buffer.error().message();
    EXPECT_EQ(buffer->heap(), "gpu");
    EXPECT_GE(buffer->size(), 5376U * 720);
}

TEST_F(ImageHeaps, AreAskedForOneFormatWithWhatTheUsesWant)
{
    device->modifiers = {tiled};
    device->constraints.stride_align = 256;
    request.alternatives = {DRM_FORMAT_ARGB8888};
    request.count = 3;
    ASSERT_TRUE(plan({gpu}));
    ASSERT_EQ(gpu->asked.size(), 1U);
    EXPECT_EQ(gpu->asked[0].request.format, xr24);
    EXPECT_TRUE(gpu->asked[0].request.alternatives.empty());
    EXPECT_EQ(gpu->asked[0].request.count, 3U);
    EXPECT_EQ(gpu->asked[0].arrangement.modifier, tiled);
    EXPECT_EQ(gpu->asked[0].constraints.stride_align, 256U);
}

/// Layouts of the uses come first, and heaps are not even asked where one serves.
TEST_F(ImageHeaps, AreNotAskedWhereBytesServe)
{
    const auto made = plan({gpu, system});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->chosen().heap.name, "system");
    EXPECT_EQ(made->layout().planes[0].stride, 5120U);
    EXPECT_TRUE(gpu->asked.empty());
    const HeapVerdict& refusal = verdict(made->report(), "gpu");
    EXPECT_EQ(refusal.verdict.outcome, Outcome::refused);
    EXPECT_EQ(refusal.verdict.call, "gbm_bo_create");
    EXPECT_NE(refusal.verdict.reason.find("stride is 5376, and 5120 is wanted"), std::string::npos);
}

/// 5376 is no step of the library's own: only the heap knows it.
TEST_F(ImageHeaps, ServeALinearImageInTheirOwnStride)
{
    const auto made = plan({gpu});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->layout().planes[0].stride, 5376U);
    EXPECT_EQ(made->layout().modifier, linear);
}

TEST_F(ImageHeaps, ALayoutOfOneHeapMayBeServedByAnother)
{
    device->modifiers = {tiled};
    const auto made = plan({gpu, system});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->chosen().heap.name, "system");
    EXPECT_EQ(verdict(made->report(), "gpu").verdict.outcome, Outcome::proved);
}

TEST_F(ImageHeaps, WhatTheyProposeIsChecked)
{
    device->modifiers = {tiled};
    const auto why = [this](std::function<void(Layout&)> lie) {
        gpu->lie = std::move(lie);
        const auto made = plan({gpu});
        return made ? "a plan" : made.error().message();
    };
    EXPECT_NE(why([](Layout& layout) { layout.width = 640; }).find("not the image it was asked for"),
              std::string::npos);
    EXPECT_NE(why([](Layout& layout) { layout.modifier = linear; }).find("not the image it was asked for"),
              std::string::npos);
    EXPECT_NE(why([](Layout& layout) { layout.planes[0].offset = 1U << 30U; }).find("gpu proposes"), std::string::npos);
    EXPECT_NE(why([](Layout& layout) { layout.memory_count = 2; }).find("not the image"), std::string::npos);
    gpu->lie = nullptr;
    device->constraints.max_size = 4096;
    EXPECT_NE(plan({gpu}).error().message().find("gpu proposes"), std::string::npos);
}

TEST_F(ImageHeaps, WhyOneCouldNotSayIsSaid)
{
    device->modifiers = {tiled};
    gpu->broken = true;
    const auto made = plan({gpu});
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().detail.find("it is gone"), std::string::npos) << made.error().message();
    gpu->broken = false;
    gpu->asked.clear();
    EXPECT_FALSE(plan({gpu}, {.prefer = {}, .forbid = {"gbm"}, .fall_back = true, .constraints = {}}));
    EXPECT_TRUE(gpu->asked.empty());
    request.lines_before = 2;
    EXPECT_FALSE(plan({gpu}));
    EXPECT_TRUE(gpu->asked.empty());
}

TEST_F(ImageHeaps, MustGiveTheMemoriesOfTheLayout)
{
    device->modifiers = {tiled};
    gpu->too_many = 1;
    const auto made = plan({gpu});
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().report->heaps.at(0).verdict.reason.find("it gave 2 memories for 1"), std::string::npos);
}

/// Such a heap has no buffer with an odd tail; so what it gives may be contiguous by luck.
TEST_F(ImageHeaps, LuckStaysOpenWhereThereIsOneSize)
{
    /// Refuses page orders, which come in the image's size and in a larger one, and takes the heap's memory.
    struct Picky final : Importer {
        struct Taking final : Trial {
            Verdict attempt(std::span<const int> /*memories*/) override
            {
                Verdict verdict = Verdict::proved("import", {});
                if (attempts++ < 2)
                    verdict = Verdict::refused(Error::from_errno(EFAULT, "import", "scattered"));
                return verdict;
            }
            int attempts = 0;
        };
        const std::string& name() const noexcept override { return name_; }
        Result<std::shared_ptr<const Support>> support(const Request& /*request*/) override
        {
            return std::make_shared<Support>(Support{{{xr24, tiled, Memories::single, {}}}});
        }
        Result<std::unique_ptr<Trial>> begin_trial(const Layout& /*layout*/) override
        {
            return std::make_unique<Taking>();
        }
        std::string name_ = "test:picky";
    };
    gpu->most = std::uint64_t{5376} * 720;
    for (const bool promised : {false, true}) {
        if (promised)
            gpu->info_.memory.contiguous = true;
        const auto made = Allocator({gpu}).plan(request, {Use(std::make_shared<Picky>())});
        ASSERT_TRUE(made) << made.error().message();
        EXPECT_EQ(made->chosen().verdict.outcome, promised ? Outcome::proved : Outcome::accepted);
        EXPECT_EQ(made->chosen().verdict.reason.find("no other size") == std::string::npos, promised)
            << made->chosen().verdict.reason;
    }
}

} // namespace
} // namespace commonbuf
