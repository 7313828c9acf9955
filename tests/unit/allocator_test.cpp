// SPDX-License-Identifier: MIT
//
// What an allocator makes of heaps and devices that a caller brings: the choice, what is
// remembered, what happens when a heap runs dry or a use comes later.
#include "buffer/buffer_state.hpp"
#include "explain/explain.hpp"
#include "fake/machine.hpp"
#include "plan/verdict_cache.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

namespace commonbuf {
namespace {

/// A region of memory that a caller brings.
class OwnHeap final : public Heap {
public:
    OwnHeap(fake::Machine& machine, std::string name, MemoryProperties memory) : machine_(machine)
    {
        info_.name = std::move(name);
        info_.kind = HeapKind::custom;
        info_.memory = memory;
    }

    const HeapInfo& info() const noexcept override { return info_; }

    Result<UniqueFd> allocate(std::uint64_t bytes) override
    {
        if (room == 0)
            return Error::out_of_memory("allocate from " + info_.name, "it is full");
        --room;
        ++allocations;
        return UniqueFd(machine_.add_dma_buf(bytes));
    }

    void rename_of(const std::string& name) { info_.same_as = name; }
    void pretend(HeapKind kind, const std::string& path)
    {
        info_.kind = kind;
        info_.path = path;
    }

    unsigned room = 1000;
    unsigned allocations = 0;

private:
    fake::Machine& machine_;
    HeapInfo info_;
};

/// A device that the kernel does not describe.
class OwnDevice final : public Importer {
public:
    explicit OwnDevice(std::string name) : name_(std::move(name)), identity_(name_ + " 1.0") {}

    const std::string& name() const noexcept override { return name_; }
    const std::string& identity() const noexcept override { return identity_; }

    Result<std::shared_ptr<const Support>> support(const Request&) override
    {
        return std::make_shared<const Support>(Support{entries});
    }

    Result<Layout> fit(const Layout& layout) override
    {
        Layout fitted = layout;
        fitted.memory_sizes[0] += padding;
        padding = 0;
        return fitted;
    }

    Result<std::unique_ptr<Trial>> begin_trial(const Layout&) override { return std::make_unique<OwnTrial>(*this); }

    /// Changes what the first entry asks for.
    template <typename Change>
    void ask(Change change)
    {
        Constraints asked = *entries[0].constraints;
        change(asked);
        entries[0].constraints = asked;
    }

    std::vector<Support::Entry> entries{{DRM_FORMAT_XRGB8888, linear, Memories::single, {}}};
    Verdict answer = Verdict::proved("MAP", "mapped");
    std::uint64_t padding = 0;
    unsigned trials = 0;

private:
    class OwnTrial final : public Trial {
    public:
        explicit OwnTrial(OwnDevice& device) : device_(device) {}
        Verdict attempt(std::span<const int>) override
        {
            ++device_.trials;
            return device_.answer;
        }

    private:
        OwnDevice& device_;
    };

    std::string name_;
    std::string identity_;
};

class AllocatorTest : public testing::Test {
protected:
    fake::Machine machine;
    std::shared_ptr<OwnHeap> plenty = own_heap("plenty", {.contiguous = false});
    std::shared_ptr<OwnHeap> region = own_heap("region", {.contiguous = true});
    std::shared_ptr<OwnHeap> secret = own_heap("secret", {});
    std::shared_ptr<OwnDevice> camera = std::make_shared<OwnDevice>("own:camera");
    std::shared_ptr<OwnDevice> codec = std::make_shared<OwnDevice>("own:codec");
    Allocator allocator{{plenty, region, secret}};
    Request request{DRM_FORMAT_XRGB8888, 1280, 720};

    std::shared_ptr<OwnHeap> own_heap(const char* name, const MemoryProperties& memory)
    {
        return std::make_shared<OwnHeap>(machine, name, memory);
    }

