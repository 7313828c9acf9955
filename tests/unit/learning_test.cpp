// SPDX-License-Identifier: MIT
//
// What counts later: what failed for a passing reason is forgotten, what a device refused at work or showed by
// content is remembered, and nothing is remembered of one device that is another's.
#include "fake/machine.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>

namespace commonbuf {
namespace {

using namespace std::chrono_literals;

/// A device that answers as the test says, to memory and to content.
class TestDevice final : public Importer, public Verifiable {
public:
    using Answer = std::function<Verdict(std::span<const int> memories)>;
    explicit TestDevice(Answer answer, std::string identity = "own:device 1.0")
        : answer_(std::move(answer)),
          identity_(std::move(identity))
    {}

    const std::string& name() const noexcept override { return name_; }
    const std::string& identity() const noexcept override { return identity_; }

    Result<std::shared_ptr<const Support>> support(const Request& request) override
    {
        return std::make_shared<const Support>(Support{{{request.format, linear, Memories::single, {}}}});
    }
    Result<std::unique_ptr<Trial>> begin_trial(const Layout&) override
    {
        if (begins)
            begins();
        return std::make_unique<TestTrial>(*this);
    }
    Result<Content> verify(std::span<const Buffer> buffers, std::uint32_t frames, Deadline) override
    {
        Content content = shows(buffers);
        content.frames = frames;
        content.stage = "frames in its own memory";
        return content;
    }

    std::function<Content(std::span<const Buffer>)> shows = [](auto) { return Content{.result = Sameness::same}; };
    std::function<void()> begins;
    unsigned trials = 0;

private:
    class TestTrial final : public Trial {
    public:
        explicit TestTrial(TestDevice& device) : device_(device) {}
        Verdict attempt(std::span<const int> memories) override
        {
            ++device_.trials;
            return device_.answer_(memories);
        }

    private:
        TestDevice& device_;
    };

    Answer answer_;
    std::string name_ = "own:device";
    std::string identity_;
};

class LearningTest : public testing::Test {
protected:
    fake::Machine machine;
    Request request{DRM_FORMAT_XRGB8888, 1280, 720};

    LearningTest() { machine.add_text("/proc/sys/kernel/random/boot_id", "one\n"); }

    static const HeapVerdict& verdict(const Report& report, std::string_view heap)
    {
        const auto found = std::ranges::find(report.heaps, heap, [](const auto& each) { return each.heap.name; });
        if (found == report.heaps.end())
            throw std::runtime_error("no verdict on " + std::string(heap));
        return *found;
    }

    static TestDevice::Answer accepting()
    {
        return [](auto) { return Verdict::accepted("TAKE", "took it"); };
    }

