// SPDX-License-Identifier: MIT
#pragma once

#include "os/kernel.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// A kernel for tests: a machine with heaps and devices that behave as told, whose
/// calls can be made to fail one by one, and which knows what was not given back.
///
/// It models what the library relies on and nothing more. What real drivers do is
/// shown in the lab.
struct v4l2_format;

namespace fake {

class Machine;

/// Something that a descriptor refers to.
class File {
public:
    virtual ~File() = default;
    /// As ioctl(2): -1 and errno, or a value from 0 on.
    virtual int ioctl(Machine& machine, unsigned long request, void* argument);
    virtual std::int64_t size() const { return 0; }
    virtual short ready(short events) { return events; }
    /// As read(2).
    virtual ssize_t read(void* buffer, std::size_t size);
    /// Whether the kernel made it without a file system, as sync_files.
    virtual bool is_anonymous() const { return false; }
    /// Called when the last descriptor is closed.
    virtual void closed(Machine&) {}

    std::uint64_t inode = 0;
    std::uint64_t number = 0; ///< of a device (st_rdev)
    unsigned descriptors = 0;
    std::string node; ///< the path that it was opened by
};

/// Work of a device: 0 while it is pending, 1, or a negative errno value.
struct FenceModel {
    std::string driver;
    std::string timeline;
    int status = 0;
    std::uint64_t timestamp = 0;
    unsigned looks = 0; ///< it signals right after somebody has looked so often, where not 0
};

class SyncFile final : public File {
public:
    /// `before` is what comes before it on a timeline: forgotten when it is over, failed or not.
    explicit SyncFile(std::vector<std::shared_ptr<FenceModel>> fences,
                      std::vector<std::shared_ptr<FenceModel>> before = {})
        : fences_(std::move(fences)),
          before_(std::move(before))
    {}
    int ioctl(Machine& machine, unsigned long request, void* argument) override;
    bool is_anonymous() const override { return true; }
    short ready(short events) override;
    /// All that is left.
    std::vector<std::shared_ptr<FenceModel>> fences() const;

private:
    std::vector<std::shared_ptr<FenceModel>> fences_;
    std::vector<std::shared_ptr<FenceModel>> before_;
};

/// An eventfd that others signal: readable when one of them has.
class EventFd final : public File {
public:
    short ready(short events) override;
    std::vector<std::function<bool()>> signalled;
};

/// Memory behind a descriptor.
class DmaBuf final : public File {
public:
    DmaBuf(std::uint64_t bytes, bool in_one_piece) : contiguous(in_one_piece), bytes_(bytes) {}
    int ioctl(Machine& machine, unsigned long request, void* argument) override;
    std::int64_t size() const override { return static_cast<std::int64_t>(bytes_); }
    short ready(short events) override;
    void closed(Machine& machine) override;

    bool contiguous;
    bool busy = false; ///< a fence has not signalled
    bool read_only = false;
    int readers = 0; ///< open brackets
    int writers = 0;
    std::vector<std::uint64_t> brackets;                              ///< the flags of every DMA_BUF_IOCTL_SYNC
    std::function<void()> released;                                   ///< gives its room back to a heap
    bool bridged = true;                                              ///< as since Linux 6.0
    std::vector<std::pair<std::shared_ptr<FenceModel>, bool>> fences; ///< implicit ones; true for writers
    std::function<void(std::uint64_t flags)> while_starting;          ///< happens in START, after its maintenance
    std::function<void(std::uint64_t flags)> synced;                  ///< follows each DMA_BUF_IOCTL_SYNC

    /// The content, which all mappings and devices share. Zeros at first.
    std::span<std::byte> content();

private:
    int export_fence(Machine& machine, void* argument) const;
    int import_fence(Machine& machine, void* argument);