    static std::vector<std::string> order(const Report& report)
    {
        std::vector<std::string> names;
        for (const HeapVerdict& each : report.heaps)
            names.push_back(each.heap.name);
        return names;
    }
    static const Verdict& verdict(const Report& report, std::string_view heap)
    {
        return std::find_if(report.heaps.begin(), report.heaps.end(),
                            [heap](const HeapVerdict& each) { return each.heap.name == heap; })
            ->verdict;
    }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

using Names = std::vector<std::string>;

TEST_F(AllocatorTest, TheCallerPrefersAndForbids)
{
    const auto plain = allocator.plan(request, {Use(camera)});
    ASSERT_TRUE(plain) << plain.error().message();
    EXPECT_EQ(order(plain->report()), (Names{"plenty", "region", "secret"}));

    Preferences preferences;
    preferences.prefer = {"secret"};
    preferences.forbid = {"plenty"};
    const auto made = allocator.plan(request, {Use(camera)}, preferences);
    ASSERT_TRUE(made);
    EXPECT_EQ(order(made->report()), (Names{"secret", "region", "plenty"}));
    EXPECT_EQ(verdict(made->report(), "plenty").outcome, Outcome::not_tried);
    EXPECT_EQ(verdict(made->report(), "plenty").reason, "forbidden by the caller");

    preferences.forbid = {"custom"};
    const auto none = allocator.plan(request, {Use(camera)}, preferences);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().category, Category::incompatible);
    EXPECT_EQ(none.error().report->heaps.size(), 3U);
}

TEST_F(AllocatorTest, AHeapMoreIsRankedAsTheOthersAre)
{
    ASSERT_TRUE(allocator.add_heap(own_heap("extra", {})));
    const auto plan = allocator.plan(request, {Use(camera)});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(order(plan->report()), (Names{"extra", "plenty", "region", "secret"}));

    // Those that the machine has are found first, and stay.
    machine.add_heap("system");
    Allocator all;
    ASSERT_TRUE(all.add_heap(plenty));
    const auto twice = all.add_heap(own_heap("system", {}));
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().category, Category::invalid_argument);
    EXPECT_NE(twice.error().detail.find("system"), std::string::npos);
    EXPECT_FALSE(all.add_heap(nullptr));
    EXPECT_EQ(all.heaps().size(), find_heaps().size() + 1);
}

TEST_F(AllocatorTest, ARegionIsForbiddenByEachOfItsNames)
{
    auto alias = std::make_shared<OwnHeap>(machine, "old_name", MemoryProperties{});
    alias->rename_of("region");
    Allocator named({region, alias});
    ASSERT_TRUE(named.plan(request, {Use(camera)}));
    EXPECT_FALSE(named.plan(request, {Use(camera)}, {.forbid = {"old_name"}}));
    EXPECT_FALSE(named.plan(request, {Use(camera)}, {.forbid = {"region"}}));
}

TEST_F(AllocatorTest, WhatTheCallerKnowsOfHardwareDecidesWithoutATrial)
{
    Preferences preferences;
    preferences.constraints.contiguous = true;
    preferences.constraints.add_origin({Constraint::contiguous, 1, "isp", "its manual"});
    const auto made = allocator.plan(request, {Use(camera)}, preferences);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(order(made->report()), (Names{"region", "secret", "plenty"}));
    EXPECT_EQ(verdict(made->report(), "region").outcome, Outcome::proved);
    EXPECT_EQ(verdict(made->report(), "secret").outcome, Outcome::accepted); // it may be, or not
    EXPECT_EQ(verdict(made->report(), "plenty").outcome, Outcome::refused);
    EXPECT_NE(verdict(made->report(), "plenty").reason.find("isp (its manual)"), std::string::npos);
    EXPECT_EQ(plenty->allocations, 0U);

    preferences.constraints.stride_align = 0;
    EXPECT_EQ(allocator.plan(request, {Use(camera)}, preferences).error().category, Category::invalid_argument);
}

TEST_F(AllocatorTest, WhatIsKnownIsNotTriedAgain)
{
    ASSERT_TRUE(allocator.plan(request, {Use(camera)}));
    const unsigned trials = camera->trials;
    const unsigned allocations = plenty->allocations;
    const auto again = allocator.plan(request, {Use(camera)});
    ASSERT_TRUE(again);
    EXPECT_EQ(camera->trials, trials);
    EXPECT_EQ(plenty->allocations, allocations);
    EXPECT_EQ(again->chosen().uses[0].verdict.reason, "mapped");
    // Another layout is another question, and so is another use.
    request.height = 480;
    ASSERT_TRUE(allocator.plan(request, {Use(camera)}));
    EXPECT_GT(camera->trials, trials);
    const unsigned more = camera->trials;
    ASSERT_TRUE(allocator.plan(request, {Use(camera), Use(codec)}));
    EXPECT_EQ(camera->trials, more);
    EXPECT_GT(codec->trials, 0U);
}

TEST_F(AllocatorTest, WhatFailsForWantOfSomethingIsTriedAgain)
{
    camera->answer = Verdict::refused(Error::from_errno(EBUSY, "MAP", "busy"));
    EXPECT_FALSE(allocator.plan(request, {Use(camera)}));
    camera->answer = Verdict::proved("MAP", "mapped");
    EXPECT_TRUE(allocator.plan(request, {Use(camera)}));
}

TEST_F(AllocatorTest, ALaterRefusalThrowsTheVerdictOut)
{
    std::vector<std::string> messages;
    set_log([&](std::string_view message) { messages.emplace_back(message); });
    const auto made = allocator.plan(request, {Use(camera)});
    ASSERT_TRUE(made);
    const auto buffer = made->allocate();
    ASSERT_TRUE(buffer) << buffer.error().message();
    buffer->state().import_failed({camera->identity()}, Error::from_errno(EFAULT, "QUEUE", "scattered"));
    set_log(nullptr);
    ASSERT_EQ(messages.size(), 1U);
    EXPECT_NE(messages[0].find("own:camera 1.0 refused memory of plenty"), std::string::npos) << messages[0];

    // Even if a trial would pass again: what happened at work counts for more.
    const auto again = allocator.plan(request, {Use(camera)});
    ASSERT_TRUE(again);
    EXPECT_EQ(order(again->report())[0], "region"); // of which nobody said anything
    EXPECT_EQ(verdict(again->report(), "plenty").sys_errno, EFAULT);
    EXPECT_EQ(verdict(again->report(), "plenty").call, "QUEUE");
}

TEST_F(AllocatorTest, VerdictsOutliveTheProcessUnderOneBoot)
{
    machine.add_text("/proc/sys/kernel/random/boot_id", "one\n");
    ASSERT_TRUE(allocator.remember_in("/var/verdicts"));
    ASSERT_TRUE(allocator.plan(request, {Use(camera)}));
    const unsigned trials = camera->trials;

    Allocator other({plenty, region, secret});
    ASSERT_TRUE(other.remember_in("/var/verdicts"));
    const auto known = other.plan(request, {Use(camera)});
    ASSERT_TRUE(known);
    EXPECT_EQ(camera->trials, trials);
    EXPECT_EQ(known->chosen().uses[0].verdict.reason, "mapped");

    machine.add_text("/proc/sys/kernel/random/boot_id", "two\n");
    Allocator third({plenty, region, secret});
    ASSERT_TRUE(third.remember_in("/var/verdicts"));
    ASSERT_TRUE(third.plan(request, {Use(camera)}));
    EXPECT_GT(camera->trials, trials);
}

TEST_F(AllocatorTest, WhatOneProcessThrewOutAnotherDoesNotBringBack)
{
    machine.add_text("/proc/sys/kernel/random/boot_id", "one\n");
    ASSERT_TRUE(allocator.remember_in("/v"));
    const auto made = allocator.plan(request, {Use(camera)});
    ASSERT_TRUE(made);
    Allocator other({plenty, region, secret});
    ASSERT_TRUE(other.remember_in("/v"));
    made->allocate()->state().import_failed({camera->identity()}, Error::from_errno(EFAULT, "QUEUE", "scattered"));
    // The other one still has it in mind, and learns something else.
    ASSERT_TRUE(other.plan(request, {Use(codec)}));

    Allocator third({plenty, region, secret});
    ASSERT_TRUE(third.remember_in("/v"));
    const unsigned of_camera = camera->trials;
    const unsigned of_codec = codec->trials;
    // The refusal is known to it, and no reason to try again.
    const auto later = third.plan(request, {Use(camera), Use(codec)});
    ASSERT_TRUE(later);
    EXPECT_EQ(verdict(later->report(), "plenty").call, "QUEUE");
    EXPECT_EQ(camera->trials, of_camera);
    EXPECT_EQ(codec->trials, of_codec);
}

TEST_F(AllocatorTest, VerdictsGoIntoRegularFilesOnly)
{
    machine.add_pipe("/dev/null");
    const std::size_t before = machine.calls().size();
    const Status kept = allocator.remember_in("/dev/null");
    ASSERT_FALSE(kept);
    EXPECT_EQ(kept.error().category, Category::invalid_argument);
    EXPECT_NE(kept.error().message().find("not a regular file"), std::string::npos) << kept.error().message();
    EXPECT_EQ(machine.calls().size(), before + 1) << "it only looks";
}

TEST_F(AllocatorTest, AFileOfVerdictsIsNotBelievedBlindly)
{
    machine.add_text("/proc/sys/kernel/random/boot_id", "one\n");
    machine.add_text("/notes", "milk, bread\n");
    EXPECT_EQ(allocator.remember_in("/notes").error().category, Category::invalid_argument);
    const std::string layout = class_of(*linear_layout(request, 5120, Memories::single));
    const std::string key = "own:camera 1.0\tplenty\t" + layout + "\t";
    const std::string head = "commonbuf verdicts 4\nboot one\n" + key;
    for (const char* rest :
         {"", "refused", "refused\tkernel-failure\t14\t\t\t\tMAP", "perfect\t\t0\t\t\t\tMAP\tfine",
          "refused\tkernel-failure\t9999999999999\t\t\t\tMAP\tfine", "refused\tkernel-failure\t14\t-1\t\t\tMAP\tfine",
          "refused\tbad-mood\t14\t\t\t\tMAP\tfine", "refused\tkernel-failure\t14\t\t\tcolour\tMAP\tfine",
          "refused\tbusy\t16\t\t\t\tMAP\tit does not last"}) {
        machine.add_text("/v", head + rest + "\n\t\t\t\n");
        Allocator reader({plenty});
        ASSERT_TRUE(reader.remember_in("/v"));
        EXPECT_TRUE(reader.plan(request, {Use(camera)})) << rest;
    }
    // The same line, whole, counts: so the others were not left out for another reason.
    machine.add_text("/v", head + "refused\tkernel-failure\t14\t8192\t4096\tmax_size\tMAP\tfrom the file\n");
    Allocator reader({plenty});
    ASSERT_TRUE(reader.remember_in("/v"));
    const auto refused = reader.plan(request, {Use(camera)});
    ASSERT_FALSE(refused);
    const Verdict& known = verdict(*refused.error().report, "plenty");
    EXPECT_EQ(known.reason, "from the file");
    EXPECT_EQ(known.category, Category::kernel_failure);
    EXPECT_EQ(known.constraint, Constraint::max_size);
    EXPECT_EQ(known.needed, 8192U);
    EXPECT_EQ(known.offered, 4096U);
    // A file of another version is ours, and counts for nothing.
    machine.add_text("/v", "commonbuf verdicts 2\nboot one\n" + key +
                               "refused\tkernel-failure\t14\t8192\t4096\tmax_size\tMAP\tfrom the file\n");
    Allocator newer({plenty});
    ASSERT_TRUE(newer.remember_in("/v"));
    EXPECT_TRUE(newer.plan(request, {Use(camera)}));
}

TEST_F(AllocatorTest, ADryHeapMakesWayUnlessForbidden)
{
    std::vector<std::string> messages;
    set_log([&](std::string_view message) { messages.emplace_back(message); });
    const auto made = allocator.plan(request, {Use(camera)});
    Preferences alone;
    alone.fall_back = false;
    const auto strict = allocator.plan(request, {Use(camera)}, alone);
    ASSERT_TRUE(made && strict);
    plenty->room = 0;
    const auto buffer = made->allocate();
    set_log(nullptr);
    ASSERT_TRUE(buffer);
    EXPECT_EQ(buffer->heap(), "region");
    EXPECT_NE(buffer->fallback().find("plenty"), std::string::npos);
    ASSERT_EQ(messages.size(), 1U);
    EXPECT_NE(messages[0].find("a buffer comes from region"), std::string::npos) << messages[0];

    const auto none = strict->allocate();
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().category, Category::out_of_memory);
    EXPECT_NE(none.error().message().find("without fall-back"), std::string::npos) << none.error().message();
}

