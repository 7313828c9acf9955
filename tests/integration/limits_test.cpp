// SPDX-License-Identifier: MIT
//
// A camera that reaches fewer addresses than the machine has memory at, behind an IOMMU and without
// one. The board pc-limits has one; its driver is tests/lab/patches-pc/lab-camera.patch.
#include "devices.hpp"

#include <drm_fourcc.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace {

namespace cb = commonbuf;
using namespace std::chrono_literals;
using cb::v4l2::Role;

// So that a frame is larger than what the kernel copies in one piece (swiotlb: 256 KiB).
const cb::Request request{DRM_FORMAT_XRGB8888, 640, 480, 3};
constexpr std::uint32_t address_bits = 32;

/// What sysfs says of the device behind a node, asked without the library.
std::string fact(const cb::v4l2::Device& camera, const std::string& name)
{
    const std::string node = camera.info().path.substr(camera.info().path.rfind('/') + 1);
    std::string text = devices::read_text("/sys/class/video4linux/" + node + "/device/" + name);
    text.erase(text.find_last_not_of('\n') + 1);
    return text;
}

bool is_behind_iommu(const cb::v4l2::Device& camera) { return fact(camera, "iommu_group/type").starts_with("DMA"); }

/// Where the machine's memory ends, as root is told.
std::uint64_t end_of_memory()
{
    std::ifstream resources("/proc/iomem");
    std::uint64_t end = 0;
    for (std::string line; std::getline(resources, line);) {
        if (line.ends_with(" : System RAM"))
            end = std::max<std::uint64_t>(end, std::stoull(line.substr(line.find('-') + 1), nullptr, 16));
    }
    return end;
}

/// The two nodes of the camera: of one a frame may lie in pieces, of the other it may not.
constexpr std::array nodes{"lab-camera-sg", "lab-camera-contig"};

class Limits : public devices::Test {
protected:
    void SetUp() override
    {
        devices::Test::SetUp();
        for (const char* node : nodes) {
            auto camera = devices::camera(node);
            if (!camera.device)
                GTEST_SKIP() << "no camera here has an address limit";
            ASSERT_EQ(fact(*camera.device, "dma_mask_bits"), std::to_string(address_bits));
            cameras.push_back(std::move(*camera.device));
        }
        ASSERT_GT(end_of_memory(), std::uint64_t{1} << address_bits) << "all memory is within its reach";
    }

    void TearDown() override
    {
        cameras.clear();
        devices::Test::TearDown();
    }

    std::vector<cb::v4l2::Device> cameras;
};

#define NEED_IOMMU()                                                                                                   \
    if (!is_behind_iommu(cameras[0]))                                                                                  \
    GTEST_SKIP() << "the camera is not behind an IOMMU"
#define NEED_NO_IOMMU()                                                                                                \
    if (is_behind_iommu(cameras[0]))                                                                                   \
    GTEST_SKIP() << "the camera is behind an IOMMU"

const cb::Origin* origin_of(const cb::Report& report, cb::Constraint constraint)
{
    const auto& origins = report.constraints.origins;
    const auto found = std::ranges::find(origins, constraint, &cb::Origin::constraint);
    return found != origins.end() ? &*found : nullptr;
}

TEST_F(Limits, WithoutAnIommuTheMaskIsAConstraint)
{
    NEED_NO_IOMMU();
    for (const auto& camera : cameras) {
        SCOPED_TRACE(camera.info().name);
        const auto plan = cb::Allocator().plan(request, {camera.capture(), cb::cpu(cb::Access::read)});
        ASSERT_TRUE(plan) << plan.error().message();
        EXPECT_EQ(plan->report().constraints.address_bits, address_bits);
        const cb::Origin* origin = origin_of(plan->report(), cb::Constraint::address_bits);
        ASSERT_NE(origin, nullptr);
        EXPECT_EQ(origin->call, "dma_mask_bits");
        EXPECT_EQ(origin->device, camera.capture().name());
        EXPECT_NE(plan->explain().find("dma_mask_bits"), std::string::npos) << plan->explain();
        // Of its own memory it is known that the device reaches it, and of nothing else.
        EXPECT_EQ(plan->chosen().heap.kind, cb::HeapKind::v4l2) << plan->explain();
        EXPECT_EQ(plan->chosen().verdict.outcome, cb::Outcome::proved) << plan->explain();
        for (const cb::HeapVerdict& each : plan->report().heaps) {
            if (each.heap.kind != cb::HeapKind::v4l2) {
                EXPECT_GE(each.verdict.outcome, cb::Outcome::accepted) << each.heap.name << ": " << plan->explain();
            }
        }
    }
}

