// SPDX-License-Identifier: MIT
#include "fake/machine.hpp"
#include "fake/syncobj.hpp"

#include <drm.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/magic.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>
#include <linux/media.h>
#include <linux/videodev2.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace fake {
namespace {

// Far from the test's own descriptors, so that a mix-up shows.
constexpr int first_descriptor = 1000;

std::string folder_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }
std::string name_of(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

int failed(int error)
{
    errno = error;
    return -1;
}

} // namespace

std::string request_name(unsigned long request)
{
    static const std::map<unsigned long, std::string> names{
#define NAME(request) {request, #request}
        NAME(DMA_HEAP_IOCTL_ALLOC),
        NAME(DMA_BUF_IOCTL_SYNC),
        NAME(DMA_BUF_SET_NAME_B),
        NAME(DMA_BUF_IOCTL_EXPORT_SYNC_FILE),
        NAME(DMA_BUF_IOCTL_IMPORT_SYNC_FILE),
        NAME(SYNC_IOC_MERGE),
        NAME(SYNC_IOC_FILE_INFO),
        NAME(UDMABUF_CREATE),
        NAME(UDMABUF_CREATE_LIST),
        NAME(VIDIOC_QUERYCAP),
        NAME(VIDIOC_ENUM_FMT),
        NAME(VIDIOC_G_FMT),
        NAME(VIDIOC_S_FMT),
        NAME(VIDIOC_TRY_FMT),
        NAME(VIDIOC_REQBUFS),
        NAME(VIDIOC_CREATE_BUFS),
        NAME(VIDIOC_QUERYBUF),
        NAME(VIDIOC_EXPBUF),
        NAME(VIDIOC_PREPARE_BUF),
        NAME(VIDIOC_QBUF),
        NAME(VIDIOC_DQBUF),
        NAME(VIDIOC_STREAMON),
        NAME(VIDIOC_STREAMOFF),
        NAME(VIDIOC_G_SELECTION),
        NAME(VIDIOC_S_SELECTION),
        NAME(VIDIOC_CREATE_BUFS),
        NAME(VIDIOC_QUERYBUF),
        NAME(VIDIOC_SUBSCRIBE_EVENT),
        NAME(VIDIOC_DQEVENT),
        NAME(VIDIOC_G_CTRL),
        NAME(VIDIOC_QUERYCTRL),
        NAME(VIDIOC_S_EXT_CTRLS),
        NAME(VIDIOC_ENCODER_CMD),
        NAME(VIDIOC_DECODER_CMD),
        NAME(MEDIA_IOC_REQUEST_ALLOC),
        NAME(MEDIA_REQUEST_IOC_QUEUE),
        NAME(MEDIA_REQUEST_IOC_REINIT),
        NAME(DRM_IOCTL_VERSION),
        NAME(DRM_IOCTL_GET_CAP),
        NAME(DRM_IOCTL_SET_CLIENT_CAP),
        NAME(DRM_IOCTL_DROP_MASTER),
        NAME(DRM_IOCTL_AUTH_MAGIC),
        NAME(DRM_IOCTL_GEM_CLOSE),
        NAME(DRM_IOCTL_PRIME_FD_TO_HANDLE),
        NAME(DRM_IOCTL_PRIME_HANDLE_TO_FD),
        NAME(DRM_IOCTL_MODE_GETRESOURCES),
        NAME(DRM_IOCTL_MODE_GETPLANERESOURCES),
        NAME(DRM_IOCTL_MODE_GETPLANE),
        NAME(DRM_IOCTL_MODE_OBJ_GETPROPERTIES),
        NAME(DRM_IOCTL_MODE_GETPROPERTY),
        NAME(DRM_IOCTL_MODE_GETPROPBLOB),
        NAME(DRM_IOCTL_MODE_ADDFB2),
        NAME(DRM_IOCTL_MODE_RMFB),
        NAME(DRM_IOCTL_MODE_GETCONNECTOR),
        NAME(DRM_IOCTL_MODE_GETENCODER),
        NAME(DRM_IOCTL_MODE_CREATEPROPBLOB),
        NAME(DRM_IOCTL_MODE_DESTROYPROPBLOB),
        NAME(DRM_IOCTL_MODE_ATOMIC),
        NAME(DRM_IOCTL_MODE_CREATE_DUMB),
        NAME(DRM_IOCTL_MODE_DESTROY_DUMB),
        NAME(DRM_IOCTL_SYNCOBJ_CREATE),
        NAME(DRM_IOCTL_SYNCOBJ_DESTROY),
        NAME(DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD),
        NAME(DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE),
        NAME(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT),
        NAME(DRM_IOCTL_SYNCOBJ_QUERY),
        NAME(DRM_IOCTL_SYNCOBJ_TRANSFER),
        NAME(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL),
        NAME(DRM_IOCTL_SYNCOBJ_EVENTFD),
#undef NAME
    };
    const auto known = names.find(request);
    return known != names.end() ? known->second : "ioctl " + std::to_string(request);
}

