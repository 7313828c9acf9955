// SPDX-License-Identifier: MIT
#pragma once

#include "fake/machine.hpp"
#include "sync/syncobj_header.hpp"

#include <cstdint>
#include <map>
#include <memory>

namespace fake {

class Syncobj;

/// The syncobj handles of one open DRM file.
class Syncobjs {
public:
    explicit Syncobjs(CardModel& model) : model_(model) {}

    int ioctl(Machine& machine, unsigned long request, void* argument);
    void closed(Machine& machine) const;

private:
    std::shared_ptr<Syncobj> find(std::uint32_t handle) const;
    int create(std::shared_ptr<Syncobj> object, std::uint32_t& handle);
    int destroy(Machine& machine, std::uint32_t handle);
    int handle_to_fd(Machine& machine, drm_syncobj_handle& request) const;
    int fd_to_handle(Machine& machine, drm_syncobj_handle& request);
    int query(const drm_syncobj_timeline_array& request) const;
    int signal(const drm_syncobj_timeline_array& request) const;
    int transfer(const drm_syncobj_transfer& request) const;
    int wait(drm_syncobj_timeline_wait& request);
    int look(drm_syncobj_timeline_wait& request) const;
    int notify(Machine& machine, const drm_syncobj_eventfd& request) const;

    CardModel& model_;
    std::map<std::uint32_t, std::shared_ptr<Syncobj>> handles_;
    std::uint32_t next_ = 1;
};

} // namespace fake