/// Ordinary memory lies anywhere, and what lies too high is copied behind everybody's back: see
/// CopiedPagesKeepTheirOldBytes.
TEST_F(Limits, WithoutAnIommuOrdinaryMemoryIsRefused)
{
    NEED_NO_IOMMU();
    for (const auto& camera : cameras) {
        SCOPED_TRACE(camera.info().name);
        const auto plan = cb::Allocator().plan(request, {camera.capture(), cb::cpu(cb::Access::read)});
        ASSERT_TRUE(plan) << plan.error().message();
        for (const std::string name : {"system", "udmabuf"}) {
            const cb::HeapVerdict* told = devices::verdict(plan->report(), name);
            ASSERT_NE(told, nullptr) << name;
            EXPECT_EQ(told->verdict.outcome, cb::Outcome::refused) << plan->explain();
            EXPECT_EQ(told->verdict.constraint, cb::Constraint::address_bits) << plan->explain();
            EXPECT_NE(told->verdict.reason.find("addresses have up to 33 bits, and may have 32"), std::string::npos)
                << told->verdict.reason;
        }
        // The kernel puts its region above 4 GiB, where there is memory.
        const cb::HeapVerdict* region = devices::verdict(plan->report(), "default_cma_region");
        ASSERT_NE(region, nullptr);
        EXPECT_EQ(region->verdict.outcome, cb::Outcome::refused) << plan->explain();
    }
}

TEST_F(Limits, BehindAnIommuAllMemoryIsWithinReach)
{
    NEED_IOMMU();
    for (const auto& camera : cameras) {
        SCOPED_TRACE(camera.info().name);
        const auto plan = cb::Allocator().plan(request, {camera.capture(), cb::cpu(cb::Access::read)});
        ASSERT_TRUE(plan) << plan.error().message();
        EXPECT_EQ(plan->report().constraints.address_bits, 64U) << plan->explain();
        EXPECT_EQ(plan->explain().find("dma_mask_bits"), std::string::npos) << plan->explain();
        EXPECT_EQ(plan->chosen().verdict.outcome, cb::Outcome::proved) << plan->explain();
    }
}

/// It maps the pages one behind the other, so that the device which needs one piece has one.
TEST_F(Limits, BehindAnIommuScatteredMemoryIsOnePiece)
{
    NEED_IOMMU();
    for (const auto& camera : cameras) {
        SCOPED_TRACE(camera.info().name);
        const auto plan = cb::Allocator().plan(request, {camera.capture(), cb::cpu(cb::Access::read)});
        ASSERT_TRUE(plan) << plan.error().message();
        EXPECT_FALSE(plan->report().constraints.contiguous) << plan->explain();
        EXPECT_EQ(plan->chosen().heap.name, "system") << "scarce memory for nothing: " << plan->explain();
        const cb::HeapVerdict* told = devices::verdict(plan->report(), "udmabuf");
        ASSERT_NE(told, nullptr);
        EXPECT_EQ(told->verdict.outcome, cb::Outcome::proved) << plan->explain();
    }
}

/// What the camera makes: pixel number i is 0xff000000 | i * 13.
bool is_right(std::span<const std::byte> bytes, std::uint64_t offset)
{
    std::uint32_t pixel = 0;
    for (std::size_t at = 0; at + sizeof pixel <= bytes.size(); at += sizeof pixel) {
        std::memcpy(&pixel, bytes.data() + at, sizeof pixel);
        if (pixel != (0xff000000U | static_cast<std::uint32_t>((offset + at) / sizeof pixel) * 13U))
            return false;
    }
    return true;
}

void fill(const cb::Buffer& buffer, std::byte value)
{
    auto access = buffer.write(cb::deadline_in(5s));
    ASSERT_TRUE(access) << access.error().message();
    std::ranges::fill(access->plane(0), value);
    ASSERT_TRUE(access->end());
}

/// The next frame of a queue.
std::optional<cb::Buffer> next(cb::v4l2::Queue& queue)
{
    const auto frame = queue.dequeue(cb::deadline_in(10s));
    EXPECT_TRUE(frame) << frame.error().message();
    return frame ? std::optional(frame->buffer) : std::nullopt;
}

TEST_F(Limits, PixelsAreRightInThePlannedMemory)
{
    for (const auto& camera : cameras) {
        SCOPED_TRACE(camera.info().name);
        const auto plan = cb::Allocator().plan(request, {camera.capture(), cb::cpu(cb::Access::read_write)});
        ASSERT_TRUE(plan) << plan.error().message();
        std::vector<cb::Buffer> buffers;
        for (std::uint32_t i = 0; i < request.count; ++i) {
            auto buffer = plan->allocate();
            ASSERT_TRUE(buffer) << buffer.error().message();
            buffers.push_back(std::move(*buffer));
        }
        auto queue = camera.open_queue(Role::capture, plan->layout(), request.count);
        ASSERT_TRUE(queue) << queue.error().message();
        for (const cb::Buffer& buffer : buffers) {
            fill(buffer, std::byte{0x5a});
            ASSERT_TRUE(queue->queue(buffer));
        }
        ASSERT_TRUE(queue->start());
        // Each buffer once: while a camera has it mapped, the kernel syncs a bracket for writing the wrong way.
        for (std::uint32_t i = 0; i < request.count; ++i) {
            const auto frame = next(*queue);
            ASSERT_TRUE(frame);
            {
                auto access = frame->read(cb::deadline_in(5s));
                ASSERT_TRUE(access) << access.error().message();
                EXPECT_TRUE(is_right(access->plane(0), 0)) << "frame " << i << " in memory of " << plan->explain();
                ASSERT_TRUE(access->end());
            }
        }
        ASSERT_TRUE(queue->stop());
    }
}