int File::ioctl(Machine&, unsigned long, void*) { return failed(ENOTTY); }

std::span<std::byte> DmaBuf::content()
{
    const auto bytes = static_cast<std::size_t>(bytes_);
    if (content_ == nullptr)
        content_.reset(static_cast<std::byte*>(std::calloc(1, bytes)));
    return {content_.get(), bytes};
}

int DmaBuf::ioctl(Machine& machine, unsigned long request, void* argument)
{
    if (request == DMA_BUF_SET_NAME_B)
        return 0;
    if (request == DMA_BUF_IOCTL_EXPORT_SYNC_FILE && bridged)
        return export_fence(machine, argument);
    if (request == DMA_BUF_IOCTL_IMPORT_SYNC_FILE && bridged)
        return import_fence(machine, argument);
    if (request != DMA_BUF_IOCTL_SYNC)
        return failed(ENOTTY);
    const std::uint64_t flags = static_cast<dma_buf_sync*>(argument)->flags;
    if ((flags & DMA_BUF_SYNC_RW) == 0)
        return failed(EINVAL);
    const int step = (flags & DMA_BUF_SYNC_END) != 0 ? -1 : 1;
    brackets.push_back(flags);
    if (step > 0 && while_starting)
        while_starting(flags);
    readers += (flags & DMA_BUF_SYNC_READ) != 0 ? step : 0;
    writers += (flags & DMA_BUF_SYNC_WRITE) != 0 ? step : 0;
    if (readers < 0 || writers < 0 || readers > 1 || writers > 1)
        machine.complain("unbalanced brackets");
    if (synced)
        synced(flags);
    return 0;
}

void DmaBuf::closed(Machine& machine)
{
    if (readers != 0 || writers != 0)
        machine.complain("a bracket was left open");
    if (released)
        released();
}

Machine::Machine() : next_descriptor_(first_descriptor) { commonbuf::os::set_kernel(this); }

Machine::~Machine() { commonbuf::os::set_kernel(nullptr); }

void Machine::add_name(const std::string& path)
{
    for (std::string rest = path; rest.size() > 1; rest = folder_of(rest))
        folders_[folder_of(rest)].insert(name_of(rest));
}

void Machine::add_node(const std::string& path, Opener opener)
{
    nodes_[path] = std::move(opener);
    inodes_.erase(path); // what comes in the place of another one gets a node of its own
    add_name(path);
}

void Machine::add_device(const std::string& path, const std::string& sysfs)
{
    constexpr unsigned char_major = 200;
    const auto place = static_cast<unsigned>(numbers_.size() + 1);
    const std::string number = std::to_string(char_major) + ":" + std::to_string(place);
    numbers_[path] = makedev(char_major, place);
    by_number_[number] = sysfs;
    links_["/sys/dev/char/" + number] = "../.." + sysfs.substr(std::strlen("/sys"));
    add_text(sysfs + "/dev", number + "\n");
}

void Machine::add_alias(const std::string& path, const std::string& node)
{
    add_node(path, nodes_.at(node));
    numbers_[path] = numbers_.at(node);
}

std::string Machine::resolved(const std::string& path) const
{
    const std::string folder = "/sys/dev/char/";
    if (!path.starts_with(folder))
        return path;
    const std::size_t end = std::min(path.find('/', folder.size()), path.size());
    const auto known = by_number_.find(path.substr(folder.size(), end - folder.size()));
    return known != by_number_.end() ? known->second + path.substr(end) : path;
}

