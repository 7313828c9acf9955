// SPDX-License-Identifier: MIT
//
// One GPU renders, and every card of the machine shows it: one plan with all of their uses, and
// the same buffers on all of them at once.
#include "gpu_work.hpp"
#include "screen.hpp"
#include "sw_sync.hpp"

#include <drm_fourcc.h>
#include <xf86drmMode.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iostream>
#include <set>

namespace {

namespace cb = commonbuf;
namespace drm = cb::drm;
using namespace std::chrono_literals;

class CardsAndVulkan : public GpuTest {};

/// A picture of four quadrants, so that a wrong stride or half a picture is seen.
using Quadrants = std::array<std::uint32_t, 4>;

constexpr std::array pictures{
    Quadrants{0xff0000, 0x00ff00, 0x0000ff, 0xffffff},
    Quadrants{0x102030, 0x405060, 0x708090, 0xa0b0c0},
    Quadrants{0x00ffff, 0xff00ff, 0xffff00, 0x000000},
    Quadrants{0x010203, 0xfefdfc, 0x800000, 0x000080},
};

VkRect2D quadrant(std::size_t number)
{
    constexpr std::uint32_t width = Screen::width / 2;
    constexpr std::uint32_t height = Screen::height / 2;
    const auto left = static_cast<std::int32_t>(number % 2 * width);
    const auto top = static_cast<std::int32_t>(number / 2 * height);
    return {{left, top}, {width, height}};
}

/// Draws into a buffer as an attachment of a render pass.
class Painter {
public:
    Painter(const Gpu& gpu, const cb::Buffer& buffer)
        : gpu_(gpu),
          image_(gpu.wrapped->import_image(buffer, {VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT}))
    {
        EXPECT_TRUE(image_) << image_.error().message();
        const auto view = image_ ? image_->view() : image_.error();
        EXPECT_TRUE(view) << view.error().message();
        if (view)
            make(*view);
    }
    ~Painter()
    {
        gpu_.get<PFN_vkDestroyFramebuffer>("vkDestroyFramebuffer")(gpu_.device, framebuffer_, nullptr);
        gpu_.get<PFN_vkDestroyRenderPass>("vkDestroyRenderPass")(gpu_.device, pass_, nullptr);
    }
    Painter(const Painter&) = delete;
    Painter& operator=(const Painter&) = delete;

