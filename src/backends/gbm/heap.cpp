// SPDX-License-Identifier: MIT
//
// GBM as a heap. A buffer object is made, its memories are exported, and it goes: the memory
// stays with the dma-bufs. How an image lies in it is GBM's choice: nothing is asked for but the
// modifier, and what came of it is read back.
#include "backends/gbm/describe.hpp"
#include "os/os.hpp"
#include "base/text.hpp"

#include <commonbuf/gbm/gbm.hpp>

#include <gbm.h>

#include <cerrno>
#include <mutex>
#include <string>
#include <utility>

namespace commonbuf::gbm {
namespace {

struct Destroy {
    void operator()(gbm_bo* object) const { gbm_bo_destroy(object); }
};
using Object = std::unique_ptr<gbm_bo, Destroy>;

std::uint32_t flags_of(Purpose purpose)
{
    switch (purpose) {
    case Purpose::scanout: return GBM_BO_USE_SCANOUT;
    case Purpose::render: return GBM_BO_USE_RENDERING;
    case Purpose::scanout_and_render: break;
    }
    return GBM_BO_USE_SCANOUT | GBM_BO_USE_RENDERING;
}

const char* word(Purpose purpose)
{
    switch (purpose) {
    case Purpose::scanout: return "scanout";
    case Purpose::render: return "render";
    case Purpose::scanout_and_render: break;
    }
    return "scanout-render";
}

/// What speaks against an object for a layout; empty where it has it.
std::string difference(const Layout& wanted, const Layout& made)
{
    if (made.plane_count != wanted.plane_count || made.memory_count != wanted.memory_count)
        return text::format("GBM makes {} planes in {} memories, and the layout has {} in {}", made.plane_count,
                            made.memory_count, wanted.plane_count, wanted.memory_count);
    for (std::uint32_t i = 0; i < made.plane_count; ++i) {
        const Plane& is = made.planes[i];
        const Plane& should = wanted.planes[i];
        if (is.memory != should.memory || is.offset != should.offset || is.stride != should.stride)
            return text::format("GBM puts plane {} at {} with stride {}, and the layout at {} with stride {}", i,
                                is.offset, is.stride, should.offset, should.stride);
    }
    for (std::uint32_t i = 0; i < made.memory_count; ++i) {
        if (made.memory_sizes[i] < wanted.memory_sizes[i])
            return text::format("memory {} of GBM's has {} bytes, and {} are needed", i, made.memory_sizes[i],
                                wanted.memory_sizes[i]);
    }
    return {};
}

class GbmHeap final : public Heap {
public:
    GbmHeap(gbm_device* device, Purpose purpose) : device_(device), flags_(flags_of(purpose))
    {
        const auto node = os::link_name("/proc/self/fd/" + std::to_string(gbm_device_get_fd(device)));
        info_.name = text::format("gbm-{}-{}", node.value_or(gbm_device_get_backend_name(device)), word(purpose));
        info_.kind = HeapKind::gbm;
        info_.path = node ? "/dev/dri/" + *node : std::string();
        // The memory of one device, as dumb buffers are.
        info_.scarce = true;
    }

    const HeapInfo& info() const noexcept override { return info_; }

    Result<UniqueFd> allocate(std::uint64_t bytes) override
    {
        return Error::unsupported("allocate from " + info_.name,
                                  text::format("GBM makes images, and no {} bytes", bytes));
    }

    Result<std::vector<Layout>> propose(const WantedImage& wanted) override
    {
        std::vector<Layout> layouts;
        // Whether it has the format at all is known without asking for an object.
        if (is_opaque(wanted.request.format) ||
            gbm_device_is_format_supported(device_, wanted.request.format.fourcc, 0) == 0)
            return layouts;
        const auto image =
            make(wanted.request.format, wanted.arrangement.modifier, wanted.request.width, wanted.request.height);
        if (!image)
            return image.error();
        layouts.push_back(image->layout);
        return layouts;
    }

    Result<std::vector<UniqueFd>> allocate_image(const Layout& layout) override
    {
        const std::string operation = "allocate from " + info_.name;
        if (is_opaque(layout.format))
            return Error::incompatible(operation, "GBM has no images without rows");
        auto image = make(layout.format, layout.modifier, layout.width, layout.height);
        if (!image)
            return image.error();
        if (std::string differs = difference(layout, image->layout); !differs.empty())
            return Error::incompatible(operation, std::move(differs));
        return std::move(image->memories);
    }

private:
    /// An object of one modifier, or without any where it is implicit.
    Object object(Format format, Modifier modifier, std::uint32_t width, std::uint32_t height, std::string& call) const
    {
        if (modifier != implicit_modifier) {
            call = "gbm_bo_create_with_modifiers2";
            const std::uint64_t only = modifier.value;
            Object made(gbm_bo_create_with_modifiers2(device_, width, height, format.fourcc, &only, 1, flags_));
            if (made != nullptr || modifier != linear)
                return made;
        }
        // A driver without modifiers has a word for linear all the same.
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
        const std::string operation = text::format("{} on {}", call, info_.name);
        const std::string what = text::format("{} {}x{} {}", to_string(format), width, height, to_string(modifier));
        if (made == nullptr) {
            Error failure = Error::from_errno(error != 0 ? error : EINVAL, operation, "GBM makes no " + what);
            // It says no more of what it cannot do, and plans know others.
            if (error == EINVAL || error == ENOSYS || error == 0)
                failure.category = Category::incompatible;
            return failure;
        }
        auto image = describe(made.get(), operation);
        if (!image)
            return image;
        // Of objects that were made without modifiers GBM mostly says INVALID. Those that had to
        // be linear are; of the others nothing is known, whatever it says.
        if (image->layout.modifier == implicit_modifier || modifier == implicit_modifier)
            image->layout.modifier = modifier;
        if (image->layout.modifier != modifier)
            return Error::incompatible(operation,
                                       text::format("GBM made {} of {}", to_string(image->layout.modifier), what));
        return image;
    }

    gbm_device* device_;
    std::uint32_t flags_;
    HeapInfo info_;
    std::mutex mutex_; ///< GBM promises nothing of threads
};

} // namespace

std::shared_ptr<Heap> heap(gbm_device* device, Purpose purpose) { return std::make_shared<GbmHeap>(device, purpose); }

} // namespace commonbuf::gbm