    /// Refuses memory of fewer bytes.
    TestDevice::Answer wanting(std::uint64_t bytes)
    {
        return [this, bytes](std::span<const int> memories) {
            const auto size = static_cast<std::uint64_t>(machine.dma_buf(memories[0])->size());
            return size >= bytes ? Verdict::accepted("IMPORT", "took it")
                                 : Verdict::refused(Error::incompatible("IMPORT", "VK_ERROR_INVALID_EXTERNAL_HANDLE"));
        };
    }

    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }
};

struct Devices {
    const char* name;
    bool needs_contiguous;
    bool checks_at_import;
};

/// A plan with a file of verdicts on a machine of these devices. The answer of a process of its own.
Result<Plan> plan_in_a_process()
{
    const auto camera = v4l2::Device::open("/dev/video0");
    const auto display = drm::Device::open("/dev/dri/card0");
    if (!camera || !display)
        return camera ? display.error() : camera.error();
    Allocator allocator;
    if (const Status kept = allocator.remember_in("/verdicts"); !kept)
        return kept.error();
    return allocator.plan({DRM_FORMAT_XRGB8888, 1280, 720}, {camera->capture(), display->scanout(), cpu(Access::read)});
}

void furnish(fake::Machine& machine, const Devices& devices)
{
    machine.add_text("/proc/sys/kernel/random/boot_id", "one\n");
    machine.add_heap("region", {.contiguous = true});
    machine.add_heap("system");
    machine.add_udmabuf();
    machine.add_camera("video0", {.needs_contiguous = devices.needs_contiguous, .formats = {V4L2_PIX_FMT_XBGR32}});
    machine.add_card("card0", {.checks_at_import = devices.checks_at_import, .formats = {DRM_FORMAT_XRGB8888}});
}

/// For every call and errno: whatever failed once, the next process is told what a healthy machine tells.
TEST(PassingFailures, ChangeNothingThatIsToldLater)
{
    for (const Devices& devices :
         {Devices{"contiguous camera", true, false}, Devices{"strict display", false, true},
          Devices{"all take scattered memory", false, false}, Devices{"all need contiguous memory", true, true}}) {
        std::vector<std::string> calls;
        std::optional<Report> healthy;
        std::string told;
        {
            fake::Machine machine;
            furnish(machine, devices);
            ASSERT_TRUE(plan_in_a_process()) << devices.name;
            calls = machine.calls();
            const auto again = plan_in_a_process();
            ASSERT_TRUE(again);
            healthy = again->report();
            told = again->explain();
        }
        for (std::size_t call = 0; call < calls.size(); ++call) {
            for (const int error : {EIO, ENOMEM, EMFILE, ENODEV}) {
                // mmap(2) says by it that there is nothing to map, which is an answer.
                if (calls[call] == "mmap" && error == ENODEV)
                    continue;
                fake::Machine machine;
                furnish(machine, devices);
                machine.fail(call, error);
                const auto first = plan_in_a_process();
                const std::string where = std::string(devices.name) + ": " + machine.calls().at(call) + " (call " +
                                          std::to_string(call) + ") with " + errno_name(error);
                // What is told meanwhile is never better than the truth.
                if (first) {
                    for (const HeapVerdict& heap : first->report().heaps) {
                        const auto known = std::ranges::find(healthy->heaps, heap.heap.name,
                                                             [](auto& each) { return each.heap.name; });
                        ASSERT_NE(known, healthy->heaps.end()) << where;
                        // Not tried claims nothing.
                        if (heap.verdict.outcome == Outcome::not_tried)
                            continue;
                        EXPECT_GE(heap.verdict.outcome, known->verdict.outcome) << where << "\n" << first->explain();
                    }
                    EXPECT_LE(first->report().constraints.contiguous, healthy->constraints.contiguous) << where;
                }
                const auto second = plan_in_a_process();
                ASSERT_TRUE(second) << where << ": " << second.error().message();
                EXPECT_TRUE(second->report() == *healthy) << where << "\n"
                                                          << second->explain() << "in place of\n"
                                                          << told;
            }
        }
    }
}

TEST_F(LearningTest, ATrialThatFailedForAnotherReasonIsUndecided)
{
    machine.add_heap("system");
    for (const int error : {EIO, ENOMEM, EINTR, EAGAIN, ETIMEDOUT, EBUSY}) {
        auto device = std::make_shared<TestDevice>(
            [error](auto) { return Verdict::refused(Error::from_errno(error, "TAKE", "no")); });
        const auto made = Allocator().plan(request, {Use(device)});
        ASSERT_FALSE(made) << errno_name(error);
        EXPECT_EQ(made.error().category, Error::from_errno(error, "TAKE").category) << made.error().message();
        const Verdict& system = verdict(*made.error().report, "system").uses[0].verdict;
        EXPECT_EQ(system.outcome, Outcome::not_tried) << errno_name(error);
        EXPECT_TRUE(system.reason.starts_with("could not be tried: ")) << system.reason;
        EXPECT_EQ(system.sys_errno, error);
        EXPECT_FALSE(made.error().report->constraints.contiguous);
    }
    for (const int error : {EFAULT, EINVAL, EOPNOTSUPP, ERANGE, EREMOTEIO}) {
        auto device = std::make_shared<TestDevice>(
            [error](auto) { return Verdict::refused(Error::from_errno(error, "TAKE", "no")); });
        const auto made = Allocator().plan(request, {Use(device)});
        ASSERT_FALSE(made);
        EXPECT_EQ(verdict(*made.error().report, "system").verdict.outcome, Outcome::refused) << errno_name(error);
    }
}

TEST(PassingFailures, WithoutDescriptorsThereIsNoPlanInsteadOfAWorseOne)
{
    for (const char* call : {"DMA_HEAP_IOCTL_ALLOC", "UDMABUF_CREATE_LIST", "memfd_create", "list"}) {
        fake::Machine machine;
        machine.add_heap("system");
        machine.add_heap("region", {.contiguous = true});
        machine.add_udmabuf();
        auto device = std::make_shared<TestDevice>([](auto) { return Verdict::accepted("TAKE", "took it"); });
        machine.fail_all(call, EMFILE);
        const auto made = Allocator().plan({DRM_FORMAT_XRGB8888, 1280, 720}, {Use(device)});
        ASSERT_FALSE(made) << call;
        EXPECT_EQ(made.error().category, Category::too_many_files) << call << ": " << made.error().message();
        EXPECT_NE(made.error().message().find("ulimit"), std::string::npos) << made.error().message();
        EXPECT_EQ(machine.leaks(), "");
    }
}

TEST_F(LearningTest, DescriptorsThatRanOutWhileHeapsWereFoundAreNoObstacleLater)
{
    machine.add_heap("system");
    machine.add_udmabuf();
    for (const char* call : {"access", "open", "list"}) {
        Allocator allocator;
        machine.fail_all(call, EMFILE);
        const auto made = allocator.plan(request, {cpu(Access::read)});
        EXPECT_TRUE(made || made.error().category == Category::too_many_files) << call;
        machine.fail_all(call, 0);
        const auto later = allocator.plan(request, {cpu(Access::read)});
        ASSERT_TRUE(later) << call;
        EXPECT_EQ(later->report().heaps.size(), 2U) << call;
    }
}

TEST_F(LearningTest, ARefusalAtWorkMakesTheNextPlanAnotherOne)
{
    machine.add_heap("system");
    machine.add_heap("region", {.contiguous = true});
    auto& card = machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}});
    card.display.present = true;
    const auto device = drm::Device::open("/dev/dri/card0");
    ASSERT_TRUE(device);
    Allocator allocator;
    ASSERT_TRUE(allocator.remember_in("/v"));
    const auto made = allocator.plan(request, {device->scanout()});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->chosen().heap.name, "system");
    const auto buffer = made->allocate();
    ASSERT_TRUE(buffer);
    const auto display = drm::Display::choose(*device);
    ASSERT_TRUE(display) << display.error().message();
    auto queue = drm::CommitQueue::create(*display).value();
    card.display.refusal = [](const auto&) { return EINVAL; };
    const auto done = queue.commit(drm::Commit(*display).enable().show(display->primary(), *buffer), deadline_in(1s));
    ASSERT_FALSE(done);
    EXPECT_TRUE(allocator.refuted(*made, device->scanout(), done.error()));

    // Also in another process.
    Allocator other;
    ASSERT_TRUE(other.remember_in("/v"));
    for (Allocator* each : {&allocator, &other}) {
        const auto again = each->plan(request, {device->scanout()});
        ASSERT_TRUE(again) << again.error().message();
        EXPECT_EQ(again->chosen().heap.name, "region");
        const Verdict& system = verdict(again->report(), "system").verdict;
        EXPECT_EQ(system.outcome, Outcome::refused);
        EXPECT_EQ(system.sys_errno, EINVAL);
        EXPECT_NE(again->explain().find("refused it at work"), std::string::npos) << again->explain();
    }
}

