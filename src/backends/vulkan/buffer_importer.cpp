// SPDX-License-Identifier: MIT
//
// Buffers of a VkDevice as a use: the bytes of linear and opaque images, as one VkBuffer for each
// memory.
#include "backends/vulkan/buffer.hpp"
#include "backends/vulkan/importers.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace commonbuf::vulkan {
namespace {

class BufferTrial final : public Trial {
public:
    BufferTrial(std::shared_ptr<const Context> context, const Layout& layout, VkBufferUsageFlags usage)
        : context_(std::move(context)),
          layout_(layout),
          usage_(usage)
    {}

    Verdict attempt(std::span<const int> memories) override
    {
        for (std::size_t i = 0; i < memories.size() && i < layout_.memory_count; ++i) {
            const auto object = BufferObject::create(context_, layout_.memory_sizes.at(i), usage_, memories[i]);
            if (object)
                continue;
            return Verdict::refused(object.error());
        }
        return Verdict::accepted(
            "vkBindBufferMemory2",
            "the driver made a buffer over the memory; only work shows whether the GPU reaches it");
    }

private:
    std::shared_ptr<const Context> context_;
    Layout layout_;
    VkBufferUsageFlags usage_;
};

class BufferImporter final : public Importer {
public:
    BufferImporter(std::shared_ptr<Context> context, VkBufferUsageFlags usage)
        : context_(std::move(context)),
          usage_(usage),
          name_(text::format("vulkan:{}:buffer-{:#x}", context_->info().label, usage)),
          identity_(buffer_identity(*context_, usage))
    {}

    const std::string& name() const noexcept override { return name_; }
    const std::string& identity() const noexcept override { return identity_; }

    Result<std::shared_ptr<const Support>> support(const Request& request) override
    {
        const std::string operation = text::format("use {} for buffers ({})", context_->info().name, name_);
        if (const Status can = context_->require({Need::external_memory_fd, Need::external_memory_dma_buf}, operation);
            !can)
            return can.error();
        if (usage_ == 0)
            return Error::invalid_argument(operation, "the usage is empty");
        if ((buffer_features(*context_, usage_) & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) == 0)
            return Error::unsupported(operation, "the device does not import dma-bufs for this usage");
        auto support = std::make_shared<Support>();
        for (const Format format : request.formats()) {
            const FormatInfo* info = format_info(format);
            const SharedConstraints asked = constraints(info);
            support->entries.push_back({format, linear, Memories::single, asked});
            if (info != nullptr && info->plane_count > 1)
                support->entries.push_back({format, linear, Memories::per_plane, asked});
        }
        support->sort();
        return support;
    }

    Result<Layout> fit(const Layout& layout) override
    {
        Layout fitted = layout;
        for (std::size_t i = 0; i < layout.memory_count; ++i) {
            const auto buffer = BareBuffer::create(context_, layout.memory_sizes.at(i), usage_);
            if (!buffer)
                return buffer.error();
            fitted.memory_sizes.at(i) = std::max(fitted.memory_sizes.at(i), buffer->needs().size);
        }
        if (const Status sound = validate(fitted); !sound)
            return sound.error();
        return fitted;
    }

    Result<std::unique_ptr<Trial>> begin_trial(const Layout& layout) override
    {
        return std::make_unique<BufferTrial>(context_, layout, usage_);
    }

private:
    Constraints constraints(const FormatInfo* info) const
    {
        Constraints asked;
        // Copies count rows in texels (VkBufferImageCopy::bufferRowLength).
        constexpr VkBufferUsageFlags copies = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
        if (info != nullptr && (usage_ & copies) != 0 && info->planes[0].block_bytes > 1) {
            asked.stride_align = info->planes[0].block_bytes;
            asked.add_origin(
                {Constraint::stride_align, asked.stride_align, name_, "VkBufferImageCopy::bufferRowLength"});
        }
        if (const VkDeviceSize most = context_->info().max_allocation; most != 0) {
            asked.max_size = most;
            asked.add_origin({Constraint::max_size, most, name_, "maxMemoryAllocationSize"});
        }
        return asked;
    }

    std::shared_ptr<Context> context_;
    VkBufferUsageFlags usage_;
    std::string name_;
    std::string identity_;
};

} // namespace

std::string buffer_identity(const Context& context, VkBufferUsageFlags usage)
{
    return text::format("{} buffer {:#x}", context.info().identity, usage);
}

Use make_buffer_use(std::shared_ptr<Context> context, VkBufferUsageFlags usage)
{
    return Use(std::make_shared<BufferImporter>(std::move(context), usage));
}

} // namespace commonbuf::vulkan
