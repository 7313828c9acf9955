// SPDX-License-Identifier: MIT
#include "base/text.hpp"
#include "buffer/buffer_state.hpp"
#include "os/socket.hpp"
#include "share/message.hpp"
#include "sync/fence_set.hpp"

#include <commonbuf/share.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace commonbuf::share {
namespace {

constexpr const char* sending = "send buffers";
constexpr const char* receiving = "receive buffers";

Error moved_away(const char* operation)
{
    return Error::invalid_state(operation, "the channel was moved from, or its socket was given up");
}

/// Gathers what travels: descriptors once each, and their places.
class Parcel {
public:
    Result<wire::BufferOnWay> pack(const Item& item)
    {
        if (Status can = shareable(item.buffer, sending); !can)
            return can.error();
        if (item.data.size() > max_data_bytes)
            return Error::invalid_argument(sending, "a buffer has too much data of the program's")
                .with_sizes(item.data.size(), max_data_bytes);
        const Layout& layout = item.buffer.layout();
        wire::BufferOnWay packed{item.token, item.for_good, layout, {}, {}, item.picture, item.data};
        for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
            const BufferId id = item.buffer.id(i);
            const auto known = std::ranges::find(ids_, id, &Known::id);
            packed.memories.push_back(known != ids_.end() ? known->place : add(item.buffer.dma_buf_fd(i)));
            if (known == ids_.end())
                ids_.push_back({id, packed.memories.back()});
        }
        auto ready = pack(item.ready);
        if (!ready)
            return ready.error();
        packed.ready = *ready;
        return packed;
    }

    Result<wire::FenceOnWay> pack(const Fence& fence)
    {
        using State = wire::FenceOnWay::State;
        auto fd = fence.export_fd();
        if (!fd && fd.error().category == Category::work_failed)
            return wire::FenceOnWay{State::failed, 0, fd.error().sys_errno};
        if (!fd)
            return fd.error();
        if (!*fd)
            return wire::FenceOnWay{};
        const std::uint16_t place = add(fd->get());
        owned_.push_back(std::move(*fd));
        return wire::FenceOnWay{State::descriptor, place, 0};
    }

    std::span<const int> fds() const noexcept { return fds_; }

private:
    struct Known {
        BufferId id;
        std::uint16_t place;
    };

    std::uint16_t add(int fd)
    {
        fds_.push_back(fd);
        return static_cast<std::uint16_t>(fds_.size() - 1);
    }

    std::vector<int> fds_;
    std::vector<Known> ids_;
    std::vector<UniqueFd> owned_; ///< those of fences
};

Result<Fence> unpack(const wire::FenceOnWay& fence, std::vector<UniqueFd>& fds)
{
    using State = wire::FenceOnWay::State;
    if (fence.state == State::over)
        return Fence();
    if (fence.state == State::failed)
        return Fence::failed(
            Error::work_failed(receiving, "the peer says that its work on the buffer failed", "do not use its result")
                .with_errno(fence.sys_errno > 0 ? fence.sys_errno : EIO));
    return admit_fence(std::move(fds[fence.place]));
}

Result<Item> unpack(wire::BufferOnWay& packed, const std::vector<UniqueFd>& fds, const Limits& limits)
{
    ForeignBuffer foreign{packed.layout, {}};
    for (const std::uint16_t place : packed.memories) {
        auto own = fds[place].dup(); // others of the message may have the same
        if (!own)
            return own.error();
        foreign.memories.push_back(std::move(*own));
    }
    auto buffer = admit(std::move(foreign), limits.buffer);
    if (!buffer)
        return buffer.error();
    return Item{std::move(*buffer), packed.token, {}, packed.for_good, packed.picture, std::move(packed.data)};
}

} // namespace

Result<Channel> Channel::wrap(UniqueFd socket)
{
    if (const Status good = os::check_socket(socket.get()); !good)
        return good.error();
    return Channel(std::move(socket));
}

Result<std::pair<Channel, Channel>> Channel::pair()
{
    auto ends = os::socket_pair();
    if (!ends)
        return ends.error();
    return std::pair{Channel(std::move(ends->first)), Channel(std::move(ends->second))};
}