TEST_F(LearningTest, WhatMayPassRefutesNothing)
{
    machine.add_heap("system");
    auto device = std::make_shared<TestDevice>(accepting());
    Allocator allocator;
    const auto made = allocator.plan(request, {Use(device)});
    ASSERT_TRUE(made);
    for (const int error : {EIO, ENOMEM, EBUSY, EINTR, EACCES, ENODEV})
        EXPECT_FALSE(allocator.refuted(*made, Use(device), Error::from_errno(error, "COMMIT"))) << errno_name(error);
    EXPECT_EQ(allocator.plan(request, {Use(device)})->chosen().heap.name, "system");
}

/// What one plane showed, or refused, says nothing of another, nor of a writeback.
TEST_F(LearningTest, EachUseOfACardHasVerdictsOfItsOwn)
{
    auto& card = machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}});
    card.display.present = true;
    const auto device = drm::Device::open("/dev/dri/card0");
    ASSERT_TRUE(device);
    const auto resources = drm::display_resources(*device);
    ASSERT_TRUE(resources) << resources.error().message();
    std::vector<std::string> identities;
    for (const Use& use :
         {device->scanout(), device->scanout(drm::PlaneType::overlay), device->scanout(drm::PlaneType::cursor),
          device->scanout(resources->planes.front()), device->async_scanout(), device->writeback()})
        identities.push_back(use.identity());
    std::ranges::sort(identities);
    EXPECT_EQ(std::ranges::adjacent_find(identities), identities.end());
}