    void draw(VkCommandBuffer commands, const Quadrants& picture) const
    {
        constexpr std::uint32_t foreign = VK_QUEUE_FAMILY_FOREIGN_EXT;
        gpu_.barrier(commands, image_->handle(), VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                     foreign, gpu_.family);
        VkRenderPassBeginInfo begin{};
        begin.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO;
        begin.renderPass = pass_;
        begin.framebuffer = framebuffer_;
        begin.renderArea.extent = image_->extent();
        gpu_.get<PFN_vkCmdBeginRenderPass>("vkCmdBeginRenderPass")(commands, &begin, VK_SUBPASS_CONTENTS_INLINE);
        for (std::size_t i = 0; i < picture.size(); ++i) {
            const auto channel = [&](unsigned shift) { return static_cast<float>(picture[i] >> shift & 0xffU) / 255; };
            VkClearAttachment colour{};
            colour.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT;
            colour.clearValue.color = {{channel(16), channel(8), channel(0), 1}};
            const VkClearRect where{quadrant(i), 0, 1};
            gpu_.get<PFN_vkCmdClearAttachments>("vkCmdClearAttachments")(commands, 1, &colour, 1, &where);
        }
        gpu_.get<PFN_vkCmdEndRenderPass>("vkCmdEndRenderPass")(commands);
        gpu_.barrier(commands, image_->handle(), VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL, VK_IMAGE_LAYOUT_GENERAL,
                     gpu_.family, foreign);
    }

private:
    void make(VkImageView view)
    {
        VkAttachmentDescription attachment{};
        attachment.format = image_->format();
        attachment.samples = VK_SAMPLE_COUNT_1_BIT;
        attachment.loadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE;
        attachment.storeOp = VK_ATTACHMENT_STORE_OP_STORE;
        attachment.stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE;
        attachment.stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE;
        attachment.initialLayout = attachment.finalLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL;
        const VkAttachmentReference reference{0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
        VkSubpassDescription subpass{};
        subpass.pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS;
        subpass.colorAttachmentCount = 1;
        subpass.pColorAttachments = &reference;
        VkRenderPassCreateInfo pass{};
        pass.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO;
        pass.attachmentCount = 1;
        pass.pAttachments = &attachment;
        pass.subpassCount = 1;
        pass.pSubpasses = &subpass;
        EXPECT_EQ(gpu_.get<PFN_vkCreateRenderPass>("vkCreateRenderPass")(gpu_.device, &pass, nullptr, &pass_),
                  VK_SUCCESS);
        VkFramebufferCreateInfo framebuffer{};
        framebuffer.sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO;
        framebuffer.renderPass = pass_;
        framebuffer.attachmentCount = 1;
        framebuffer.pAttachments = &view;
        framebuffer.width = image_->extent().width;
        framebuffer.height = image_->extent().height;
        framebuffer.layers = 1;
        EXPECT_EQ(
            gpu_.get<PFN_vkCreateFramebuffer>("vkCreateFramebuffer")(gpu_.device, &framebuffer, nullptr, &framebuffer_),
            VK_SUCCESS);
    }

    const Gpu& gpu_;
    cb::Result<cb::vulkan::Image> image_;
    VkRenderPass pass_ = VK_NULL_HANDLE;
    VkFramebuffer framebuffer_ = VK_NULL_HANDLE;
};

/// How many pixels of a written-back image are not what was drawn.
cb::Result<std::size_t> wrong_pixels(const cb::Buffer& buffer, const Quadrants& picture)
{
    auto access = buffer.read(cb::deadline_in(1s));
    if (!access)
        return access.error();
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < picture.size(); ++i) {
        const VkRect2D part = quadrant(i);
        for (std::uint32_t y = 0; y < part.extent.height; ++y) {
            const std::size_t row = static_cast<std::size_t>(part.offset.y) + y;
            const std::byte* from = access->plane(0).data() + row * buffer.layout().planes[0].stride +
                                    static_cast<std::size_t>(part.offset.x) * sizeof(std::uint32_t);
            for (std::uint32_t x = 0; x < part.extent.width; ++x) {
                std::uint32_t value = 0;
                std::memcpy(&value, from + std::size_t{x} * sizeof value, sizeof value);
                wrong += (value & 0xffffffU) != picture[i] ? 1U : 0U;
            }
        }
    }
    if (cb::Status ended = access->end(); !ended)
        return ended.error();
    return wrong;
}

/// A card that shows something, and the image that it writes back.
struct Card {
    Screen screen;
    std::optional<cb::Buffer> copy{};
    std::optional<drm::Committed> done{};

    const drm::NodeInfo& info() const { return screen.display().device().info(); }

    /// The framebuffer on its primary plane, as the kernel says.
    std::uint32_t on_screen() const
    {
        drmModePlane* plane = drmModeGetPlane(screen.display().device().fd(), screen.display().primary().id);
        const std::uint32_t id = plane != nullptr ? plane->fb_id : 0;
        drmModeFreePlane(plane);
        return id;
    }
};

/// Every card of the machine with displays that nobody else shows anything on; one that is alone
/// gets another one beside it, where vkms makes one. With the plan for them and the GPU.
struct Together {
    explicit Together(const Gpu& gpu) : second(is_alone() ? Pluggable::create(why_not) : std::nullopt)
    {
        uses.push_back(gpu.wrapped->color_attachment());
        for (const auto& node : drm::nodes()) {
            if (node.obstacle || !node.modesetting || node.connectors.empty())
                continue;
            const auto device = drm::Device::open(node.path);
            auto screen = device ? Screen::open(*device, why_not) : std::nullopt;
            if (!screen)
                continue;
            cards.push_back({std::move(*screen)});
            uses.push_back(device->scanout());
            if (cards.back().screen.display().writeback() == nullptr)
                continue;
            if (auto copy = Screen::image(*device, 0))
                cards.back().copy = std::move(*copy);
        }
        if (cards.size() < 2)
            return;
        auto made = cb::Allocator().plan({DRM_FORMAT_XRGB8888, Screen::width, Screen::height, 3}, uses);
        if (made)
            plan = std::move(*made);
        else
            why_not = made.error().message() + (made.error().report ? "\n" + made.error().report->explain() : "");
    }

