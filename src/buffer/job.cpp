// SPDX-License-Identifier: MIT
#include "buffer/buffer_state.hpp"

#include <commonbuf/job.hpp>

#include <algorithm>
#include <utility>

namespace commonbuf {
namespace {

Access both(Access a, Access b) { return static_cast<Access>(static_cast<unsigned>(a) | static_cast<unsigned>(b)); }

} // namespace

Job::Job(std::string name, Fencing fencing, Place where) : name_(std::move(name)), fencing_(fencing), where_(where) {}

Job& Job::add(const Buffer& buffer, Access access)
{
    const auto known = std::ranges::find(parts_, buffer, &Part::buffer);
    if (known != parts_.end())
        known->access = both(known->access, access);
    else
        parts_.push_back({buffer, access});
    return *this;
}

template <typename Tell>
void Job::tell(Tell tell_one) const
{
    std::vector<watch::JobRun::Part> parts;
    parts.reserve(parts_.size());
    for (const auto& [buffer, access] : parts_) {
        if (buffer)
            parts.push_back({&buffer.state(), access});
    }
    const watch::JobRun run{run_, name_, where_, concurrent_, parts};
    watch::tell([&](watch::Watcher& watcher) { tell_one(watcher, run); });
}

Result<Fence> Job::gather()
{
    std::vector<Fence> fences;
    for (const auto& [buffer, access] : parts_) {
        if (!buffer)
            return moved_from("gather the fences of a job");
        if (concurrent_)
            break;
        if (bridges(buffer)) {
            auto fence = buffer.export_fence(access);
            if (!fence)
                return fence.error();
            fences.push_back(std::move(*fence));
        } else {
            fences.push_back(buffer.state().fences().before(access));
        }
    }
    Fence before = Fence::merge(fences);
    if (watch::anybody()) {
        run_ = watch::next_number();
        tell([&](watch::Watcher& watcher, const watch::JobRun& run) { watcher.job_gathered(run, before); });
    }
    return before;
}

Status Job::publish(const Fence& done)
{
    if (watch::anybody()) {
        tell([&](watch::Watcher& watcher, const watch::JobRun& run) { watcher.job_published(run, done); });
        run_ = 0;
    }
    Status all;
    for (const auto& [buffer, access] : parts_) {
        // Others work on it at the same time: what they published still counts.
        const Access as = concurrent_ ? Access::read : access;
        if (!buffer)
            all = moved_from("publish the fence of a job");
        else if (!bridges(buffer))
            buffer.state().fences().publish(done, as);
        else if (Status imported = buffer.import_fence(done, as); !imported && all)
            all = std::move(imported); // go on: the other buffers get the fence nevertheless
    }
    return all;
}

bool Job::bridges(const Buffer& buffer) const noexcept
{
    return fencing_ == Fencing::bridged && !buffer.state().is_private();
}

} // namespace commonbuf