/// Two plans that want two devices in two orders would wait for each other.
TEST_F(LearningTest, DevicesAreTriedInOneOrder)
{
    machine.add_heap("system");
    std::vector<std::string> order;
    const auto device = [&](const std::string& identity) {
        auto made = std::make_shared<TestDevice>(accepting(), identity);
        made->begins = [&order, identity] { order.push_back(identity); };
        return made;
    };
    const auto one = device("one");
    const auto two = device("two");
    ASSERT_TRUE(Allocator().plan(request, {Use(one), Use(two)}));
    ASSERT_TRUE(Allocator().plan(request, {Use(two), Use(one)}));
    EXPECT_EQ(order, (std::vector<std::string>{"one", "two", "one", "two"}));
}

TEST_F(LearningTest, BuffersThatCouldNotBeHadForAPassingReasonDecideNothing)
{
    machine.add_heap("reserved", {.contiguous = true});
    request.count = 8;
    for (const auto& [error, category] :
         {std::pair(EMFILE, Category::too_many_files), std::pair(EIO, Category::device_failed)}) {
        auto device = std::make_shared<TestDevice>(accepting());
        ASSERT_TRUE(Allocator().plan(request, {Use(device)}));
        const std::size_t before = machine.calls().size();
        ASSERT_TRUE(Allocator().plan(request, {Use(device)}));
        const auto all = machine.calls();
        std::vector<std::size_t> allocations;
        for (std::size_t i = before; i < all.size(); ++i) {
            if (all[i] == "DMA_HEAP_IOCTL_ALLOC")
                allocations.push_back(i - before);
        }
        ASSERT_GT(allocations.size(), request.count) << "after those of the trials, one for each buffer";
        machine.fail(all.size() + allocations.at(allocations.size() - 4), error);
        const auto made = Allocator().plan(request, {Use(device)});
        ASSERT_FALSE(made) << errno_name(error);
        EXPECT_EQ(made.error().category, category) << made.error().message();
    }
}

TEST_F(LearningTest, WhatACallerSaysWrongOfTheContentIsNoFaultOfTheMemory)
{
    machine.add_heap("system");
    machine.add_heap("region", {.contiguous = true});
    machine.add_camera("video0", {.output = true, .formats = {V4L2_PIX_FMT_XBGR32}});
    const auto device = v4l2::Device::open("/dev/video0");
    ASSERT_TRUE(device);
    Allocator allocator;
    const auto made = allocator.plan(request, {device->output()});
    ASSERT_TRUE(made);
    {
        const auto buffer = made->allocate();
        auto queue = device->open_queue(v4l2::Role::output, made->layout(), 2);
        ASSERT_TRUE(buffer && queue);
        machine.fail_all("VIDIOC_QBUF", EINVAL);
        ASSERT_FALSE(queue->queue(*buffer, {.field = V4L2_FIELD_BOTTOM}));
        ASSERT_FALSE(queue->queue(*buffer, {.bytes_used = {16}}));
        machine.fail_all("VIDIOC_QBUF", 0);
    }
    EXPECT_EQ(allocator.plan(request, {device->output()})->chosen().heap.name, "system");
}

TEST_F(LearningTest, WhatAQueueRefusesIsNotPlannedAgain)
{
    machine.add_heap("system");
    machine.add_heap("region", {.contiguous = true});
    auto& camera = machine.add_camera("video0", {.formats = {V4L2_PIX_FMT_XBGR32}});
    const auto device = v4l2::Device::open("/dev/video0");
    ASSERT_TRUE(device);
    Allocator allocator;
    const auto made = allocator.plan(request, {device->capture()});
    ASSERT_TRUE(made);
    EXPECT_EQ(made->chosen().heap.name, "system");
    const auto buffer = made->allocate();
    {
        auto queue = device->open_queue(v4l2::Role::capture, made->layout(), 2);
        ASSERT_TRUE(buffer && queue);
        camera.needs_contiguous = true; // a rule that the trial did not meet
        ASSERT_FALSE(queue->queue(*buffer));
        camera.needs_contiguous = false;
    }
    const auto again = allocator.plan(request, {device->capture()});
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->chosen().heap.name, "region");
    EXPECT_EQ(verdict(again->report(), "system").uses[0].verdict.call, "VIDIOC_QBUF");
}

