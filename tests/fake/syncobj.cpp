// SPDX-License-Identifier: MIT
//
// Timelines as the kernel has them (drivers/gpu/drm/drm_syncobj.c and
// drivers/dma-buf/dma-fence-chain.c), with what they forget: a fence that is over goes from
// the chain as soon as somebody looks at a later one.
#include "fake/syncobj.hpp"

#include "fake/fences.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

namespace fake {
namespace {

int failed(int error)
{
    errno = error;
    return -1;
}

bool over(const Fences& fences) { return std::none_of(fences.begin(), fences.end(), pending); }

template <typename T>
T* at(std::uint64_t address)
{
    return reinterpret_cast<T*>(static_cast<std::uintptr_t>(address));
}

} // namespace

class Syncobj {
public:
    /// What is behind a point: its own fences, and those of earlier points.
    struct Found {
        Fences own;
        Fences before;

        bool is_over() const { return over(own) && over(before); }
        /// Flattened, as a transfer does: without what is over.
        Fences pending_ones() const
        {
            Fences all;
            for (const Fences* part : {&own, &before})
                std::copy_if(part->begin(), part->end(), std::back_inserter(all), pending);
            return all.empty() ? Fences{signalled_fence()} : all;
        }
    };

    /// Nothing where the point is not submitted.
    std::optional<Found> find(std::uint64_t point)
    {
        if (point == 0 && chain_.empty())
            return one_;
        if (chain_.empty() || chain_.back().number < point)
            return std::nullopt;
        collect();
        std::size_t i = chain_.size();
        while (i > 0 && chain_[i - 1].context == chain_.back().context && chain_[i - 1].previous >= point && point != 0)
            --i;
        if (i == 0)
            return Found{{signalled_fence()}, {}};
        Found found{chain_[i - 1].fences, {}};
        for (std::size_t earlier = 0; earlier + 1 < i; ++earlier)
            found.before.insert(found.before.end(), chain_[earlier].fences.begin(), chain_[earlier].fences.end());
        return found;
    }

    void add(std::uint64_t point, Fences fences)
    {
        const bool in_order = !chain_.empty() && point > chain_.back().number;
        Node node{point, 0, 0, std::move(fences)};
        if (in_order) {
            node.previous = chain_.back().number;
            node.context = chain_.back().context;
        } else {
            node.context = ++contexts_;
            if (!chain_.empty())
                node.number = std::max(point, chain_.back().number);
        }
        chain_.push_back(std::move(node));
        collect();
    }

    void replace(Found found)
    {
        chain_.clear();
        one_ = std::move(found);
    }

    std::uint64_t last_submitted() const { return chain_.empty() ? 0 : chain_.back().number; }

    std::uint64_t last_signalled()
    {
        if (chain_.empty())
            return 0;
        collect();
        std::size_t i = chain_.size() - 1;
        while (i > 0 && chain_[i - 1].context == chain_.back().context)
            --i;
        const bool done = std::all_of(chain_.begin(), chain_.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                      [](const Node& node) { return over(node.fences); });
        return done ? chain_[i].number : chain_[i].previous;
    }

private:
    struct Node {
        std::uint64_t number;
        std::uint64_t previous;
        unsigned context;
        Fences fences;
    };

    /// The newest stays, whatever it is.
    void collect()
    {
        Node newest = std::move(chain_.back());
        chain_.pop_back();
        std::erase_if(chain_, [](const Node& node) { return over(node.fences); });
        chain_.push_back(std::move(newest));
    }