Result<Peer> Channel::peer() const
{
    if (!socket_)
        return moved_away("ask who the peer is");
    return os::peer_of(socket_.get()).map([](const os::Credentials& peer) {
        return Peer{peer.pid, peer.uid, peer.gid};
    });
}

Status Channel::send(std::span<const Item> buffers, std::span<const Release> releases, Deadline deadline)
{
    if (!socket_)
        return moved_away(sending);
    if (buffers.empty() && releases.empty())
        return Error::invalid_argument(sending, "there is nothing to send");
    Parcel parcel;
    wire::Contents contents;
    for (const Item& item : buffers) {
        auto packed = parcel.pack(item);
        if (!packed)
            return packed.error();
        contents.buffers.push_back(std::move(*packed));
        if (parcel.fds().size() > max_descriptors)
            break;
    }
    for (const Release& release : releases) {
        auto until = parcel.pack(release.until);
        if (!until)
            return until.error();
        contents.releases.push_back({release.token, *until});
        if (parcel.fds().size() > max_descriptors)
            break;
    }
    if (parcel.fds().size() > max_descriptors)
        return Error::invalid_argument(
            sending, text::format("they have more descriptors than the {} of one message", max_descriptors),
            "send them in several messages");
    const auto bytes = wire::write(contents, parcel.fds().size());
    if (bytes.size() > max_message_bytes)
        return Error::invalid_argument(sending, "they are more bytes than one message holds",
                                       "send them in several messages")
            .with_sizes(bytes.size(), max_message_bytes);
    return os::send_message(socket_.get(), bytes, parcel.fds(), deadline);
}

Result<Message> Channel::receive(const Limits& limits, Deadline deadline)
{
    if (!socket_)
        return moved_away(receiving);
    auto received = os::receive_message(socket_.get(), max_message_bytes, max_descriptors, deadline);
    if (!received)
        return received.error();
    if (received->is_cut)
        return Error::invalid_argument(receiving,
                                       text::format("the message is larger than {} bytes", max_message_bytes));
    if (received->lost_fds)
        return Error::too_many_files(receiving, "descriptors of the message were lost, and it is gone",
                                     "close some, or raise the limit (ulimit -n)")
            .with_errno(EMFILE);
    auto contents = wire::read(received->bytes, received->fds.size(), limits);
    if (!contents)
        return contents.error();
    Message message;
    for (wire::BufferOnWay& packed : contents->buffers) {
        auto item = unpack(packed, received->fds, limits);
        if (!item)
            return item.error();
        auto ready = unpack(packed.ready, received->fds);
        if (!ready)
            return ready.error();
        item->ready = std::move(*ready);
        message.buffers.push_back(std::move(*item));
    }
    for (const wire::ReleaseOnWay& packed : contents->releases) {
        auto until = unpack(packed.until, received->fds);
        if (!until)
            return until.error();
        message.releases.push_back({packed.token, std::move(*until)});
    }
    return message;
}

std::uint64_t Loans::lend(const Buffer& buffer, Deadline back_by)
{
    lent_.emplace(++last_, Loan{buffer, back_by});
    return last_;
}

Result<Returned> Loans::give_back(const Release& release)
{
    const auto found = lent_.find(release.token);
    if (found == lent_.end())
        return Error::invalid_argument("take a buffer back",
                                       text::format("the peer has no buffer under the token {}", release.token),
                                       "it was overdue, or given back before");
    Returned returned{std::move(found->second.buffer), release.until, false};
    lent_.erase(found);
    return returned;
}

std::vector<Returned> Loans::overdue(Deadline now)
{
    std::vector<Returned> back;
    std::erase_if(lent_, [&](auto& each) {
        const bool is_late = each.second.back_by <= now;
        if (is_late)
            back.push_back({std::move(each.second.buffer), {}, true});
        return is_late;
    });
    return back;
}

std::vector<Returned> Loans::peer_gone() { return overdue(Deadline::max()); }

Deadline Loans::next_deadline() const noexcept
{
    Deadline next = Deadline::max();
    for (const auto& [token, loan] : lent_)
        next = std::min(next, loan.back_by);
    return next;
}

} // namespace commonbuf::share
