// SPDX-License-Identifier: MIT
//
// GBM as a heap. It makes a buffer object, exports its memories and destroys it: the dma-bufs keep
// the memory. GBM chooses how an image lies in it. The heap asks only for the modifier, and reads
// back what it got.
#include <commonbuf/gbm/heap.hpp>

#include "backends/gbm/describe.hpp"
#include "base/text.hpp"
#include "os/device_node.hpp"
#include "os/os.hpp"

#include <gbm.h>

#include <cerrno>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace commonbuf::gbm {
namespace {

struct Destroy {
    void operator()(gbm_bo* object) const { gbm_bo_destroy(object); }
};
using Object = std::unique_ptr<gbm_bo, Destroy>;

struct UseInfo {
    std::uint32_t flags;
    std::string_view word;
};

UseInfo info_of(BufferUse use)
{
    switch (use) {
    case BufferUse::scanout: return {GBM_BO_USE_SCANOUT, "scanout"};
    case BufferUse::render: return {GBM_BO_USE_RENDERING, "render"};
    case BufferUse::scanout_and_render: break;
    }
    return {GBM_BO_USE_SCANOUT | GBM_BO_USE_RENDERING, "scanout-render"};
}

/// Says how an object differs from the layout; empty if it does not.
std::string difference(const Layout& wanted, const Layout& made)
{
    if (made.plane_count != wanted.plane_count || made.memory_count != wanted.memory_count)
        return text::format("GBM makes {} planes in {} memories; the layout has {} planes in {} memories",
                            made.plane_count, made.memory_count, wanted.plane_count, wanted.memory_count);
    for (std::uint32_t i = 0; i < made.plane_count; ++i) {
        const Plane& is = made.planes[i];
        const Plane& should = wanted.planes[i];
        if (is.memory != should.memory || is.offset != should.offset || is.stride != should.stride)
            return text::format("GBM puts plane {} at offset {} with stride {}; the layout has it at {} with stride {}",
                                i, is.offset, is.stride, should.offset, should.stride);
    }
    for (std::uint32_t i = 0; i < made.memory_count; ++i) {
        if (made.memory_sizes[i] < wanted.memory_sizes[i])
            return text::format("GBM's memory {} has {} bytes; the layout needs {}", i, made.memory_sizes[i],
                                wanted.memory_sizes[i]);
    }
    return {};
}

class GbmHeap final : public Heap {
public:
    GbmHeap(gbm_device* device, BufferUse use) : device_(device), flags_(info_of(use).flags)
    {
        const auto node = os::kernel_name(gbm_device_get_fd(device));
        info_.name = text::format("gbm-{}-{}", node.value_or(gbm_device_get_backend_name(device)), info_of(use).word);
        info_.kind = HeapKind::gbm;
        info_.path = node ? "/dev/dri/" + *node : std::string();
        // It is memory of one device, like dumb buffers.
        info_.scarce = true;
        // Another device may have this number later, but not the same node.
        if (const auto id = os::id_of(gbm_device_get_fd(device)))
            identity_ =
                text::format("{} {} {}:{}", info_.name, gbm_device_get_backend_name(device), id->device, id->inode);
    }

    const HeapInfo& info() const noexcept override { return info_; }
    const std::string& identity() const noexcept override { return identity_; }

    Result<UniqueFd> allocate(std::uint64_t bytes) override
    {
        return Error::unsupported("allocate from " + info_.name,
                                  text::format("GBM makes only images, not {} plain bytes", bytes));
    }

    Result<std::vector<Layout>> propose(const WantedImage& wanted) override
    {
        // Whether it has the format at all can be known without making an object.
        if (is_opaque(wanted.request.format) ||
            gbm_device_is_format_supported(device_, wanted.request.format.fourcc, 0) == 0)
            return std::vector<Layout>();
        const auto image =
            make(wanted.request.format, wanted.arrangement.modifier, wanted.request.width, wanted.request.height);
        if (!image)
            return image.error();
        return std::vector{image->layout};
    }

    Result<std::vector<UniqueFd>> allocate_image(const Layout& layout) override
    {
        const std::string operation = "allocate from " + info_.name;
        if (is_opaque(layout.format))
            return Error::incompatible(operation, "GBM has no images of opaque bytes");
        auto image = make(layout.format, layout.modifier, layout.width, layout.height);
        if (!image)
            return image.error();
        if (std::string differs = difference(layout, image->layout); !differs.empty())
            return Error::incompatible(operation, std::move(differs));
        return std::move(image->memories);
    }

private:
    /// Makes an object with one modifier, or with none for the implicit one. Sets `call`.
    Object object(Format format, Modifier modifier, std::uint32_t width, std::uint32_t height, std::string& call) const
    {
        if (modifier != implicit_modifier) {
            call = "gbm_bo_create_with_modifiers2";
            const std::uint64_t only = modifier.value;
            Object made(gbm_bo_create_with_modifiers2(device_, width, height, format.fourcc, &only, 1, flags_));
            if (made != nullptr || modifier != linear)
                return made;
        }
        // A driver without modifiers still has a flag for linear.
        call = "gbm_bo_create";
        const std::uint32_t as_rows = modifier == linear ? std::uint32_t{GBM_BO_USE_LINEAR} : 0U;
        return Object(gbm_bo_create(device_, width, height, format.fourcc, flags_ | as_rows));
    }

    Result<Image> make(Format format, Modifier modifier, std::uint32_t width, std::uint32_t height)
    {
        const std::lock_guard lock(mutex_);
        std::string call;
        errno = 0;
        const Object made = object(format, modifier, width, height, call);
        const int error = errno;
        const Tried tried(Call{call, info_.name});
        const std::string what = text::format("{} {}x{} {}", to_string(format), width, height, to_string(modifier));
        if (made == nullptr) {
            Error failure = Error::from_errno(error != 0 ? error : EINVAL, tried.call, "GBM did not make " + what);
            // GBM does not say what it lacks; another heap or layout may serve.
            if (failure.category == Category::invalid_argument || failure.category == Category::unsupported)
                failure.category = Category::incompatible;
            return failure;
        }
        auto image = describe(made.get(), tried);
        if (!image)
            return image;
        // GBM mostly says INVALID for objects that were made without modifiers. Those that had to
        // be linear are linear; nothing is known about the others, whatever GBM says.
        if (image->layout.modifier == implicit_modifier || modifier == implicit_modifier)
            image->layout.modifier = modifier;
        if (image->layout.modifier != modifier)
            return Error::incompatible(
                tried, text::format("GBM made {} instead of {}", to_string(image->layout.modifier), what));
        return image;
    }

    gbm_device* device_;
    std::uint32_t flags_;
    HeapInfo info_;
    std::string identity_;
    std::mutex mutex_; ///< GBM does not promise to be thread-safe
};

} // namespace

std::shared_ptr<Heap> heap(gbm_device* device, BufferUse use) { return std::make_shared<GbmHeap>(device, use); }

} // namespace commonbuf::gbm