TEST_F(LearningTest, ContentThatIsTheSameIsMoreThanAProof)
{
    machine.add_heap("system");
    machine.add_udmabuf();
    auto device = std::make_shared<TestDevice>(accepting());
    Allocator allocator;
    ASSERT_TRUE(allocator.remember_in("/v"));
    const auto made = allocator.plan(request, {Use(device)});
    ASSERT_TRUE(made);
    EXPECT_EQ(made->chosen().verdict.outcome, Outcome::accepted);
    std::size_t looks = 0;
    device->shows = [&looks](auto) {
        ++looks;
        return Content{.result = Sameness::same};
    };
    const auto verified = allocator.verify(*made, {Use(device)}, {.frames = 8});
    ASSERT_TRUE(verified) << verified.error().message();
    EXPECT_EQ(looks, 2U) << "these buffers, and memory that certainly has breaks";
    for (const UseContent& use : verified->uses)
        EXPECT_EQ(use.verdict.outcome, Outcome::verified) << use.use << ": " << use.verdict.reason;

    Allocator other;
    ASSERT_TRUE(other.remember_in("/v"));
    const auto again = other.plan(request, {Use(device)});
    ASSERT_TRUE(again);
    EXPECT_EQ(again->chosen().verdict.outcome, Outcome::verified) << again->explain();
    EXPECT_NE(again->explain().find("8 frames compared with frames in its own memory"), std::string::npos)
        << again->explain();
    EXPECT_EQ(report_from_json(to_json(again->report())).value(), again->report());
    EXPECT_TRUE(again->allocate());
}

TEST_F(LearningTest, ContentOfAPartOrOfSomeBuffersIsNoProof)
{
    machine.add_heap("system");
    machine.add_udmabuf();
    auto device = std::make_shared<TestDevice>(accepting());
    Allocator allocator;
    const auto made = allocator.plan(request, {Use(device)});
    ASSERT_TRUE(made);
    const auto outcome = [&](std::uint32_t frames) {
        return allocator.verify(*made, {Use(device)}, {.frames = frames})->uses[0].verdict.outcome;
    };
    EXPECT_EQ(outcome(1), Outcome::not_tried) << "there are four buffers";
    device->shows = [](auto) {
        return Content{.result = Sameness::same, .reason = "only the first 640x480 pixels were compared"};
    };
    EXPECT_EQ(outcome(8), Outcome::not_tried);
    device->shows = [](auto) { return Content{.result = Sameness::same}; };
    EXPECT_EQ(outcome(8), Outcome::verified);
}

TEST_F(LearningTest, ContentInMemoryThatMayBeInOnePieceByLuckIsNotRemembered)
{
    machine.add_heap("system");
    auto device = std::make_shared<TestDevice>(accepting());
    Allocator allocator;
    const auto made = allocator.plan(request, {Use(device)});
    ASSERT_TRUE(made);
    const auto without = allocator.verify(*made, {Use(device)}, {.frames = 8});
    ASSERT_TRUE(without);
    EXPECT_EQ(without->uses[0].verdict.outcome, Outcome::not_tried);
    EXPECT_NE(without->uses[0].verdict.reason.find("breaks"), std::string::npos) << without->uses[0].verdict.reason;

    // It shows the first piece right only: as long as the memory has one piece, all is well.
    machine.add_udmabuf();
    device->shows = [](std::span<const Buffer> buffers) {
        return Content{.result = buffers[0].heap().empty() ? Sameness::different : Sameness::same, .wrong_bytes = 7};
    };
    const auto with = allocator.verify(*made, {Use(device)}, {.frames = 8});
    ASSERT_TRUE(with);
    EXPECT_EQ(with->uses[0].content.result, Sameness::same);
    EXPECT_EQ(with->uses[0].verdict.outcome, Outcome::refused) << with->uses[0].verdict.reason;
}

