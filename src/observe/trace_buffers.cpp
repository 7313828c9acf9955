// SPDX-License-Identifier: MIT
#include "observe/trace_buffers.hpp"

#include "observe/trace_event.hpp"

#include <utility>

namespace commonbuf::trace {
namespace {

std::string members_of(const watch::Subject& buffer, std::int64_t number)
{
    std::string text = R"("id":)";
    append_number(text, number);
    if (const auto id = buffer.dma_buf()) {
        text += ",\"inode\":";
        append_number(text, static_cast<std::int64_t>(id->inode));
    }
    const Layout& layout = buffer.layout();
    text += ",\"format\":";
    append_string(text, to_string(layout.format));
    text += R"(,"size":")";
    append_number(text, layout.width);
    text += 'x';
    append_number(text, layout.height);
    text += '"';
    return text;
}

} // namespace

void Record::describe(std::string& to, Access access) const
{
    to += '{';
    to += members_;
    switch (access) {
    case Access::read: to += R"(,"access":"read"})"; break;
    case Access::write: to += R"(,"access":"write"})"; break;
    case Access::read_write: to += R"(,"access":"read-write"})"; break;
    }
}

void Record::add_before(Access access, std::vector<SliceRef>& to) const
{
    if (write_)
        to.push_back(write_);
    if (access != Access::read)
        to.insert(to.end(), reads_.begin(), reads_.end());
}

void Record::used(Access access, const SliceRef& slice)
{
    if (access != Access::read) {
        write_ = slice;
        reads_.clear();
        return;
    }
    // A buffer that is only read, for example a font, would collect readers without end.
    constexpr std::size_t most = 8;
    if (reads_.size() == most)
        reads_.erase(reads_.begin());
    reads_.push_back(slice);
}

void Record::overwritten()
{
    write_.reset();
    reads_.clear();
}

Record& Records::of(const watch::Subject& buffer)
{
    const auto known = all_.find(&buffer);
    if (known != all_.end())
        return known->second;
    return all_.emplace(&buffer, Record(members_of(buffer, ++last_))).first->second;
}

} // namespace commonbuf::trace
