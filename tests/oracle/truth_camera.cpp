// SPDX-License-Identifier: MIT
//
// A camera: what it writes into the buffers has to be what it writes into its own memory. Its
// test picture is held still, and is one whose rows and columns differ.
#include "truth_device.hpp"
#include "truth_v4l2.hpp"

#include <map>
#include <tuple>

namespace truth {
namespace {

/// Still pictures by camera, code and size: a small region has no room for the driver's buffers
/// beside ours, and many sets share a camera.
using StillKey = std::tuple<std::string, std::uint32_t, std::uint32_t, std::uint32_t>;

std::map<StillKey, Picture>& still_pictures()
{
    static std::map<StillKey, Picture> pictures;
    return pictures;
}

class Camera final : public Device {
public:
    Camera(const Use& use, const Layout& layout) : node_(use.path), layout_(layout), queue_(node_, node_.capture())
    {
        node_.set_menu("Test Pattern", "100% Color Squares");
        node_.set_menu("OSD Text Mode", "None");
        prepare(queue_, [this] { queue_.set(layout_); });
        const StillKey key{use.path, queue_.format().code, layout.width, layout.height};
        auto& known = still_pictures();
        const auto found = known.find(key);
        still_ = found != known.end() ? found->second : known[key] = find_still();
    }

    void take(const std::vector<Buffer>& buffers) override
    {
        prepare(queue_, [this] { queue_.set(layout_); });
        slots_.open(buffers);
    }

    void give(std::size_t buffer) override { slots_.give(buffer); }

    Frame next(std::uint32_t) override
    {
        queue_.start();
        return {slots_.take(queue_.dequeue().slot), still_};
    }

    void stop() override { queue_.stop(); }

private:
    /// The same part of what the sensor sees fills the whole of the picture each time: parts that
    /// somebody chose before stay chosen, and a change of one end may change the other.
    template <typename Set>
    void prepare(const VideoQueue& queue, Set set) const
    {
        set();
        queue.select(V4L2_SEL_TGT_COMPOSE, layout_.width, layout_.height);
        queue.select_default(V4L2_SEL_TGT_CROP);
        set();
        queue.select(V4L2_SEL_TGT_COMPOSE, layout_.width, layout_.height);
        set();
        const auto part = queue.selected(V4L2_SEL_TGT_COMPOSE);
        if (part && (part->width != layout_.width || part->height != layout_.height))
            throw Unknowable("the camera fills only a part of the picture");
    }

    Picture find_still()
    {
        VideoQueue own(node_, node_.capture());
        try {
            prepare(own, [&] { own.set(queue_.format().code, layout_.width, layout_.height); });
            own.make_own(2);
            for (std::uint32_t slot = 0; slot < own.slots(); ++slot)
                own.queue_own(slot);
            own.start();
        } catch (const Refused& refused) {
            throw Unknowable(std::string("there is no frame to compare with: ") + refused.what());
        }
        const Layout where = own.own_layout(layout_.width, layout_.height);
        Picture last;
        // The first frame after a start may be half of one.
        constexpr int enough = 4;
        for (int i = 0; i < enough; ++i) {
            const auto done = own.dequeue();
            Picture seen = read_picture(shifted(where, done), own.maps(done.slot));
            if (i > 1 && seen == last)
                return seen;
            last = std::move(seen);
            own.queue_own(done.slot);
        }
        throw Unknowable("the camera's picture moves");
    }

    VideoNode node_;
    Layout layout_;
    VideoQueue queue_;
    Picture still_;
    Slots slots_{queue_};
};

} // namespace

std::unique_ptr<Device> open_camera(const Use& use, const Layout& layout)
{
    return std::make_unique<Camera>(use, layout);
}

} // namespace truth