    std::uint64_t bytes_;
    std::unique_ptr<std::byte, void (*)(void*)> content_{nullptr, std::free};
};

/// The pages of memfd_create(2).
class MemFile final : public File {
public:
    std::int64_t size() const override { return length; }
    std::int64_t length = 0;
    int seals = 0;
};

/// An eventfd(2).
class EventFile final : public File {
public:
    bool is_anonymous() const override { return true; }
    short ready(short events) override { return count != 0 ? static_cast<short>(events & POLLIN) : short{0}; }
    ssize_t read(void* buffer, std::size_t size) override;
    std::uint64_t count = 0;
};

/// One end of a socketpair(2) that keeps messages apart, with the files that travel in them.
class SocketFile final : public File {
public:
    struct Letter {
        std::vector<std::byte> bytes;
        std::vector<std::shared_ptr<File>> files;
    };
    explicit SocketFile(int kind) : type(kind) {}
    short ready(short events) override;
    void closed(Machine& machine) override;

    int type;
    bool hung_up = false;         ///< the other end is closed
    std::size_t room = 8;         ///< messages that it holds
    std::deque<Letter> letters{}; ///< to be received here
    std::weak_ptr<SocketFile> other{};
};

/// A timerfd(2). Whoever polls one that is started waits until it is readable.
class TimerFile final : public File {
public:
    bool is_anonymous() const override { return true; }
    short ready(short events) override { return started ? static_cast<short>(events & POLLIN) : short{0}; }
    bool started = false;
};

/// A file that the library writes.
class WrittenFile final : public File {
public:
    explicit WrittenFile(std::string& to) : content(to) {}
    std::string& content;
};

struct HeapModel {
    /// Scattered heaps give contiguous memory by luck: whenever a buffer has no odd tail.
    bool contiguous = false;
    bool lucky = false;
    std::uint64_t capacity = UINT64_MAX;
    std::uint64_t used = 0;
};

/// One V4L2 node with one queue.
struct CameraModel {
    std::string name = "fake-cam";
    bool output = false;
    bool memory_to_memory = false;
    std::uint32_t capabilities = 0; ///< V4L2_CAP_... beside those of its queue
    bool no_pictures = false;       ///< its queue is only what `capabilities` say
    std::string driver = "fake";
    std::string card;
    std::string bus;
    bool needs_contiguous = false;
    bool has_prepare = true;
    bool imports = true;            ///< V4L2_MEMORY_DMABUF
    bool exports = false;           ///< V4L2_MEMORY_MMAP, EXPBUF and CREATE_BUFS
    bool orphans = true;            ///< what is exported outlives its slot
    bool in_one_piece = false;      ///< its own memory
    std::uint64_t room = 1U << 30U; ///< bytes of its own memory
    bool owned_elsewhere = false;
    bool damages_frames = false;
    /// Writes a frame; `own` is whether into the driver's own memory.
    std::function<void(std::span<std::byte> memory, std::uint32_t sequence, bool own)> draw;
    std::function<void(v4l2_format&)> distort; ///< has the last word on what TRY_FMT and S_FMT answer
    std::uint32_t stride_step = 1;             ///< 0: takes no stride but its own
    std::uint32_t extra_bytes = 0;             ///< padding behind the image
    std::uint32_t max_width = 4096;
    std::uint32_t max_slots = 0;        ///< if it says so; 32 otherwise
    std::uint32_t lines = 0;            ///< of an interlaced picture, the only one that it has
    bool only_fields = false;           ///< it sends one field after the other, whatever it is asked for
    bool refuses_single_fields = false; ///< with EINVAL, where others correct what they are asked for
    bool fields_in_row = false;         ///< it puts one field behind the other unless asked for something else
    bool converts_colours = false;      ///< V4L2_PIX_FMT_FLAG_SET_CSC
    std::vector<std::uint32_t> formats;

