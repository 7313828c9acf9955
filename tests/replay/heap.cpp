// SPDX-License-Identifier: MIT
#include "heap.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <map>

namespace replay {
namespace {

/// "/memfd:NAME (deleted)", as the kernel shows a memfd; nothing for a closed descriptor.
std::string link_of(int fd)
{
    std::error_code none;
    return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), none).string();
}

bool is_named(int fd, const std::string& name) { return link_of(fd) == "/memfd:" + name + " (deleted)"; }

/// Bytes that this process holds under a name. Two descriptors may be one memory.
std::uint64_t held(const std::string& name)
{
    std::map<ino_t, std::uint64_t> sizes;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", none)) {
        const int fd = std::atoi(entry.path().filename().c_str());
        struct stat file {};
        if (is_named(fd, name) && ::fstat(fd, &file) == 0)
            sizes[file.st_ino] = static_cast<std::uint64_t>(file.st_size);
    }
    std::uint64_t sum = 0;
    for (const auto& [inode, size] : sizes)
        sum += size;
    return sum;
}

class ReplayedHeap final : public cb::Heap {
public:
    ReplayedHeap(const HeapRecord& record, std::string memory_name)
        : info_(record.info),
          capacity_(record.capacity),
          memory_name_(std::move(memory_name))
    {}

    const cb::HeapInfo& info() const noexcept override { return info_; }

    cb::Result<cb::UniqueFd> allocate(std::uint64_t bytes) override
    {
        constexpr std::uint64_t page = 4096;
        constexpr std::uint64_t most = 1ULL << 40U;
        if (info_.obstacle)
            return *info_.obstacle;
        if (bytes == 0 || bytes > most)
            return failure(EINVAL, cb::Category::invalid_argument, bytes);
        const std::uint64_t size = (bytes + page - 1) / page * page;
        if (capacity_ && (size > *capacity_ || held(memory_name_) > *capacity_ - size))
            return failure(ENOMEM, cb::Category::out_of_memory, bytes);
        cb::UniqueFd memory(::memfd_create(memory_name_.c_str(), MFD_CLOEXEC));
        if (!memory || ::ftruncate(memory.get(), static_cast<off_t>(size)) != 0)
            return failure(errno, cb::Category::out_of_memory, bytes);
        return memory;
    }

private:
    cb::Error failure(int error, cb::Category category, std::uint64_t bytes) const
    {
        const char* call = info_.kind == cb::HeapKind::udmabuf    ? "UDMABUF_CREATE"
                           : info_.kind == cb::HeapKind::drm_dumb ? "DRM_IOCTL_MODE_CREATE_DUMB"
                                                                  : "DMA_HEAP_IOCTL_ALLOC";
        return cb::Error::of(category, cb::Call{call, info_.path},
                             "the heap gives no " + std::to_string(bytes) + " bytes")
            .with_errno(error);
    }

    cb::HeapInfo info_;
    std::optional<std::uint64_t> capacity_;
    std::string memory_name_;
};

} // namespace

Heaps::Heaps(std::vector<HeapRecord> records) : records_(std::move(records))
{
    static std::atomic<unsigned> machines = 0;
    prefix_ = "commonbuf-replay:" + std::to_string(machines++) + ":";
    for (std::size_t i = 0; i < records_.size(); ++i)
        heaps_.push_back(std::make_shared<ReplayedHeap>(records_[i], prefix_ + std::to_string(i)));
}

const HeapRecord* Heaps::origin(int memory) const
{
    for (std::size_t i = 0; i < records_.size(); ++i) {
        if (is_named(memory, prefix_ + std::to_string(i)))
            return &records_[i];
    }
    return nullptr;
}

std::optional<std::uint64_t> size_of(int memory)
{
    const off_t size = ::lseek(memory, 0, SEEK_END);
    return size >= 0 ? std::optional(static_cast<std::uint64_t>(size)) : std::nullopt;
}

} // namespace replay