TEST_F(LearningTest, ContentThatIsDifferentMakesTheNextPlanAnotherOne)
{
    machine.add_heap("system");
    machine.add_heap("region", {.contiguous = true});
    auto device = std::make_shared<TestDevice>([](auto) { return Verdict::proved("MAP", "mapped"); });
    device->shows = [](auto) {
        return Content{.result = Sameness::different, .wrong_bytes = 17, .cause = Cause::address_limit};
    };
    Allocator allocator;
    const auto made = allocator.plan(request, {Use(device)});
    ASSERT_TRUE(made);
    EXPECT_EQ(made->chosen().heap.name, "system");
    ASSERT_TRUE(allocator.verify(*made, {Use(device)}, {.frames = 8}));
    const auto again = allocator.plan(request, {Use(device)});
    ASSERT_TRUE(again);
    EXPECT_EQ(again->chosen().heap.name, "region");
    EXPECT_NE(again->explain().find("17 wrong bytes in 8 frames"), std::string::npos) << again->explain();
}

/// Broadcom's v3dv wants align(size + 64, 4096) bytes, and no query says so.
TEST_F(LearningTest, ADeviceThatWantsBytesBeyondTheLayoutGetsThem)
{
    machine.add_heap("system");
    machine.add_heap("region", {.contiguous = true});
    for (const bool with_udmabuf : {false, true}) {
        if (with_udmabuf)
            machine.add_udmabuf();
        for (const std::uint32_t height : {720U, 768U}) { // the second one is a multiple of 64 KiB
            request.height = height;
            const std::uint64_t size = 5120U * height;
            auto device = std::make_shared<TestDevice>(wanting(size + 4096));
            Allocator allocator;
            for (const char* round : {"tried", "known"}) {
                const auto made = allocator.plan(request, {Use(device), cpu(Access::read)});
                ASSERT_TRUE(made) << made.error().message() << made.error().report->explain();
                EXPECT_EQ(made->chosen().heap.name, "system") << made->explain();
                EXPECT_EQ(made->layout().memory_sizes[0], size + 4096) << round;
                EXPECT_FALSE(made->report().constraints.contiguous) << made->explain();
                EXPECT_EQ(made->report().constraints.min_size, size + 4096);
                const Origin origin{Constraint::min_size, size + 4096, "own:device",
                                    "needs 4096 bytes beyond the layout, found by trial"};
                EXPECT_TRUE(std::ranges::count(made->report().constraints.origins, origin)) << made->explain();
                EXPECT_GE(made->allocate()->size(), size + 4096);
            }
        }
    }
}

/// radeonsi wants the bytes of a height that is padded to 8 or 16 rows.
TEST_F(LearningTest, ADeviceThatWantsTheBytesOfAPaddedHeightGetsThem)
{
    machine.add_heap("system");
    machine.add_udmabuf();
    request = {DRM_FORMAT_XRGB8888, 1600, 1068};
    auto device = std::make_shared<TestDevice>(wanting(1072U * 6400));
    const auto made = Allocator().plan(request, {Use(device)});
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->chosen().heap.name, "system");
    EXPECT_EQ(made->layout().memory_sizes[0], 1068U * 6400 + 16 * 6400) << made->explain();
}

/// Whatever fails once on the way to a device's slack: the next plan finds it.
TEST_F(LearningTest, WhatFailsOnceHidesNoSlack)
{
    machine.add_heap("system");
    machine.add_udmabuf();
    const std::uint64_t size = 5120U * 768;
    request.height = 768;
    for (std::size_t call = 0;; ++call) {
        auto device = std::make_shared<TestDevice>(wanting(size + 4096));
        Allocator allocator;
        const std::size_t before = machine.calls().size();
        machine.fail(before + call, EIO);
        static_cast<void>(allocator.plan(request, {Use(device)}));
        if (machine.calls().size() <= before + call)
            break;
        const auto made = allocator.plan(request, {Use(device)});
        ASSERT_TRUE(made) << call;
        EXPECT_EQ(made->layout().memory_sizes[0], size + 4096) << machine.calls().at(before + call);
        EXPECT_FALSE(made->report().constraints.contiguous);
    }
}