void Machine::add_text(const std::string& path, const std::string& content)
{
    texts_[path] = content;
    add_name(path);
}

HeapModel& Machine::add_heap(const std::string& name, const HeapModel& model)
{
    heaps_.push_back(std::make_unique<HeapModel>(model));
    HeapModel& heap = *heaps_.back();
    add_node("/dev/dma_heap/" + name, [&heap] { return open_heap(heap); });
    return heap;
}

void Machine::add_udmabuf()
{
    add_node("/dev/udmabuf", [] { return open_udmabuf(); });
}

CameraModel& Machine::add_camera(const std::string& node, const CameraModel& model)
{
    cameras_.push_back(std::make_unique<CameraModel>(model));
    CameraModel& camera = *cameras_.back();
    add_node("/dev/" + node, [&camera] { return open_camera(camera); });
    add_device("/dev/" + node, "/sys/class/video4linux/" + node);
    add_text("/sys/class/video4linux/" + node + "/name", model.name + "\n");
    return camera;
}

PlanarModel& Machine::add_planar(const std::string& node, const PlanarModel& model)
{
    planar_.push_back(std::make_unique<PlanarModel>(model));
    PlanarModel& planar = *planar_.back();
    add_node("/dev/" + node, [&planar] { return open_planar(planar); });
    add_device("/dev/" + node, "/sys/class/video4linux/" + node);
    add_text("/sys/class/video4linux/" + node + "/name", model.name + "\n");
    return planar;
}

CodecModel& Machine::add_codec(const std::string& node, const CodecModel& model)
{
    codecs_.push_back(std::make_unique<CodecModel>(model));
    CodecModel& codec = *codecs_.back();
    add_node("/dev/" + node, [&codec] { return open_codec(codec); });
    add_device("/dev/" + node, "/sys/class/video4linux/" + node);
    add_text("/sys/class/video4linux/" + node + "/name", model.name + "\n");
    add_node("/dev/media0", [] { return open_media(); });
    add_device("/dev/media0", "/sys/class/video4linux/" + node + "/device/media0");
    return codec;
}

CardModel& Machine::add_card(const std::string& node, const CardModel& model)
{
    cards_.push_back(std::make_unique<CardModel>(model));
    CardModel& card = *cards_.back();
    add_node("/dev/dri/" + node, [&card] { return open_card(card); });
    add_device("/dev/dri/" + node, "/sys/class/drm/" + node);
    const std::string device = "/sys/class/drm/" + node + "/device";
    links_[device] = "../../devices/" + model.driver;
    links_[device + "/subsystem"] = "../../bus/" + model.bus;
    if (!model.driver_in_sysfs.empty())
        links_[device + "/driver"] = "../../drivers/" + model.driver_in_sysfs;
    add_name(device);
    return card;
}

int Machine::add_dma_buf(std::uint64_t size, bool contiguous)
{
    return new_descriptor(std::make_shared<DmaBuf>(size, contiguous));
}

DmaBuf* Machine::dma_buf(int fd) { return dynamic_cast<DmaBuf*>(file(fd).get()); }

std::size_t Machine::count(const std::string& name) const
{
    return static_cast<std::size_t>(std::count(calls_.begin(), calls_.end(), name));
}

int Machine::new_descriptor(std::shared_ptr<File> file)
{
    if (file->inode == 0)
        file->inode = next_inode_++;
    ++file->descriptors;
    const int fd = next_descriptor_++;
    descriptors_[fd] = std::move(file);
    return fd;
}

std::shared_ptr<File> Machine::file(int fd) const
{
    const auto found = descriptors_.find(fd);
    return found != descriptors_.end() ? found->second : nullptr;
}

