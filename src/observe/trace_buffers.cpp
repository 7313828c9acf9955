// SPDX-License-Identifier: MIT
#include "observe/trace_buffers.hpp"

#include "base/text.hpp"

namespace commonbuf::trace {
namespace {

std::string members_of(const watch::Subject& buffer, std::int64_t number)
{
    const Layout& layout = buffer.layout();
    std::string text = text::format(R"("id":{})", number);
    if (const auto id = buffer.dma_buf())
        text += text::format(R"(,"inode":{})", id->inode);
    text += ",\"format\":";
    append_string(text, to_string(layout.format));
    return text + text::format(R"(,"size":"{}x{}")", layout.width, layout.height);
}

} // namespace

void Record::describe(std::string& to, Access access) const
{
    to.append("{").append(members_).append(R"(,"access":")").append(to_string(access)).append("\"}");
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
    constexpr std::size_t max_reads = 8;
    if (reads_.size() == max_reads)
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
    const auto [known, is_new] = all_.try_emplace(&buffer);
    if (is_new)
        known->second = Record(members_of(buffer, ++last_));
    return known->second;
}

} // namespace commonbuf::trace