    // What it is set to.
    std::uint32_t field = 1;        // V4L2_FIELD_NONE
    std::uint32_t colorspace = 3;   // V4L2_COLORSPACE_REC709
    std::uint32_t quantization = 2; // V4L2_QUANTIZATION_LIM_RANGE
    std::vector<std::uint32_t> fields_queued;
    std::uint32_t width = 640;
    std::uint32_t height = 480;
    std::uint32_t fourcc = 0;
    std::uint32_t stride = 0;
    std::uint32_t size = 0;         ///< of a frame
    std::uint32_t crop = 0;         ///< a width; 0 for the whole picture, as each S_FMT sets it
    std::optional<unsigned> frames; ///< how many it has for buffers; one for each as soon as it has it if not set
    unsigned slots = 0;
    std::uint32_t memory = 0;             ///< which kind the slots are of
    std::vector<std::uint32_t> own_sizes; ///< of the slots of its own memory
    unsigned streaming = 0;
    unsigned maps = 0; ///< how often memory was mapped
    std::vector<std::uint32_t> queue;
    std::uint32_t sequence = 0;
};

/// One plane of a card.
struct PlaneModel {
    std::uint32_t id = 0;
    std::uint64_t type = 0;                     ///< 0 overlay, 1 primary, 2 cursor
    std::vector<std::uint32_t> formats{};       ///< those of the card if empty
    std::vector<std::uint32_t> async_formats{}; ///< IN_FORMATS_ASYNC
    std::uint32_t crtcs = 1;                    ///< a bit for each that can show it
    std::vector<std::uint16_t> size_hints{};    ///< widths and heights
};

/// One mode of the connectors, whose picture has 1000x100 pixels with its blanks.
struct ModeModel {
    std::uint16_t width = 0;
    std::uint16_t height = 0;
    std::uint32_t rate = 0;
    bool preferred = false;
    std::uint32_t flags = 0; ///< DRM_MODE_FLAG_*
    std::uint16_t vscan = 0;
};

/// What a card shows: one connector (41), a writeback connector (42), one CRTC (51), a primary
/// plane (31) and an overlay (32). The second head is connector 43 with CRTC 52.
struct DisplayModel {
    bool present = false;
    unsigned heads = 1;
    std::vector<PlaneModel> planes{{.id = 32}, {.id = 31, .type = 1}};
    std::vector<ModeModel> modes{{128, 64, 30}, {64, 32, 30}, {64, 32, 60, true}};
    bool virtual_cursor = false; ///< hides cursors from atomic clients that know no hot spot
    bool async_flips = false;
    bool is_lit = true;  ///< before the first commit
    int fence_error = 0; ///< what a commit with IN_FENCE_FD gets
    bool master = true;
    bool gone = false;          ///< unplugged
    bool lease_revoked = false; ///< the file is a lease that was taken back
    bool connected = true;
    bool atomic = true;
    bool writeback = true;
    unsigned probes = 0; ///< how often a display was asked what it can, which takes long

    /// What was committed: properties by object and name.
    using Values = std::map<std::uint32_t, std::map<std::string, std::uint64_t>>;
    struct Made {
        std::uint32_t flags;
        Values values;
        std::shared_ptr<FenceModel> in_fence; ///< of the last plane that has one
    };
    std::vector<Made> commits;
    std::vector<Values> tests;
    Values now;
    std::function<int(const Values&)> refusal; ///< an errno, or 0 for what it takes
    int commit_error = 0;                      ///< what a commit gets that passes as a test
    bool ends_at_once = false;                 ///< each commit is shown, and written, when it is made
    std::shared_ptr<FenceModel> shown;         ///< of the last commit
    std::shared_ptr<FenceModel> written;
    std::vector<std::byte> events;
    std::map<std::uint32_t, std::vector<std::byte>> blobs;
    std::uint32_t next_blob = 1000;
};

/// One V4L2 node with the multi-planar API, whose formats all have two memories: one for the bytes of
/// luma, one for half as many.
struct PlanarModel {
    std::string name = "fake-planar";
    bool output = false;
    std::vector<std::uint32_t> formats;
    std::uint32_t row_step = 1; ///< the rows of its pictures are multiples of it
    std::uint32_t memories = 2; ///< how many it answers