TEST_F(LearningTest, ADeviceThatRefusesEverySizeIsNotSaidToWantMore)
{
    machine.add_heap("system");
    machine.add_udmabuf();
    auto device = std::make_shared<TestDevice>(wanting(UINT64_MAX / 2));
    const auto made = Allocator().plan(request, {Use(device)});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().message().find("beyond the layout"), std::string::npos);
    EXPECT_EQ(made.error().report->layout->memory_sizes[0], 1280U * 720 * 4);
}

TEST_F(LearningTest, NothingIsRememberedOfADeviceThatHasThisNumberNow)
{
    machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}});
    auto device = std::make_shared<TestDevice>(accepting());
    const auto trials = [&] {
        const unsigned before = device->trials;
        Allocator allocator;
        EXPECT_TRUE(allocator.remember_in("/v"));
        EXPECT_TRUE(allocator.plan(request, {Use(device)}));
        return device->trials - before;
    };
    EXPECT_GT(trials(), 0U);
    EXPECT_EQ(trials(), 0U);
    machine.add_card("card0", {.driver = "another", .formats = {DRM_FORMAT_XRGB8888}});
    EXPECT_GT(trials(), 0U);
}

TEST_F(LearningTest, AHeapOfACardThatWasUnpluggedIsNotThatOfTheNextCard)
{
    machine.add_card("card0", {});
    const auto heaps = find_heaps();
    machine.add_card("card0", {.driver = "another"});
    const auto memory = heaps.back()->allocate(4096);
    ASSERT_FALSE(memory);
    EXPECT_EQ(memory.error().category, Category::device_gone) << memory.error().message();
}

/// Memory of unknown addresses that lies low today may lie beyond the reach of the device tomorrow. Ordinary
/// memory lies anywhere: what a device does not reach of it, the kernel copies behind everybody's back.
TEST_F(LearningTest, AddressesThatADeviceMayNotReachAreNotProved)
{
    machine.add_heap("system");
    machine.add_udmabuf();
    machine.add_camera("video0", {.formats = {V4L2_PIX_FMT_XBGR32}});
    const std::string sysfs = "/sys/class/video4linux/video0/device/";
    const auto camera = v4l2::Device::open("/dev/video0");
    ASSERT_TRUE(camera);
    machine.add_heap("region");
    const auto told = [&](std::string_view heap) {
        return verdict(Allocator().plan(request, {camera->capture()})->report(), heap).verdict;
    };
    const auto system = [&] { return told("system"); };
    EXPECT_EQ(system().outcome, Outcome::proved);
    machine.add_text(sysfs + "dma_mask_bits", "32\n");
    EXPECT_EQ(system().outcome, Outcome::accepted);
    EXPECT_EQ(system().reason, "whether addresses are within 32 bits is not known, asked by v4l2:/dev/video0:capture "
                               "(dma_mask_bits)");
    // By another name too.
    machine.add_alias("/dev/v4l/by-path/pci-0-video-index0", "/dev/video0");
    const auto alias = v4l2::Device::open("/dev/v4l/by-path/pci-0-video-index0");
    ASSERT_TRUE(alias);
    EXPECT_EQ(Allocator().plan(request, {alias->capture()})->report().heaps.at(0).verdict.outcome, Outcome::accepted);
    // All memory of the machine is within reach: 4 GiB.
    machine.add_text("/proc/zoneinfo",
                     "Node 0, zone    DMA32\n        spanned  1044480\n  start_pfn:           4096\n");
    EXPECT_EQ(system().outcome, Outcome::proved);
    machine.add_text("/proc/zoneinfo",
                     "Node 0, zone    DMA32\n        spanned  1044480\n  start_pfn:           4096\n"
                     "Node 0, zone   Normal\n        spanned  524288\n  start_pfn:           1048576\n");
    EXPECT_EQ(system().outcome, Outcome::refused);
    EXPECT_EQ(system().constraint, Constraint::address_bits);
    EXPECT_EQ(system().reason, "addresses have up to 33 bits, and may have 32, asked by v4l2:/dev/video0:capture "
                               "(dma_mask_bits)");
    EXPECT_EQ(told("region").outcome, Outcome::accepted);
    machine.add_text(sysfs + "iommu_group/type", "DMA-FQ\n");
    EXPECT_EQ(system().outcome, Outcome::proved);
    EXPECT_EQ(told("region").outcome, Outcome::proved);
    machine.add_text(sysfs + "iommu_group/type", "identity\n");
    EXPECT_EQ(system().outcome, Outcome::refused);

    // Displays too.
    machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888}});
    machine.add_text("/sys/class/drm/card0/device/dma_mask_bits", "32\n");
    const auto shown = Allocator().plan(request, {drm::Device::open("/dev/dri/card0")->scanout()});
    ASSERT_TRUE(shown);
    EXPECT_EQ(shown->report().constraints.address_bits, 32U);
}