    std::vector<Node> chain_; ///< oldest first
    std::optional<Found> one_;
    unsigned contexts_ = 0;
};

namespace {

class SyncobjFile final : public File {
public:
    explicit SyncobjFile(std::shared_ptr<Syncobj> object) : object_(std::move(object)) {}
    const std::shared_ptr<Syncobj>& object() const { return object_; }

private:
    std::shared_ptr<Syncobj> object_;
};

} // namespace

std::shared_ptr<Syncobj> Syncobjs::find(std::uint32_t handle) const
{
    const auto found = handles_.find(handle);
    return found != handles_.end() ? found->second : nullptr;
}

int Syncobjs::ioctl(Machine& machine, unsigned long request, void* argument)
{
    switch (request) {
    case DRM_IOCTL_SYNCOBJ_CREATE:
        if (!model_.timelines)
            return failed(EOPNOTSUPP);
        return create(std::make_shared<Syncobj>(), static_cast<drm_syncobj_create*>(argument)->handle);
    case DRM_IOCTL_SYNCOBJ_DESTROY: return destroy(machine, static_cast<drm_syncobj_destroy*>(argument)->handle);
    case DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD: return handle_to_fd(machine, *static_cast<drm_syncobj_handle*>(argument));
    case DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE: return fd_to_handle(machine, *static_cast<drm_syncobj_handle*>(argument));
    case DRM_IOCTL_SYNCOBJ_QUERY: return query(*static_cast<drm_syncobj_timeline_array*>(argument));
    case DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL: return signal(*static_cast<drm_syncobj_timeline_array*>(argument));
    case DRM_IOCTL_SYNCOBJ_TRANSFER: return transfer(*static_cast<drm_syncobj_transfer*>(argument));
    case DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT: return wait(*static_cast<drm_syncobj_timeline_wait*>(argument));
    case DRM_IOCTL_SYNCOBJ_EVENTFD:
        // What DRM does not know is EINVAL there.
        if (!model_.tells_eventfds)
            return failed(EINVAL);
        return notify(machine, *static_cast<drm_syncobj_eventfd*>(argument));
    default: return failed(ENOTTY);
    }
}

void Syncobjs::closed(Machine& machine) const
{
    if (!handles_.empty())
        machine.complain(std::to_string(handles_.size()) + " syncobj handles were left");
}

int Syncobjs::create(std::shared_ptr<Syncobj> object, std::uint32_t& handle)
{
    handle = next_++;
    handles_[handle] = std::move(object);
    return 0;
}

int Syncobjs::destroy(Machine& machine, std::uint32_t handle)
{
    if (handles_.erase(handle) != 0)
        return 0;
    machine.complain("destroyed syncobj handle " + std::to_string(handle) + ", which is none");
    return failed(EINVAL);
}

int Syncobjs::handle_to_fd(Machine& machine, drm_syncobj_handle& request) const
{
    const auto object = find(request.handle);
    if (object == nullptr)
        return failed(ENOENT);
    if (request.flags == 0) {
        request.fd = machine.new_descriptor(std::make_shared<SyncobjFile>(object));
        return 0;
    }
    const auto found = object->find(0);
    if (request.flags != DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE || !found)
        return failed(EINVAL);
    request.fd = machine.new_descriptor(std::make_shared<SyncFile>(found->own, found->before));
    return 0;
}

int Syncobjs::fd_to_handle(Machine& machine, drm_syncobj_handle& request)
{
    const auto file = machine.file(request.fd);
    if (request.flags == 0) {
        const auto theirs = std::dynamic_pointer_cast<SyncobjFile>(file);
        return theirs != nullptr ? create(theirs->object(), request.handle) : failed(EINVAL);
    }
    const auto fences = std::dynamic_pointer_cast<SyncFile>(file);
    const auto object = find(request.handle);
    if (request.flags != DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE || fences == nullptr)
        return failed(EINVAL);
    if (object == nullptr)
        return failed(ENOENT);
    object->replace({fences->fences(), {}});
    return 0;
}

int Syncobjs::query(const drm_syncobj_timeline_array& request) const
{
    for (std::uint32_t i = 0; i < request.count_handles; ++i) {
        const auto object = find(at<std::uint32_t>(request.handles)[i]);
        if (object == nullptr)
            return failed(ENOENT);
        const bool submitted = (request.flags & DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED) != 0;
        at<std::uint64_t>(request.points)[i] = submitted ? object->last_submitted() : object->last_signalled();
    }
    return 0;
}

int Syncobjs::signal(const drm_syncobj_timeline_array& request) const
{
    for (std::uint32_t i = 0; i < request.count_handles; ++i) {
        const auto object = find(at<std::uint32_t>(request.handles)[i]);
        if (object == nullptr)
            return failed(ENOENT);
        object->add(at<std::uint64_t>(request.points)[i], {signalled_fence()});
    }
    return 0;
}

int Syncobjs::transfer(const drm_syncobj_transfer& request) const
{
    const auto source = find(request.src_handle);
    const auto target = find(request.dst_handle);
    if (source == nullptr || target == nullptr)
        return failed(ENOENT);
    const auto found = source->find(request.src_point);
    if (request.flags != 0 || !found)
        return failed(EINVAL);
    if (request.dst_point != 0)
        target->add(request.dst_point, found->pending_ones());
    else
        target->replace(*found);
    return 0;
}

int Syncobjs::look(drm_syncobj_timeline_wait& request) const
{
    const bool submitted = (request.flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE) != 0;
    std::uint32_t done = 0;
    for (std::uint32_t i = 0; i < request.count_handles; ++i) {
        const auto object = find(at<std::uint32_t>(request.handles)[i]);
        if (object == nullptr)
            return failed(ENOENT);
        const auto found = object->find(at<std::uint64_t>(request.points)[i]);
        if (!found && (request.flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT) == 0)
            return failed(EINVAL);
        if (!found || (!submitted && !found->is_over()))
            continue;
        if (done++ == 0)
            request.first_signaled = i;
    }
    const bool all = (request.flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL) != 0;
    return done == request.count_handles || (done != 0 && !all) ? 0 : failed(ETIME);
}

int Syncobjs::wait(drm_syncobj_timeline_wait& request)
{
    const int now = look(request);
    if (now == 0 || errno != ETIME || request.timeout_nsec == 0 || !model_.while_waiting)
        return now;
    std::exchange(model_.while_waiting, {})();
    return look(request);
}

int Syncobjs::notify(Machine& machine, const drm_syncobj_eventfd& request) const
{
    const auto object = find(request.handle);
    if (object == nullptr)
        return failed(ENOENT);
    const auto file = machine.file(request.fd);
    const auto event = std::dynamic_pointer_cast<EventFd>(file);
    if (event == nullptr)
        return failed(file != nullptr ? EINVAL : EBADF);
    const bool submitted = (request.flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE) != 0;
    event->signalled.emplace_back([object, submitted, point = request.point] {
        const auto found = object->find(point);
        return found && (submitted || found->is_over());
    });
    return 0;
}

} // namespace fake