    // What it is set to.
    std::uint32_t width = 640;
    std::uint32_t height = 480;
    std::uint32_t fourcc = 0;
    std::uint32_t crop_height = 0; ///< of the picture; 0 for all of it
    unsigned slots = 0;
};

/// One V4L2 codec between NV12 and FWHT, with both queues on each file handle, and the media
/// node of its requests.
struct CodecModel {
    std::string name = "fake-codec";
    bool encodes = true;
    bool requires_requests = false;
    bool holds = false; ///< a capture buffer for further slices
    bool damages_frames = false;
    bool stays_at_end = false;         ///< does not clear its capture queue when it is to go on
    unsigned changes = 0;              ///< of the source, that nobody has heard of
    std::uint32_t misplaced_slots = 0; ///< how far off CREATE_BUFS says that they begin
    std::uint32_t width = 64;          ///< what VIDIOC_G_FMT says
    std::uint32_t height = 32;
    std::uint32_t visible_width = 62;
    std::uint32_t visible_height = 30;
    std::uint32_t coded_size = 8192;
    std::uint32_t row_step = 1; ///< the rows of its pictures are multiples of it, but not more than
    std::uint32_t max_rows = 8192;
    std::vector<std::uint32_t> raw;            ///< the codes of its pictures, instead of NV12
    std::function<void(v4l2_format&)> distort; ///< has the last word on the format of pictures
    bool exports = false;                      ///< V4L2_MEMORY_MMAP and EXPBUF
    /// Makes something of a memory in another one, and says how many bytes.
    std::function<std::uint32_t(std::span<const std::byte> from, std::span<std::byte> to)> convert;
    std::uint32_t fourcc = 0; ///< what its pictures were set to last
};

/// One DRM card.
struct CardModel {
    std::string driver = "fakedrm";
    std::string bus = "faux";
    std::string driver_in_sysfs; ///< none on the faux bus
    bool dumb = true;
    bool import = true;
    bool modifiers = true;
    bool checks_at_import = false; ///< takes contiguous memory alone
    bool timelines = false;
    bool tells_eventfds = true;          ///< as since Linux 6.6
    std::function<void()> while_waiting; ///< happens once, where a wait would take time
    std::uint32_t pitch_align = 1;
    std::uint32_t dumb_pitch_align = 1;
    std::uint32_t dumb_bits = 0;          ///< the only depth of dumb buffers, as of virtio-gpu; 0 for any
    std::uint64_t dumb_room = UINT64_MAX; ///< the bytes that there are for a dumb buffer
    std::vector<std::uint32_t> formats;
    std::vector<std::uint64_t> tiles;  ///< modifiers of all its formats, besides LINEAR
    std::vector<std::byte> in_formats; ///< the blob as it stands, instead of one made of `formats`
    DisplayModel display;

    unsigned framebuffers = 0;
    std::uint32_t next_id = 1;
    struct Dumb {
        std::uint32_t width;
        std::uint32_t height;
        std::uint32_t bits;
        friend bool operator==(const Dumb&, const Dumb&) = default;
    };
    std::vector<Dumb> dumb_buffers; ///< all that were made
    struct Frame {
        std::uint64_t modifier = 0;
        std::array<std::uint32_t, 2> pitches{};
        std::array<std::uint32_t, 2> offsets{};
        bool two_memories = false;
    };
    Frame frame; ///< the last framebuffer that was made
};

class Machine final : public commonbuf::os::Kernel {
public:
    Machine();
    ~Machine() override;
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // What there is. The models live as long as the machine.
    HeapModel& add_heap(const std::string& name, const HeapModel& model = {});
    void add_udmabuf();
    CameraModel& add_camera(const std::string& node, const CameraModel& model);
    PlanarModel& add_planar(const std::string& node, const PlanarModel& model);
    CodecModel& add_codec(const std::string& node, const CodecModel& model);
    CardModel& add_card(const std::string& node, const CardModel& model);
    void forbid(const std::string& path) { forbidden_.insert(path); }
    void add_text(const std::string& path, const std::string& content);
    /// Something at `path` that is not a regular file.
    void add_pipe(const std::string& path) { add_name(path); }
    /// What a text holds, or what was written into a file that the library made.
    const std::string& text(const std::string& path) { return texts_[path]; }
    int add_dma_buf(std::uint64_t size, bool contiguous = false);
    DmaBuf* dma_buf(int fd);
    /// Work that ends when the test sets its status.
    static std::shared_ptr<FenceModel> add_fence(const std::string& timeline);
    int sync_file(const std::shared_ptr<FenceModel>& fence);
    int add_eventfd();
    std::size_t open_descriptors() const
    {
        const std::lock_guard lock(mutex_);
        return descriptors_.size();
    }