/// The physical address of a page of this process; nothing if the kernel does not tell.
std::optional<std::uint64_t> physical_address(const std::byte* page)
{
    const auto size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const cb::UniqueFd pagemap(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    std::uint64_t entry = 0;
    const auto at = reinterpret_cast<std::uintptr_t>(page) / size * sizeof entry;
    constexpr std::uint64_t present = std::uint64_t{1} << 63U;
    constexpr std::uint64_t number = (std::uint64_t{1} << 55U) - 1;
    if (::pread(pagemap.get(), &entry, sizeof entry, static_cast<off_t>(at)) != sizeof entry ||
        (entry & present) == 0 || (entry & number) == 0)
        return std::nullopt;
    return (entry & number) * size;
}

/// Ordinary pages that this process sees by themselves, and devices as a dma-buf. Of a mapping of the dma-buf
/// itself, pagemap tells nothing.
class Pages {
public:
    explicit Pages(std::uint64_t bytes) : bytes_(bytes)
    {
        memory_.reset(::memfd_create("limits", MFD_ALLOW_SEALING | MFD_CLOEXEC));
        if (::ftruncate(memory_.get(), static_cast<off_t>(bytes)) != 0 ||
            ::fcntl(memory_.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0)
            return;
        if (void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory_.get(), 0); at != MAP_FAILED)
            at_ = static_cast<std::byte*>(at);
    }
    ~Pages()
    {
        if (at_ != nullptr)
            ::munmap(at_, bytes_);
    }
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;

    std::span<std::byte> bytes() const { return at_ != nullptr ? std::span(at_, bytes_) : std::span<std::byte>(); }

    cb::UniqueFd dma_buf() const
    {
        const cb::UniqueFd device(::open("/dev/udmabuf", O_RDWR | O_CLOEXEC));
        udmabuf_create wanted{};
        wanted.memfd = static_cast<__u32>(memory_.get());
        wanted.flags = UDMABUF_FLAGS_CLOEXEC;
        wanted.size = bytes_;
        return cb::UniqueFd(::ioctl(device.get(), UDMABUF_CREATE, &wanted));
    }

private:
    std::uint64_t bytes_;
    cb::UniqueFd memory_;
    std::byte* at_ = nullptr;
};

/// Why ordinary memory is refused. The kernel consents to the import, and lets the device write into a copy
/// (swiotlb) of each page that lies too high. Whoever looks at the page itself finds what was there.
TEST_F(Limits, CopiedPagesKeepTheirOldBytes)
{
    NEED_NO_IOMMU();
    const auto& camera = cameras[0];
    // Neighbours among the pages are one piece, and no piece may be too large for a copy.
    const cb::Layout layout = *cb::linear_layout({DRM_FORMAT_XRGB8888, 256, 240}, 1024, cb::Memories::single);
    const Pages memory(layout.memory_sizes[0]);
    ASSERT_FALSE(memory.bytes().empty());
    std::ranges::fill(memory.bytes(), std::byte{0x5a});
    std::vector<cb::UniqueFd> descriptors;
    descriptors.push_back(memory.dma_buf());
    ASSERT_TRUE(descriptors[0]);
    const auto buffer = cb::Buffer::wrap(layout, std::move(descriptors));
    ASSERT_TRUE(buffer) << buffer.error().message();
    auto queue = camera.open_queue(Role::capture, layout, 1);
    ASSERT_TRUE(queue) << queue.error().message();
    const auto queued = queue->queue(*buffer);
    ASSERT_TRUE(queued) << queued.error().message();
    ASSERT_TRUE(queue->start());
    ASSERT_TRUE(next(*queue));
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    unsigned high = 0;
    for (std::size_t at = 0; at < memory.bytes().size(); at += page) {
        const auto bytes = memory.bytes().subspan(at, std::min(page, memory.bytes().size() - at));
        const bool right = is_right(bytes, at);
        const auto address = physical_address(bytes.data());
        ASSERT_TRUE(address) << "page " << at / page;
        const bool beyond = *address >> address_bits != 0;
        high += beyond ? 1U : 0U;
        EXPECT_NE(right, beyond) << "page " << at / page << " at " << *address;
        if (beyond) {
            EXPECT_EQ(std::ranges::count(bytes, std::byte{0x5a}), static_cast<std::ptrdiff_t>(bytes.size()));
        }
    }
    EXPECT_GT(high, 0U) << "no page lies beyond the device's reach";
    ASSERT_TRUE(queue->stop());
}

} // namespace