TEST_F(AllocatorTest, AUseThatComesLater)
{
    const auto made = allocator.plan(request, {Use(camera)});
    ASSERT_TRUE(made);
    const auto buffer = made->allocate();
    ASSERT_TRUE(buffer);
    const auto both = allocator.add(*made, Use(codec));
    ASSERT_TRUE(both) << both.error().message();
    EXPECT_EQ(both->report().uses, (Names{"own:camera", "own:codec"}));
    EXPECT_EQ(both->layout(), made->layout());
    ASSERT_EQ(both->chosen().uses.size(), 2U);
    EXPECT_TRUE(both->serves(*buffer)) << both->serves(*buffer).error().message();
}

TEST_F(AllocatorTest, AUseThatComesLaterAndCannotUseWhatIsThere)
{
    const auto made = allocator.plan(request, {Use(camera)});
    ASSERT_TRUE(made);
    const auto why_not = [&](auto change) {
        auto late = std::make_shared<OwnDevice>("own:late");
        change(*late);
        const auto more = allocator.add(*made, Use(late));
        EXPECT_TRUE(more || more.error().category == Category::incompatible) << more.error().message();
        EXPECT_TRUE(more || more.error().report != nullptr);
        return more ? std::string("fine") : more.error().message();
    };
    EXPECT_EQ(why_not([](OwnDevice&) {}), "fine");
    EXPECT_NE(
        why_not([](OwnDevice& late) { late.entries[0].format = DRM_FORMAT_NV12; }).find("it does not take XR24 LINEAR"),
        std::string::npos);
    EXPECT_NE(why_not([](OwnDevice& late) {
                  late.ask([](Constraints& asked) { asked.stride_align = 4096; });
              }).find("a stride of 5120 is not a multiple of 4096"),
              std::string::npos);
    EXPECT_NE(why_not([](OwnDevice& late) { late.padding = 4096; }).find("it needs"), std::string::npos);
}

