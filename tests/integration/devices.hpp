// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

/// The devices of this machine, and what must be as it was after each test.
namespace devices {

namespace cb = commonbuf;

/// A V4L2 node by the kernel's name of it, or the reason to skip.
struct Camera {
    std::optional<cb::v4l2::Device> device;
    std::string why_not;
};
Camera camera(const std::string& name);

/// A vivid capture node that needs contiguous memory, or one that takes scattered
/// memory. Which is which vivid's own parameter says (allocators: 0 vmalloc, 1
/// dma-contig), not the library that is being tested.
Camera contiguous_camera();
Camera scattered_camera();

/// A camera on its input for digital video, which takes images of any size, in its
/// fastest mode; on its old input again afterwards. A camera without one stays as
/// it is.
class Fast {
public:
    explicit Fast(const cb::v4l2::Device& camera);
    Fast(const Fast&) = delete;
    Fast& operator=(const Fast&) = delete;
    ~Fast();

private:
    int fd_;
    int input_ = -1;
};

/// The first heap of the kind that can be used and is set aside for devices (scarce), or
/// is not; nullptr for none.
std::shared_ptr<cb::Heap> usable_heap(bool scarce);

/// The dma-heap of this name if it can be used; nullptr if not.
std::shared_ptr<cb::Heap> heap_called(const std::string& name);

/// Every node with a capture (or output) queue of its own that can be opened.
std::vector<cb::v4l2::Device> all(cb::v4l2::Role role);

/// The first card that has displays and can be opened.
std::optional<cb::drm::Device> display(std::string& why_not);

/// A 4-character format that the node has and the library knows; XR24 and NV12 first.
std::optional<cb::Format> any_format(const cb::v4l2::NodeInfo& node, cb::v4l2::Role role);

/// The size the node is set to.
cb::Request current_size(const cb::v4l2::Device& device, cb::v4l2::Role role, cb::Format format);

const cb::HeapVerdict* verdict(const cb::Report& report, const std::string& heap);

/// Whether memory can be had of a heap. A card is opened only then, so only then it shows that it has no
/// dumb buffers.
bool makes_memory(cb::Heap& heap);

/// Linux up to 7.3 at least loses writebacks of vkms now and then, mostly on slow machines,
/// and then holds the memory of their pictures for good: see
/// tests/lab/patches/vkms-writeback.patch. False where the lab says that it is mended.
bool lost_writeback(const cb::drm::Device& display, const cb::Content& content);

/// The number behind a label such as "Total" in the kernel's list of dma-bufs; nothing
/// where debugfs cannot be read.
std::optional<unsigned> dma_buf_count();

std::string read_text(const std::string& path);

/// Descriptors and dma-bufs must be back where they were after each test.
class Test : public testing::Test {
protected:
    void SetUp() override;
    void TearDown() override;

    /// The kernel is known to hold a dma-buf for good after what this test saw.
    void kernel_keeps_memory() { dma_bufs_.reset(); }

private:
    std::set<std::string> descriptors_;
    std::optional<unsigned> dma_bufs_;
};

} // namespace devices

/// A device that the test needs, or the test skips saying why not.
#define NEED_CAMERA(variable, found)                                                                                   \
    const auto variable##_found = (found);                                                                             \
    if (!variable##_found.device)                                                                                      \
        GTEST_SKIP() << variable##_found.why_not;                                                                      \
    [[maybe_unused]] const auto& variable = *variable##_found.device

#define NEED_DISPLAY(variable)                                                                                         \
    std::string variable##_why_not;                                                                                    \
    const auto variable##_found = devices::display(variable##_why_not);                                                \
    if (!variable##_found)                                                                                             \
        GTEST_SKIP() << variable##_why_not;                                                                            \
    [[maybe_unused]] const auto& variable = *variable##_found

#define NEED_HEAP_CALLED(variable, name)                                                                               \
    const auto variable = devices::heap_called(name);                                                                  \
    if (variable == nullptr)                                                                                           \
    GTEST_SKIP() << "there is no heap " << (name) << " here"

#define NEED_HEAP(scarce, what)                                                                                        \
    if (devices::usable_heap(scarce) == nullptr)                                                                       \
    GTEST_SKIP() << "no " what " can be used here"