    static bool is_alone()
    {
        return std::ranges::count_if(drm::nodes(), [](const auto& node) { return !node.connectors.empty(); }) < 2;
    }

    std::string why_not = "there is only one";
    std::optional<Pluggable> second;
    std::vector<cb::Use> uses;
    std::deque<Card> cards;
    std::optional<cb::Plan> plan;
};

/// Cards that have no memory in common are no fault, but the lab's have.
#define NEED_CARDS(variable, gpu)                                                                                      \
    Together variable(gpu);                                                                                            \
    if ((variable).cards.size() < 2)                                                                                   \
        GTEST_SKIP() << "two cards with displays are needed: " << (variable).why_not;                                  \
    if (!(variable).plan && std::getenv("COMMONBUF_BOARD") == nullptr)                                                 \
        GTEST_SKIP() << (variable).why_not;                                                                            \
    ASSERT_TRUE((variable).plan) << (variable).why_not

/// Whether a card shows this very buffer, and its pixels are those; nothing where the kernel has
/// lost the writeback.
std::optional<bool> shows(const Card& card, const cb::Buffer& buffer, const Quadrants& picture)
{
    const cb::Status shown = card.done->shown.wait(cb::deadline_in(5s));
    EXPECT_TRUE(shown) << shown.error().message();
    const auto framebuffer = card.screen.display().device().framebuffer(buffer);
    EXPECT_TRUE(framebuffer) << framebuffer.error().message();
    const bool is_on = shown && framebuffer && card.on_screen() == framebuffer->id();
    EXPECT_TRUE(is_on) << card.info().path << " shows something else";
    if (!card.copy)
        return is_on;
    const cb::Status written = card.done->written.wait(cb::deadline_in(5s));
    if (lost_writeback(card.screen, written))
        return std::nullopt;
    EXPECT_TRUE(written) << written.error().message();
    let_it_clean_up(card.screen);
    const auto wrong = wrong_pixels(*card.copy, picture);
    EXPECT_TRUE(wrong) << wrong.error().message();
    EXPECT_EQ(wrong.value_or(0), 0U) << "pixels on " << card.info().path;
    return is_on && written && wrong == 0U;
}

#define NEED_SHOWN(card, buffer, picture)                                                                              \
    if (const auto is_right = shows(card, buffer, picture); !is_right) {                                               \
        kernel_keeps_memory();                                                                                         \
        GTEST_SKIP() << "the kernel lost a writeback";                                                                 \
    } else {                                                                                                           \
        ASSERT_TRUE(*is_right) << (card).info().path;                                                                  \
    }

TEST_F(CardsAndVulkan, ShowWhatOneGpuRendersIntoOneBuffer)
{
    NEED_GPU(gpu);
    NEED_CARDS(all, gpu);
    SCOPED_TRACE(all.plan->explain());
    std::set<std::string> served;
    for (const cb::UseVerdict& use : all.plan->chosen().uses) {
        EXPECT_LE(use.verdict.outcome, cb::Outcome::accepted) << use.use;
        served.insert(use.use);
    }
    EXPECT_EQ(served.size(), all.uses.size()) << "one plan for all of them";

    std::vector<cb::Buffer> buffers;
    std::deque<Painter> painters;
    std::vector<cb::vulkan::Semaphore> ends;
    for (int i = 0; i < 3; ++i) {
        auto buffer = all.plan->allocate();
        ASSERT_TRUE(buffer) << buffer.error().message();
        painters.emplace_back(gpu, *buffer);
        buffers.push_back(std::move(*buffer));
    }
    ASSERT_FALSE(HasFailure());
    GpuWork work(gpu);
    for (std::size_t i = 0; i < 2 * pictures.size(); ++i) {
        SCOPED_TRACE(i);
        const Quadrants& picture = pictures[i % pictures.size()];
        const cb::Buffer& buffer = buffers[i % buffers.size()];
        const Painter& painter = painters[i % painters.size()];
        cb::Job job("render");
        job.writes(buffer);
        // Until every card has let go of it: their jobs are over then.
        const auto before = job.gather();
        ASSERT_TRUE(before) << before.error().message();
        const VkSemaphore start = work.semaphore();
        ASSERT_TRUE(cb::vulkan::import_semaphore(*gpu.wrapped, start, *before));
        auto end = cb::vulkan::Semaphore::create(*gpu.wrapped);
        ASSERT_TRUE(end) << end.error().message();
        work.submit({.wait = start,
                     .commands = work.record([&](VkCommandBuffer commands) { painter.draw(commands, picture); }),
                     .signal = end->handle()});
        const auto drawn = cb::vulkan::export_semaphore(*gpu.wrapped, end->handle());
        ASSERT_TRUE(drawn) << drawn.error().message();
        ends.push_back(std::move(*end));
        ASSERT_TRUE(job.publish(*drawn));

        // All of them get it before any of them is waited for.
        for (Card& card : all.cards) {
            drm::Commit commit = card.screen.picture(buffer, *drawn);
            commit.wait_by(i % 2 == 0 ? drm::FenceWait::kernel : drm::FenceWait::library);
            if (i == 0)
                commit.enable();
            if (card.copy)
                commit.write_back(*card.copy);
            auto done = card.screen.queue.commit(commit, cb::deadline_in(5s));
            ASSERT_TRUE(done) << card.info().path << ": " << done.error().message();
            card.done = std::move(*done);
        }
        for (const Card& card : all.cards)
            NEED_SHOWN(card, buffer, picture);
    }
    std::cout << gpu.wrapped->color_attachment().name() << " rendered into memory of " << all.plan->chosen().heap.name
              << ", shown by";
    for (const Card& card : all.cards)
        std::cout << " " << card.info().path << " (" << card.info().driver << (card.copy ? ", compared)" : ")");
    std::cout << "\n";
}

/// A GPU that does its work on the CPU hands out fences that have signalled: so here is one that
/// has not.
TEST_F(CardsAndVulkan, WaitForOneFence)
{
    NEED_GPU(gpu);
    NEED_SW_SYNC(timeline);
    NEED_CARDS(all, gpu);
    SCOPED_TRACE(all.plan->explain());
    const auto buffer = all.plan->allocate();
    ASSERT_TRUE(buffer) << buffer.error().message();
    {
        const Painter painter(gpu, *buffer);
        ASSERT_FALSE(HasFailure());
        gpu.run([&](VkCommandBuffer commands) { painter.draw(commands, pictures[0]); });
    }
    const cb::Fence drawn = timeline.fence(1);
    for (Card& card : all.cards) {
        drm::Commit commit = card.screen.picture(*buffer, drawn).enable().wait_by(drm::FenceWait::kernel);
        if (card.copy)
            commit.write_back(*card.copy);
        auto done = card.screen.queue.commit(commit, cb::deadline_in(5s));
        ASSERT_TRUE(done) << card.info().path << ": " << done.error().message();
        EXPECT_TRUE(done->kernel_waits);
        card.done = std::move(*done);
    }
    for (const Card& card : all.cards)
        EXPECT_EQ(card.done->shown.wait(cb::deadline_in(50ms)).error().category, cb::Category::timed_out)
            << card.info().path;
    timeline.advance(1);
    for (const Card& card : all.cards)
        NEED_SHOWN(card, *buffer, pictures[0]);
}

} // namespace