TEST_F(AllocatorTest, AUseThatComesLaterIsNotSaidToTakeWhatItNeverSaw)
{
    // Of `secret` less is known: it stands below, and serves nobody.
    camera->ask([](Constraints& asked) { asked.contiguous = true; });
    const auto made = allocator.plan(request, {Use(camera)});
    ASSERT_TRUE(made);
    ASSERT_EQ(verdict(made->report(), "secret").outcome, Outcome::accepted);
    codec->answer = Verdict::refused(Error::from_errno(EFAULT, "MAP", "no"));
    const auto both = allocator.add(*made, Use(codec));
    ASSERT_FALSE(both);
    EXPECT_EQ(verdict(*both.error().report, "secret").outcome, Outcome::not_tried);
}

TEST_F(AllocatorTest, AUseThatComesLaterMayTakeOtherHeapsOnly)
{
    const auto made = allocator.plan(request, {Use(camera)});
    ASSERT_TRUE(made);
    const auto buffer = made->allocate();
    codec->ask([](Constraints& asked) { asked.contiguous = true; });
    const auto both = allocator.add(*made, Use(codec));
    ASSERT_TRUE(both) << both.error().message();
    EXPECT_EQ(both->chosen().heap.name, "region");
    const Status serves = both->serves(*buffer);
    ASSERT_FALSE(serves);
    EXPECT_NE(serves.error().message().find("the memory is scattered"), std::string::npos) << serves.error().message();
    EXPECT_TRUE(both->serves(*both->allocate()));
    // Of a buffer with another layout, or from nowhere, the same is said.
    request.width = 640;
    const auto smaller = allocator.plan(request, {Use(camera)});
    EXPECT_FALSE(both->serves(*smaller->allocate()));
}