std::string Machine::leaks() const
{
    const std::lock_guard lock(mutex_);
    std::string text = complaints_;
    for (const auto& [fd, file] : descriptors_)
        text += "descriptor " + std::to_string(fd) + " is open\n";
    if (!mappings_.empty())
        text += std::to_string(mappings_.size()) + " mappings\n";
    if (handles_ != 0)
        text += std::to_string(handles_) + " GEM handles\n";
    if (!guardians_.empty())
        text += std::to_string(guardians_.size()) + " guardians\n";
    for (const auto& card : cards_) {
        if (card->framebuffers != 0)
            text += std::to_string(card->framebuffers) + " framebuffers\n";
    }
    for (const auto& camera : cameras_) {
        if (camera->slots != 0 || camera->streaming != 0)
            text += camera->name + " has slots or streams\n";
    }
    for (const auto& heap : heaps_) {
        if (heap->used != 0)
            text += std::to_string(heap->used) + " bytes of a heap are taken\n";
    }
    return text;
}

bool Machine::faulty(const std::string& name)
{
    const std::size_t index = calls_.size();
    calls_.push_back(name);
    ++tally_[name];
    if (fault_ && fault_->first == index) {
        fault_hit_ = true;
        errno = fault_->second;
        return true;
    }
    if (const auto always = all_faults_.find(name); always != all_faults_.end()) {
        errno = always->second;
        return true;
    }
    return false;
}

int Machine::open(const char* name, int)
{
    const std::lock_guard lock(mutex_);
    if (faulty("open"))
        return -1;
    std::string path = name;
    const std::string descriptors = "/proc/self/fd/";
    if (path.starts_with(descriptors)) {
        const auto opened = file(std::stoi(path.substr(descriptors.size())));
        path = opened != nullptr ? opened->node : std::string();
    }
    if (forbidden_.contains(path))
        return failed(EACCES);
    const auto node = nodes_.find(path);
    if (node == nodes_.end())
        return failed(ENOENT);
    // A node is the same however often it is opened.
    std::shared_ptr<File> file = node->second();
    file->node = path;
    file->inode = inode_of(path);
    if (const auto number = numbers_.find(path); number != numbers_.end())
        file->number = number->second;
    return new_descriptor(std::move(file));
}

std::uint64_t Machine::inode_of(const std::string& path)
{
    const auto [known, is_new] = inodes_.try_emplace(path, next_inode_);
    if (is_new)
        ++next_inode_;
    return known->second;
}

int Machine::create(const char* path)
{
    const std::lock_guard lock(mutex_);
    if (faulty("create"))
        return -1;
    if (forbidden_.contains(path))
        return failed(EACCES);
    add_text(path, "");
    return new_descriptor(std::make_shared<WrittenFile>(texts_[path]));
}

int Machine::check_file(const char* path)
{
    const std::lock_guard lock(mutex_);
    struct stat file {};
    if (stat(path, &file) != 0 || S_ISREG(file.st_mode))
        return 0; // what cannot be seen is not in the way
    return failed(EINVAL);
}

ssize_t Machine::write(int fd, const void* buffer, std::size_t size)
{
    const std::lock_guard lock(mutex_);
    if (auto* event = dynamic_cast<EventFile*>(file(fd).get()); event != nullptr && size == sizeof event->count) {
        ++tally_["write"];
        std::uint64_t more = 0;
        std::memcpy(&more, buffer, size);
        event->count += more;
        return static_cast<ssize_t>(size);
    }
    if (faulty("write"))
        return -1;
    const auto target = std::dynamic_pointer_cast<WrittenFile>(file(fd));
    if (target == nullptr)
        return failed(EBADF);
    // A page at most, as pipes do: callers have to go on.
    const std::size_t taken = std::min<std::size_t>(size, 4096);
    target->content.append(static_cast<const char*>(buffer), taken);
    return static_cast<ssize_t>(taken);
}

int Machine::close(int fd)
{
    const std::lock_guard lock(mutex_);
    ++tally_["close"];
    // Linux frees the descriptor whatever close(2) answers: no fault to inject.
    const auto found = descriptors_.find(fd);
    if (found == descriptors_.end()) {
        complain("closed descriptor " + std::to_string(fd) + ", which is not open");
        return failed(EBADF);
    }
    for (const auto& [child, guardian] : guardians_) {
        if (guardian.line == fd)
            complain("closed the line to a guardian, which takes that for the program's end");
    }
    const std::shared_ptr<File> file = found->second;
    descriptors_.erase(found);
    if (--file->descriptors == 0) {
        file->closed(*this);
        std::erase_if(locks_, [&file](const auto& held) { return held.second == file.get(); });
    }
    return 0;
}

