// SPDX-License-Identifier: MIT
#include "buffer_state.hpp"

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

Result<Fence> Job::gather() const
{
    std::vector<Fence> fences;
    for (const auto& [buffer, access] : parts_) {
        if (bridges(buffer)) {
            auto fence = buffer.export_fence(access);
            if (!fence)
                return fail(fence.error());
            fences.push_back(std::move(*fence));
        } else {
            fences.push_back(buffer.state().fences().before(access));
        }
    }
    return Fence::merge(fences);
}

Status Job::publish(const Fence& done) const
{
    Status all;
    for (const auto& [buffer, access] : parts_) {
        if (!bridges(buffer))
            buffer.state().fences().publish(done, access);
        else if (Status imported = buffer.import_fence(done, access); !imported && all)
            all = std::move(imported); // the other buffers get it all the same
    }
    return all;
}

bool Job::bridges(const Buffer& buffer) const noexcept
{
    return fencing_ == Fencing::bridged && !buffer.state().is_private();
}

} // namespace commonbuf