/// Its driver makes memory that the device reaches, and nobody else promises that.
TEST_F(LearningTest, ADeviceThatMayNotReachOtherMemoryGetsItsOwn)
{
    machine.add_heap("region");
    machine.add_camera("video0", {.exports = true, .orphans = true, .formats = {V4L2_PIX_FMT_XBGR32}});
    machine.add_text("/proc/zoneinfo", "Node 0, zone   Normal\n        spanned  524288\n  start_pfn:      1048576\n");
    const auto camera = v4l2::Device::open("/dev/video0");
    ASSERT_TRUE(camera);
    const auto before = Allocator().plan(request, {camera->capture()});
    ASSERT_TRUE(before) << before.error().message();
    EXPECT_EQ(before->chosen().heap.name, "region");
    machine.add_text("/sys/class/video4linux/video0/device/dma_mask_bits", "32\n");
    const auto plan = Allocator().plan(request, {camera->capture()});
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->chosen().heap.kind, HeapKind::v4l2) << plan->explain();
    EXPECT_LT(plan->chosen().verdict.outcome, Outcome::accepted) << plan->explain();
    EXPECT_EQ(verdict(plan->report(), "region").verdict.outcome, Outcome::accepted) << plan->explain();
}

/// A camera calls its frames MJPG, a decoder calls the same ones JPEG.
TEST(SameFormat, MjpgAndJpegAreOne)
{
    fake::Machine machine;
    machine.add_heap("system");
    const auto compressed = [](v4l2_format& format) { format.fmt.pix.bytesperline = 0; };
    machine.add_camera("video0", {.distort = compressed, .formats = {V4L2_PIX_FMT_MJPEG}});
    machine.add_camera("video1", {.output = true, .distort = compressed, .formats = {V4L2_PIX_FMT_JPEG}});
    {
        const auto camera = v4l2::Device::open("/dev/video0");
        const auto decoder = v4l2::Device::open("/dev/video1");
        ASSERT_TRUE(camera && decoder);
        for (const std::uint32_t asked : {V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_JPEG}) {
            const auto made = Allocator().plan({Format::v4l2(asked), 640, 480}, {camera->capture(), decoder->output()});
            ASSERT_TRUE(made) << made.error().message();
            EXPECT_EQ(made->layout().format, Format::v4l2(asked));
            EXPECT_TRUE(camera->open_queue(v4l2::Role::capture, made->layout(), 2));
            EXPECT_TRUE(decoder->open_queue(v4l2::Role::output, made->layout(), 2));
        }
    }
    EXPECT_EQ(machine.leaks(), "");
}

TEST_F(LearningTest, APlanForOneBufferCountsOne)
{
    machine.add_heap("system");
    machine.add_udmabuf();
    machine.add_text("/proc/meminfo", "MemAvailable: 466548 kB\n");
    request = {DRM_FORMAT_XRGB8888, 8192, 4096, 1};
    const auto one = Allocator().plan(request, {cpu(Access::read_write)});
    ASSERT_TRUE(one) << one.error().message();
    EXPECT_EQ(one->chosen().heap.name, "system");
    request.count = 4;
    const auto four = Allocator().plan(request, {cpu(Access::read_write)});
    ASSERT_FALSE(four);
    EXPECT_NE(verdict(*four.error().report, "system")
                  .verdict.reason.find("4 buffers of 134217728 bytes do not fit into "
                                       "the 477745152 bytes"),
              std::string::npos)
        << verdict(*four.error().report, "system").verdict.reason;
}

} // namespace
} // namespace commonbuf