int Machine::ioctl(int fd, unsigned long request, void* argument)
{
    std::unique_lock lock(mutex_);
    const auto target = file(fd);
    if (faulty(request_name(request))) {
        // The kernel counts no brackets: an END that it refuses leaves nothing open.
        const int error = errno;
        if (request == DMA_BUF_IOCTL_SYNC && error != EINTR && error != EAGAIN &&
            (static_cast<dma_buf_sync*>(argument)->flags & DMA_BUF_SYNC_END) != 0 && target != nullptr)
            target->ioctl(*this, request, argument);
        errno = error;
        return -1;
    }
    // A START may hang, while others call.
    if (request == DMA_BUF_IOCTL_SYNC)
        lock.unlock();
    return target != nullptr ? target->ioctl(*this, request, argument) : failed(EBADF);
}

int Machine::fcntl(int fd, int command, long argument)
{
    const std::lock_guard lock(mutex_);
    const bool dup = command == F_DUPFD_CLOEXEC;
    if (faulty(dup ? "dup" : "fcntl"))
        return -1;
    const auto target = file(fd);
    if (target == nullptr)
        return failed(EBADF);
    if (dup)
        return new_descriptor(target);
    if (auto* memory = dynamic_cast<MemFile*>(target.get()); memory != nullptr && command == F_ADD_SEALS)
        memory->seals |= static_cast<int>(argument);
    return 0;
}

void* Machine::mmap(std::size_t length, int protection, int fd)
{
    const std::lock_guard lock(mutex_);
    if (faulty("mmap"))
        return MAP_FAILED;
    DmaBuf* memory = dma_buf(fd);
    if (memory == nullptr || length > static_cast<std::uint64_t>(memory->size())) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    if (memory->read_only && (protection & PROT_WRITE) != 0) {
        errno = EACCES;
        return MAP_FAILED;
    }
    void* address = memory->content().data();
    mappings_.emplace(address, Mapped{length, file(fd)});
    return address;
}

int Machine::munmap(void* address, std::size_t length)
{
    const std::lock_guard lock(mutex_);
    const auto [begin, end] = mappings_.equal_range(address);
    const auto found = std::find_if(begin, end, [length](const auto& each) { return each.second.length == length; });
    if (found == end) {
        complain("unmapped what was not mapped");
        return failed(EINVAL);
    }
    mappings_.erase(found);
    return 0;
}

int Machine::ppoll(pollfd* fds, nfds_t count, const timespec* timeout)
{
    const std::lock_guard lock(mutex_);
    if (faulty("ppoll"))
        return -1;
    const auto look = [&] {
        int ready = 0;
        for (nfds_t i = 0; i < count; ++i) {
            fds[i].revents = 0;
            if (fds[i].fd < 0)
                continue; // poll(2) leaves those out
            const auto target = file(fds[i].fd);
            fds[i].revents = target != nullptr ? target->ready(fds[i].events) : short{POLLNVAL};
            ready += fds[i].revents != 0 ? 1 : 0;
        }
        return ready;
    };
    const int at_once = look();
    if (at_once != 0 || timeout == nullptr || (timeout->tv_sec == 0 && timeout->tv_nsec == 0))
        return at_once;
    if (while_sleeping)
        while_sleeping();
    // Time never passes here: what does not wake the sleeper now has run into its deadline.
    const int woken = look();
    slept += woken == 0 ? 1U : 0U;
    return woken;
}

int Machine::eventfd(int)
{
    const std::lock_guard lock(mutex_);
    if (faulty("eventfd"))
        return -1;
    return new_descriptor(std::make_shared<EventFile>());
}

int Machine::timerfd_create(clockid_t, int)
{
    const std::lock_guard lock(mutex_);
    if (faulty("timerfd_create"))
        return -1;
    return new_descriptor(std::make_shared<TimerFile>());
}

