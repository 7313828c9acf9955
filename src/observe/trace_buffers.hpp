// SPDX-License-Identifier: MIT
#pragma once

#include "observe/trace_tracks.hpp"

#include <commonbuf/use.hpp>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace commonbuf {
class BufferState;
}

namespace commonbuf::trace {

/// What the trace knows of one buffer.
class Record {
public:
    Record() = default;
    explicit Record(std::string members) : members_(std::move(members)) {}

    /// {"id":3,"inode":77,"format":"XR24","size":"1920x1080","access":"read"}
    void describe(std::string& to, Access access) const;

    /// The slices that an access of this kind comes after: readers after the last write,
    /// writers after all.
    void add_before(Access access, std::vector<SliceRef>& to) const;

    /// From now on others come after this slice.
    void used(Access access, const SliceRef& slice);

    /// Somebody waited for all and overwrites it: nobody has to come after those any more.
    void overwritten();

private:
    std::string members_; ///< JSON, without the access
    SliceRef write_;
    std::vector<SliceRef> reads_;
};

/// The buffers that were seen, each with a number that no other one gets.
class Records {
public:
    Record& of(const BufferState& buffer);
    void forget(const BufferState& buffer) { all_.erase(&buffer); }

private:
    std::unordered_map<const BufferState*, Record> all_;
    std::int64_t last_ = 0;
};

} // namespace commonbuf::trace
