// SPDX-License-Identifier: MIT
#pragma once

#include "fake/display.hpp"
#include "fake/machine.hpp"

#include <commonbuf/drm/commit_queue.hpp>
#include <commonbuf/drm/display.hpp>

#include <drm_fourcc.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace commonbuf::drm {

/// A card with one display of 64x32.
class DisplayFixture : public testing::Test {
protected:
    using Objects = fake::Displays;

    fake::Machine machine;
    fake::CardModel& card = machine.add_card("card0", {.formats = {DRM_FORMAT_XRGB8888, DRM_FORMAT_NV12}});
    fake::DisplayModel& model = card.display;
    Layout layout = *linear_layout({DRM_FORMAT_XRGB8888, 64, 32}, 256, Memories::single);

    void SetUp() override { model.present = true; }
    void TearDown() override { EXPECT_EQ(machine.leaks(), ""); }

    static Device device() { return Device::open("/dev/dri/card0").value(); }
    static Display display() { return Display::choose(device()).value(); }

    Buffer buffer()
    {
        std::vector<UniqueFd> memories;
        memories.emplace_back(machine.add_dma_buf(layout.memory_sizes[0]));
        return Buffer::wrap(layout, std::move(memories)).value();
    }

    Fence fence(const std::shared_ptr<fake::FenceModel>& work)
    {
        return Fence::from_fd(UniqueFd(machine.sync_file(work))).value();
    }

    /// What the last commit set; 0 where it did not.
    std::uint64_t last(std::uint32_t object, const std::string& name) const
    {
        auto values = model.commits.back().values;
        return values[object][name];
    }
};

} // namespace commonbuf::drm