int Machine::timerfd_settime(int fd, const itimerspec& time)
{
    const std::lock_guard lock(mutex_);
    if (faulty("timerfd_settime"))
        return -1;
    auto* timer = dynamic_cast<TimerFile*>(file(fd).get());
    if (timer == nullptr)
        return failed(EBADF);
    timer->started = time.it_value.tv_sec != 0 || time.it_value.tv_nsec != 0;
    return 0;
}

ssize_t File::read(void*, std::size_t) { return failed(EBADF); }

ssize_t EventFile::read(void* buffer, std::size_t size)
{
    if (size != sizeof count)
        return failed(EBADF);
    if (count == 0)
        return failed(EAGAIN);
    std::memcpy(buffer, &count, size);
    count = 0;
    return static_cast<ssize_t>(size);
}

ssize_t Machine::read(int fd, void* buffer, std::size_t size)
{
    const std::lock_guard lock(mutex_);
    ++tally_["read"];
    const auto target = file(fd);
    return target != nullptr ? target->read(buffer, size) : failed(EBADF);
}

off_t Machine::lseek(int fd, off_t, int)
{
    const std::lock_guard lock(mutex_);
    if (faulty("lseek"))
        return -1;
    const auto target = file(fd);
    return target != nullptr ? target->size() : failed(EBADF);
}

int Machine::fstat(int fd, struct stat* result)
{
    const std::lock_guard lock(mutex_);
    if (faulty("fstat"))
        return -1;
    const auto target = file(fd);
    if (target == nullptr)
        return failed(EBADF);
    *result = {};
    result->st_dev = 1;
    result->st_ino = target->inode;
    result->st_rdev = target->number;
    result->st_mode = target->number != 0 ? S_IFCHR : S_IFREG;
    return 0;
}

int Machine::fstatfs(int fd, struct statfs* result)
{
    const std::lock_guard lock(mutex_);
    if (faulty("fstatfs"))
        return -1;
    if (file(fd) == nullptr)
        return failed(EBADF);
    *result = {};
    result->f_type = dma_buf(fd) != nullptr     ? DMA_BUF_MAGIC
                     : file(fd)->is_anonymous() ? ANON_INODE_FS_MAGIC
                                                : TMPFS_MAGIC;
    return 0;
}

int Machine::stat(const char* path, struct stat* result)
{
    const std::lock_guard lock(mutex_);
    if (faulty("stat"))
        return -1;
    const std::string name = path;
    const auto folder = folders_.find(folder_of(name));
    const bool named = folder != folders_.end() && folder->second.contains(name_of(name));
    if (!named && !nodes_.contains(path) && !texts_.contains(path) && !folders_.contains(path))
        return failed(ENOENT);
    *result = {};
    result->st_mode = (texts_.contains(path) ? S_IFREG : S_IFCHR) | S_IRUSR | S_IWUSR;
    if (nodes_.contains(path)) {
        result->st_dev = 1;
        result->st_ino = inode_of(path);
    }
    if (const auto number = numbers_.find(path); number != numbers_.end())
        result->st_rdev = number->second;
    return 0;
}

int Machine::flock(int fd, int operation)
{
    const std::lock_guard lock(mutex_);
    if (faulty("flock"))
        return -1;
    const auto target = file(fd);
    if (target == nullptr)
        return failed(EBADF);
    const auto held = locks_.find(target->inode);
    if ((operation & LOCK_UN) != 0) {
        if (held != locks_.end() && held->second == target.get())
            locks_.erase(held);
        return 0;
    }
    if ((held != locks_.end() && held->second != target.get()) || (locked_elsewhere && locked_elsewhere()))
        return failed(EWOULDBLOCK);
    locks_[target->inode] = target.get();
    return 0;
}

int Machine::access(const char* path)
{
    const std::lock_guard lock(mutex_);
    if (faulty("access"))
        return -1;
    if (forbidden_.contains(path))
        return failed(EACCES);
    return nodes_.contains(path) || texts_.contains(path) ? 0 : failed(ENOENT);
}

int Machine::kcmp_file(int a, int b)
{
    const std::lock_guard lock(mutex_);
    if (faulty("kcmp"))
        return -1;
    return file(a) != nullptr && file(a) == file(b) ? 0 : 1;
}