    /// Another name of a node, as mknod(2) or a link makes it.
    void add_alias(const std::string& path, const std::string& node);

    /// Whether another program has the lock of a node now; it is asked at each try.
    std::function<bool()> locked_elsewhere;
    std::size_t locks() const { return locks_.size(); }

    /// How many descriptors a message may bring; the rest is lost, as at the limit of a process.
    std::size_t max_received = 253;

    /// How often somebody polled that would have slept until the deadline.
    unsigned slept = 0;

    /// Happens whenever somebody would sleep: the world goes on meanwhile, and may wake the sleeper.
    std::function<void()> while_sleeping;

    /// The names of all calls so far, in order; ioctls go by the name of their request.
    const std::vector<std::string>& calls() const { return calls_; }
    std::size_t count(const std::string& name) const;

    /// How often each call was made, those among them that are no place for a fault: close(2), and what
    /// wakes and is read of an eventfd(2).
    const std::map<std::string, std::size_t>& tally() const { return tally_; }

    /// Makes the call with this index fail.
    void fail(std::size_t index, int error) { fault_ = {index, error}; }
    /// Makes every call of this name fail, until it is told 0.
    void fail_all(const std::string& name, int error)
    {
        all_faults_[name] = error;
        std::erase_if(all_faults_, [](const auto& each) { return each.second == 0; });
    }
    bool fault_hit() const { return fault_hit_; }

    /// Does what the guardians would do if the program were killed now.
    void act_as_guardians();
    std::size_t guardians() const { return guardians_.size(); }

    /// What was not given back, or used wrongly; empty when all is well.
    std::string leaks() const;

    // For the files.
    int new_descriptor(std::shared_ptr<File> file);
    std::shared_ptr<File> file(int fd) const;
    void complain(const std::string& text) { complaints_ += text + "\n"; }
    void dropped(const std::shared_ptr<File>& travels);
    void handle_opened() { ++handles_; }
    void handle_closed() { --handles_; }

