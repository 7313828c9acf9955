// SPDX-License-Identifier: MIT
//
// Proof by content of one use: it works in real buffers.
#include "verify/provers.hpp"

#include <commonbuf/use.hpp>

#include <optional>
#include <string>
#include <utility>

namespace commonbuf {
namespace {

#if defined(COMMONBUF_HAVE_V4L2) || defined(COMMONBUF_HAVE_DRM)
/// Why the CPU cannot draw or read the picture of a layout; nothing if it can.
std::optional<std::string> why_hidden(const Layout& layout)
{
    if (layout.modifier == linear || is_opaque(layout.format))
        return std::nullopt;
    if (layout.modifier == implicit_modifier)
        return "only a driver knows where the pixels of an image without a modifier lie";
    return "the CPU cannot read the tiles of " + to_string(layout.modifier);
}
#endif

#ifdef COMMONBUF_HAVE_V4L2
Result<Content> verify_queue(const v4l2::UsedQueue& queue, const std::string& identity, const content::Stream& stream)
{
    if (queue.device.info().metadata)
        return content::not_checked("metadata is different in each frame: nothing says what it should be");
    const Layout& layout = stream.layout();
    if (auto hidden = why_hidden(layout))
        return content::not_checked(std::move(*hidden));
    // What a codec made is compared byte by byte: it says how many there are.
    if (is_opaque(layout.format) && (layout.memory_count > 1 || !queue.device.info().memory_to_memory))
        return content::not_checked("the library does not know which bytes of a frame in " + to_string(layout.format) +
                                    " count");
    if (queue.device.info().memory_to_memory)
        return content::verify_m2m(queue, stream);
    if (queue.role == v4l2::Role::capture)
        return content::verify_capture(queue.device, identity, stream);
    return content::not_checked("what an output makes of a picture leaves the machine: nothing here sees it");
}
#endif

} // namespace

Result<Content> verify(const Use& use, std::span<const Buffer> buffers, std::uint32_t frames, Deadline deadline)
{
    if (buffers.empty() || frames == 0)
        return Error::invalid_argument("verify " + use.name(), "there is no buffer or no frame to look at");
    const content::Stream stream{buffers, frames, deadline};
    if (auto* own = dynamic_cast<Verifiable*>(&use.importer()))
        return own->verify(buffers, frames, deadline);
#ifdef COMMONBUF_HAVE_DRM
    if (const auto planes = drm::planes_of(use)) {
        if (auto hidden = why_hidden(stream.layout()))
            return content::not_checked(std::move(*hidden));
        return content::verify_display(drm::device_of(use).value(), *planes, stream);
    }
#endif
#ifdef COMMONBUF_HAVE_V4L2
    if (const auto queue = v4l2::queue_of(use))
        return verify_queue(*queue, use.identity(), stream);
#endif
#ifdef COMMONBUF_HAVE_VULKAN
    if (const auto images = vulkan::images_of(use))
        return content::verify_images(*images, stream);
#endif
    if (use.importer().cpu_access())
        return content::verify_cpu(stream);
    return content::not_checked("this device has no way to compare what it does with what it should do");
}

} // namespace commonbuf