int Machine::memfd_create(const char*, unsigned)
{
    const std::lock_guard lock(mutex_);
    return faulty("memfd_create") ? -1 : new_descriptor(std::make_shared<MemFile>());
}

int Machine::ftruncate(int fd, off_t length)
{
    const std::lock_guard lock(mutex_);
    if (faulty("ftruncate"))
        return -1;
    auto* memory = dynamic_cast<MemFile*>(file(fd).get());
    if (memory == nullptr)
        return failed(EINVAL);
    memory->length = length;
    return 0;
}

ssize_t Machine::readlink(const char* path, char* buffer, std::size_t size)
{
    const std::lock_guard lock(mutex_);
    if (faulty("readlink"))
        return -1;
    const auto link = links_.find(path);
    if (link == links_.end())
        return failed(ENOENT);
    const std::size_t length = std::min(size, link->second.size());
    std::memcpy(buffer, link->second.data(), length);
    return static_cast<ssize_t>(length);
}

int Machine::replace_file(const char* path, const std::string& content)
{
    const std::lock_guard lock(mutex_);
    if (faulty("write"))
        return -1;
    texts_[path] = content;
    return 0;
}

int Machine::read_file(const char* path, std::string& content)
{
    const std::lock_guard lock(mutex_);
    if (faulty("read"))
        return -1;
    const auto text = texts_.find(resolved(path));
    if (text == texts_.end())
        return failed(ENOENT);
    content = text->second;
    return 0;
}

short SocketFile::ready(short events)
{
    short shown = 0;
    const auto peer = other.lock();
    if (!letters.empty() || hung_up)
        shown = static_cast<short>(shown | POLLIN);
    if (peer == nullptr || peer->letters.size() < peer->room)
        shown = static_cast<short>(shown | POLLOUT);
    shown = static_cast<short>(shown & events);
    return hung_up ? static_cast<short>(shown | POLLHUP) : shown;
}

void SocketFile::closed(Machine& machine)
{
    if (const auto peer = other.lock())
        peer->hung_up = true;
    for (const Letter& letter : std::exchange(letters, {})) {
        for (const auto& travels : letter.files)
            machine.dropped(travels);
    }
}

void Machine::dropped(const std::shared_ptr<File>& travels)
{
    if (--travels->descriptors == 0)
        travels->closed(*this);
}

int Machine::socketpair(int type, std::array<int, 2>& fds)
{
    const std::lock_guard lock(mutex_);
    if (faulty("socketpair"))
        return -1;
    const auto a = std::make_shared<SocketFile>(type);
    const auto b = std::make_shared<SocketFile>(type);
    a->other = b;
    b->other = a;
    fds[0] = new_descriptor(a);
    fds[1] = new_descriptor(b);
    return 0;
}

