// SPDX-License-Identifier: MIT
#pragma once

#include "observe/trace_tracks.hpp"
#include "sync/watch.hpp"

#include <commonbuf/use.hpp>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace commonbuf::trace {

/// What the trace knows about one buffer.
class Record {
public:
    Record() = default;
    explicit Record(std::string members) : members_(std::move(members)) {}

    /// {"id":3,"inode":77,"format":"XR24","size":"1920x1080","access":"read"}
    void describe(std::string& to, Access access) const;

    /// Adds the slices that an access of this kind comes after: readers come after the last write,
    /// writers after everything.
    void add_before(Access access, std::vector<SliceRef>& to) const;

    /// Makes later accesses come after this slice.
    void used(Access access, const SliceRef& slice);

    /// Forgets all slices: an access waited for them and overwrites the buffer.
    void overwritten();

private:
    std::string members_; ///< JSON, without the access
    SliceRef write_;
    std::vector<SliceRef> reads_;
};

/// The buffers seen so far, each with its own number.
class Records {
public:
    Record& of(const watch::Subject& buffer);
    void forget(const watch::Subject& buffer) { all_.erase(&buffer); }

private:
    std::unordered_map<const watch::Subject*, Record> all_;
    std::int64_t last_ = 0;
};

} // namespace commonbuf::trace