    int open(const char* path, int flags) override;
    int create(const char* path) override;
    int check_file(const char* path) override;
    int close(int fd) override;
    ssize_t write(int fd, const void* buffer, std::size_t size) override;
    int ioctl(int fd, unsigned long request, void* argument) override;
    int fcntl(int fd, int command, long argument) override;
    void* mmap(std::size_t length, int protection, int fd) override;
    int munmap(void* address, std::size_t length) override;
    int mprotect(void*, std::size_t, int) override { return 0; }
    int eventfd(int flags) override;
    int timerfd_create(clockid_t clock, int flags) override;
    int timerfd_settime(int fd, const itimerspec& time) override;
    ssize_t read(int fd, void* buffer, std::size_t size) override;
    int ppoll(pollfd* fds, nfds_t count, const timespec* timeout) override;
    off_t lseek(int fd, off_t offset, int whence) override;
    int fstat(int fd, struct stat* result) override;
    int fstatfs(int fd, struct statfs* result) override;
    int stat(const char* path, struct stat* result) override;
    int access(const char* path) override;
    int flock(int fd, int operation) override;
    int kcmp_file(int a, int b) override;
    int memfd_create(const char* name, unsigned flags) override;
    int ftruncate(int fd, off_t length) override;
    ssize_t readlink(const char* path, char* buffer, std::size_t size) override;
    int read_file(const char* path, std::string& content) override;
    int replace_file(const char* path, const std::string& content) override;
    int list(const char* path, std::vector<std::string>& names) override;
    int socketpair(int type, std::array<int, 2>& fds) override;
    ssize_t sendmsg(int fd, const msghdr* message, int flags) override;
    ssize_t recvmsg(int fd, msghdr* message, int flags) override;
    int getsockopt(int fd, int option, void* value, socklen_t* size) override;
    int guard(int fd, std::span<const commonbuf::os::Ioctl> calls, pid_t& child) override;
    void dismiss(int line, pid_t child) override;

private:
    /// What a guardian took with it: the arguments as they stood then.
    struct Prepared {
        unsigned long request;
        std::vector<std::byte> argument;
    };
    struct GuardianModel {
        std::shared_ptr<File> file;
        std::vector<Prepared> calls;
        int line;
    };

    using Opener = std::function<std::shared_ptr<File>()>;

    /// Of all calls, which come from any thread. What a test sets, it sets before.
    mutable std::recursive_mutex mutex_;

    bool faulty(const std::string& name);
    std::uint64_t inode_of(const std::string& path);
    void add_node(const std::string& path, Opener opener);
    void add_device(const std::string& path, const std::string& sysfs);
    void add_name(const std::string& path);
    /// The path behind one in /sys/dev/char, where every device has a link by its number.
    std::string resolved(const std::string& path) const;

    std::map<std::string, Opener> nodes_;
    std::map<std::string, std::string> texts_;
    std::map<std::string, std::string> links_;
    std::map<std::string, std::set<std::string>> folders_;
    std::set<std::string> forbidden_;
    std::map<int, std::shared_ptr<File>> descriptors_;
    std::map<pid_t, GuardianModel> guardians_;
    struct Mapped {
        std::size_t length;
        std::shared_ptr<File> memory;
    };
    std::multimap<void*, Mapped> mappings_;
    std::vector<std::unique_ptr<HeapModel>> heaps_;
    std::vector<std::unique_ptr<CameraModel>> cameras_;
    std::vector<std::unique_ptr<PlanarModel>> planar_;
    std::vector<std::unique_ptr<CodecModel>> codecs_;
    std::vector<std::unique_ptr<CardModel>> cards_;
    std::vector<std::string> calls_;
    std::map<std::string, std::size_t> tally_;
    std::optional<std::pair<std::size_t, int>> fault_;
    std::map<std::string, int> all_faults_;
    bool fault_hit_ = false;
    std::string complaints_;
    std::map<std::string, std::uint64_t> inodes_;  ///< of the nodes
    std::map<std::string, std::uint64_t> numbers_; ///< of devices, by their nodes
    std::map<std::string, std::string> by_number_; ///< folders in sysfs, by "200:1"
    std::map<std::uint64_t, const File*> locks_;   ///< by inode
    std::uint64_t next_inode_ = 1;
    int next_descriptor_;
    pid_t next_child_ = 1;
    int handles_ = 0;
};

/// The name of an ioctl request, for example "VIDIOC_S_FMT".
std::string request_name(unsigned long request);

std::shared_ptr<File> open_heap(HeapModel& model);
std::shared_ptr<File> open_udmabuf();
std::shared_ptr<File> open_camera(CameraModel& model);
std::shared_ptr<File> open_planar(PlanarModel& model);
std::shared_ptr<File> open_codec(CodecModel& model);
std::shared_ptr<File> open_media();
std::shared_ptr<File> open_card(CardModel& model);

} // namespace fake