ssize_t Machine::sendmsg(int fd, const msghdr* message, int)
{
    const std::lock_guard lock(mutex_);
    if (faulty("sendmsg"))
        return -1;
    auto* const here = dynamic_cast<SocketFile*>(file(fd).get());
    if (here == nullptr)
        return failed(ENOTSOCK);
    const auto peer = here->other.lock();
    if (peer == nullptr || here->hung_up)
        return failed(EPIPE);
    if (peer->letters.size() >= peer->room)
        return failed(EAGAIN);
    SocketFile::Letter letter;
    for (std::size_t i = 0; i < message->msg_iovlen; ++i) {
        const auto* const bytes = static_cast<const std::byte*>(message->msg_iov[i].iov_base);
        letter.bytes.insert(letter.bytes.end(), bytes, bytes + message->msg_iov[i].iov_len);
    }
    for (cmsghdr* control = CMSG_FIRSTHDR(message); control != nullptr;
         control = CMSG_NXTHDR(const_cast<msghdr*>(message), control)) {
        for (std::size_t i = 0; i < (control->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
            int travelling = -1;
            std::memcpy(&travelling, CMSG_DATA(control) + i * sizeof(int), sizeof travelling);
            const auto target = file(travelling);
            if (target == nullptr)
                return failed(EBADF);
            letter.files.push_back(target);
        }
    }
    for (const auto& travels : letter.files)
        ++travels->descriptors;
    const auto size = static_cast<ssize_t>(letter.bytes.size());
    peer->letters.push_back(std::move(letter));
    return size;
}

ssize_t Machine::recvmsg(int fd, msghdr* message, int)
{
    const std::lock_guard lock(mutex_);
    if (faulty("recvmsg"))
        return -1;
    auto* const here = dynamic_cast<SocketFile*>(file(fd).get());
    if (here == nullptr)
        return failed(ENOTSOCK);
    message->msg_flags = 0;
    if (here->letters.empty()) {
        if (!here->hung_up)
            return failed(EAGAIN);
        message->msg_controllen = 0;
        return 0;
    }
    SocketFile::Letter letter = std::move(here->letters.front());
    here->letters.pop_front();
    const std::size_t taken = std::min(letter.bytes.size(), message->msg_iov[0].iov_len);
    std::ranges::copy_n(letter.bytes.begin(), static_cast<std::ptrdiff_t>(taken),
                        static_cast<std::byte*>(message->msg_iov[0].iov_base));
    if (taken < letter.bytes.size())
        message->msg_flags |= MSG_TRUNC;
    // As many as there is room for, and as many as the process may have.
    std::vector<int> fds;
    for (const auto& travels : letter.files) {
        if (CMSG_SPACE((fds.size() + 1) * sizeof(int)) <= message->msg_controllen && fds.size() < max_received)
            fds.push_back(new_descriptor(travels));
        else
            message->msg_flags |= MSG_CTRUNC;
        dropped(travels);
    }
    if (fds.empty()) {
        message->msg_controllen = 0;
        return static_cast<ssize_t>(taken);
    }
    message->msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* const control = CMSG_FIRSTHDR(message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(control), fds.data(), fds.size() * sizeof(int));
    return static_cast<ssize_t>(taken);
}

int Machine::getsockopt(int fd, int option, void* value, socklen_t* size)
{
    const std::lock_guard lock(mutex_);
    if (faulty("getsockopt"))
        return -1;
    const auto* const here = dynamic_cast<SocketFile*>(file(fd).get());
    if (here == nullptr)
        return failed(ENOTSOCK);
    if (option == SO_PEERCRED) {
        const ucred credentials{42, 1000, 100};
        std::memcpy(value, &credentials, *size = sizeof credentials);
        return 0;
    }
    const int answer = option == SO_TYPE ? here->type : AF_UNIX;
    std::memcpy(value, &answer, *size = sizeof answer);
    return 0;
}

int Machine::list(const char* path, std::vector<std::string>& names)
{
    const std::lock_guard lock(mutex_);
    if (faulty("list"))
        return -1;
    std::string folder = resolved(path);
    if (folder.ends_with('/'))
        folder.pop_back();
    const auto found = folders_.find(folder);
    if (found == folders_.end())
        return failed(ENOENT);
    names.assign(found->second.begin(), found->second.end());
    return 0;
}

int Machine::guard(int fd, std::span<const commonbuf::os::Ioctl> calls, pid_t& child)
{
    const std::lock_guard lock(mutex_);
    if (faulty("clone"))
        return -1;
    GuardianModel guardian{file(fd), {}, new_descriptor(std::make_shared<File>())};
    if (guardian.file == nullptr)
        complain("a guardian of descriptor " + std::to_string(fd) + ", which is not open");
    for (const auto& call : calls) {
        const auto* argument = static_cast<const std::byte*>(call.argument);
        guardian.calls.push_back({call.request, {argument, argument + _IOC_SIZE(call.request)}});
    }
    child = next_child_++;
    const int line = guardian.line;
    guardians_.emplace(child, std::move(guardian));
    return line;
}

void Machine::dismiss(int line, pid_t child)
{
    const std::lock_guard lock(mutex_);
    const auto found = guardians_.find(child);
    if (found == guardians_.end() || found->second.line != line)
        return complain("dismissed no guardian of ours");
    guardians_.erase(found);
}

void Machine::act_as_guardians()
{
    for (auto& [child, guardian] : guardians_) {
        for (Prepared& call : guardian.calls)
            guardian.file->ioctl(*this, call.request, call.argument.data());
    }
}

} // namespace fake