TEST_F(AllocatorTest, WithoutASharedWayTheNearestConversionIsNamed)
{
    codec->entries = {{DRM_FORMAT_NV12, linear, Memories::single, {}}, {DRM_FORMAT_NV16, linear, Memories::single, {}}};
    request.alternatives = {DRM_FORMAT_NV12};
    const auto made = allocator.plan(request, {Use(camera), Use(codec)});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().category, Category::incompatible);
    ASSERT_TRUE(made.error().report->nearest);
    const std::string nearest = explain::describe(*made.error().report->nearest, 2);
    EXPECT_EQ(nearest, "nearest is XR24 LINEAR, which 1 of 2 uses take: own:codec lacks it (it has NV12 LINEAR, "
                       "NV16 LINEAR)");
    EXPECT_NE(made.error().report->explain().find(nearest), std::string::npos);
    EXPECT_NE(made.error().detail.find(nearest), std::string::npos) << made.error().detail;
}

TEST_F(AllocatorTest, TheCpuThatReadsOftenWantsItsCaches)
{
    auto cached = own_heap("cached", {.cached = true});
    auto uncached = own_heap("uncached", {.cached = false});
    Allocator two({uncached, cached});
    const Preferences preferences{.prefer = {"uncached"}};
    EXPECT_EQ(two.plan(request, {Use(camera)}, preferences)->chosen().heap.name, "uncached");
    codec->ask([](Constraints& asked) { asked.cached = Choice::with; });
    EXPECT_EQ(two.plan(request, {Use(camera), Use(codec)}, preferences)->chosen().heap.name, "cached");
}

TEST_F(AllocatorTest, OfAHeapThatSomebodyBringsItIsNotKnownWhoElseHasItsMemory)
{
    region->pretend(HeapKind::dma_heap, "/dev/dma_heap/region");
    Allocator one({region});
    const auto plan = one.plan(request, {Use(camera)});
    ASSERT_TRUE(plan) << plan.error().message();
    const Buffer buffer = plan->allocate().value();
    const auto work = machine.add_fence("camera");
    Job job("camera");
    job.writes(buffer);
    ASSERT_TRUE(job.publish(Fence::from_fd(UniqueFd(machine.sync_file(work))).value()));
    EXPECT_EQ(machine.count("DMA_BUF_IOCTL_IMPORT_SYNC_FILE"), 1U) << "others see it in the dma-buf";
    work->status = 1;
}

} // namespace
} // namespace commonbuf
