// SPDX-License-Identifier: MIT
//
// A display: what it writes back while it shows a buffer has to be what it writes back while it
// shows the same picture in a dumb buffer of its own.
#include "truth_device.hpp"
#include "truth_kms.hpp"

#include <drm.h>
#include <drm_fourcc.h>
#include <drm_mode.h>

#include <algorithm>

namespace truth {
namespace {

class Display final : public Device {
public:
    Display(const Use& use, const Layout& layout) : layout_(layout), card_(use.path, layout.fourcc) {}

    ~Display() override
    {
        try {
            card_.turn_off();
        } catch (const std::runtime_error&) { // it goes dark when its framebuffers go
        }
        for (const std::uint32_t framebuffer : framebuffers_)
            card_.remove_framebuffer(framebuffer);
    }

    void take(const std::vector<Buffer>& buffers) override
    {
        for (const Buffer& buffer : buffers)
            framebuffers_.push_back(import(buffer));
        if (!card_.writes_back())
            return;
        try {
            copy_ = std::make_unique<DumbPicture>(card_, *shape_of(layout_.fourcc), layout_.width, layout_.height);
            written_ =
                std::make_unique<DumbPicture>(card_, *shape_of(DRM_FORMAT_XRGB8888), layout_.width, layout_.height);
        } catch (const Refused& refused) {
            throw Unknowable(std::string("it shows nothing in its own memory: ") + refused.what());
        }
    }

    void see(std::size_t buffer, const Picture& picture) override
    {
        if (!card_.writes_back()) {
            card_.show(framebuffers_[buffer], layout_.width, layout_.height, 0);
            throw Unknowable("it shows the frames without a complaint, and writes nothing back");
        }
        if (!last_ || *last_ != picture) {
            write_picture(picture, copy_->layout(), copy_->maps());
            try {
                expected_ = shown(copy_->framebuffer());
            } catch (const Refused& refused) {
                throw Unknowable(std::string("it shows nothing in its own memory: ") + refused.what());
            }
            last_ = picture;
        }
        expect_same(expected_, shown(framebuffers_[buffer]), "the display shows another picture than a copy of it");
    }

private:
    std::uint32_t import(const Buffer& buffer) const
    {
        std::vector<std::uint32_t> handles;
        for (std::size_t i = 0; i < layout_.memories.size(); ++i) {
            drm_prime_handle prime{0, 0, buffer.fd(i)};
            call(card_.fd(), DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime, "DRM_IOCTL_PRIME_FD_TO_HANDLE");
            handles.push_back(prime.handle);
        }
        std::uint32_t made = 0;
        std::string refusal;
        try {
            made = card_.add_framebuffer(layout_, handles);
        } catch (const Refused& refused) {
            refusal = refused.what();
        }
        // The framebuffer keeps the memory. Memories that are one dma-buf have one handle.
        std::sort(handles.begin(), handles.end());
        handles.erase(std::unique(handles.begin(), handles.end()), handles.end());
        for (const std::uint32_t handle : handles) {
            drm_gem_close close{handle, 0};
            attempt(card_.fd(), DRM_IOCTL_GEM_CLOSE, &close);
        }
        if (!refusal.empty())
            throw Refused(refusal);
        return made;
    }

    Picture shown(std::uint32_t framebuffer)
    {
        constexpr std::byte canary{0x5a};
        fill(written_->maps(), canary);
        card_.show(framebuffer, layout_.width, layout_.height, written_->framebuffer());
        return read_picture(written_->layout(), written_->maps());
    }

    Layout layout_;
    Card card_;
    std::vector<std::uint32_t> framebuffers_;
    std::unique_ptr<DumbPicture> copy_;
    std::unique_ptr<DumbPicture> written_;
    std::optional<Picture> last_;
    Picture expected_;
};

} // namespace

std::unique_ptr<Device> open_display(const Use& use, const Layout& layout)
{
    return std::make_unique<Display>(use, layout);
}

} // namespace truth
