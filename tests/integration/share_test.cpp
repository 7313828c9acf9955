// SPDX-License-Identifier: MIT
//
// Buffers between real processes: what one writes the other reads, whoever dies, whatever is sent.
#include "devices.hpp"

#include <drm_fourcc.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace cb = commonbuf;
namespace share = commonbuf::share;
using namespace std::chrono_literals;
using cb::deadline_in;

class Share : public devices::Test {
protected:
    void SetUp() override
    {
        devices::Test::SetUp();
        const auto made = cb::Allocator().plan({DRM_FORMAT_R8, 64, 64, 4}, {cb::cpu(cb::Access::read_write)});
        if (!made)
            GTEST_SKIP() << "no heap can be used here";
        plan = *made;
    }
    void TearDown() override
    {
        plan.reset();
        devices::Test::TearDown();
    }

    std::optional<cb::Plan> plan;
};

cb::Status fill(const cb::Buffer& buffer, std::byte value)
{
    auto access = buffer.write(deadline_in(5s));
    if (!access)
        return access.error();
    std::ranges::fill(access->plane(0), value);
    return access->end();
}

bool holds(const cb::Buffer& buffer, std::byte value)
{
    const auto access = buffer.read(deadline_in(5s));
    return access && std::ranges::all_of(access->plane(0), [value](std::byte each) { return each == value; });
}

/// Runs `work` in a process of its own with one end of a connection. Its result is the exit status.
pid_t run_beside(std::pair<share::Channel, share::Channel>& ends, const std::function<int(share::Channel)>& work)
{
    const pid_t child = ::fork();
    if (child == 0) {
        ends.first.release_socket().reset();
        ::_exit(work(std::move(ends.second)));
    }
    ends.second.release_socket().reset();
    return child;
}

int status_of(pid_t child)
{
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/// Reads what comes, writes the next number into it and gives it back.
int answer(share::Channel channel)
{
    for (;;) {
        const auto message = channel.receive({}, deadline_in(20s));
        if (!message)
            return message.error().category == cb::Category::end_of_stream ? 0 : 1;
        for (const share::Item& item : message->buffers) {
            const std::byte value = item.data.at(0);
            if (!holds(item.buffer, value) || !fill(item.buffer, std::byte(std::to_integer<int>(value) + 1)))
                return 2;
            if (!channel.send(share::Release{item.token, {}}, deadline_in(5s)))
                return 3;
        }
    }
}

TEST_F(Share, WhatOneWritesTheOtherReads)
{
    auto ends = share::Channel::pair();
    ASSERT_TRUE(ends) << ends.error().message();
    const pid_t child = run_beside(*ends, answer);
    share::Channel channel = std::move(ends->first);
    EXPECT_EQ(channel.peer()->pid, ::getpid()) << "who made the pair";
    share::Loans loans;
    auto pool = cb::Pool::create(*plan, 2);
    ASSERT_TRUE(pool);
    for (int frame = 0; frame < 200; ++frame) {
        const auto buffer = pool->acquire(deadline_in(5s));
        ASSERT_TRUE(buffer) << buffer.error().message();
        const auto value = std::byte(frame);
        ASSERT_TRUE(fill(*buffer, value));
        share::Item item{.buffer = *buffer, .token = loans.lend(*buffer, deadline_in(10s))};
        item.data = {value};
        item.picture.sequence = static_cast<std::uint64_t>(frame);
        ASSERT_TRUE(channel.send(item, deadline_in(5s)));
        const auto back = channel.receive({}, deadline_in(10s));
        ASSERT_TRUE(back) << back.error().message();
        ASSERT_EQ(back->releases.size(), 1U);
        const auto returned = loans.give_back(back->releases[0]);
        ASSERT_TRUE(returned) << returned.error().message();
        EXPECT_TRUE(holds(returned->buffer, std::byte(frame + 1)));
        ASSERT_TRUE(pool->release(returned->buffer, returned->until));
    }
    channel.release_socket().reset();
    EXPECT_EQ(status_of(child), 0);
}

TEST_F(Share, APeerThatIsKilledGivesEverythingBack)
{
    const cb::Buffer buffer = plan->allocate().value();
    for (int round = 0; round < 50; ++round) {
        auto ends = share::Channel::pair();
        ASSERT_TRUE(ends);
        const pid_t child = run_beside(*ends, [](share::Channel channel) {
            static_cast<void>(channel.receive({}, deadline_in(20s)));
            static_cast<void>(channel.send(share::Release{99, {}}, deadline_in(5s)));
            ::pause();
            return 0;
        });
        share::Channel& channel = ends->first;
        share::Loans loans;
        const auto token = loans.lend(buffer, deadline_in(1s));
        ASSERT_TRUE(channel.send({.buffer = buffer, .token = token}, deadline_in(5s)));
        // It has the buffer now, or is about to.
        if (round % 2 == 0) {
            ASSERT_TRUE(channel.receive({}, deadline_in(10s)));
        }
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        EXPECT_EQ(status_of(child), 256 + SIGKILL);
        cb::Result<share::Message> end = channel.receive({}, deadline_in(10s));
        if (end)
            end = channel.receive({}, deadline_in(10s));
        EXPECT_EQ(end.error().category, cb::Category::end_of_stream) << end.error().message();
        ASSERT_EQ(loans.peer_gone().size(), 1U);
        EXPECT_TRUE(fill(buffer, std::byte(round)));
    }
}

/// A message as an honest program sends it.
struct Raw {
    std::vector<std::byte> bytes;
    std::vector<cb::UniqueFd> fds;
};

Raw receive_raw(int socket)
{
    Raw raw;
    raw.bytes.resize(share::max_message_bytes);
    std::array<std::byte, 4096> control{};
    iovec content{raw.bytes.data(), raw.bytes.size()};
    msghdr message{};
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    raw.bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(::recvmsg(socket, &message, MSG_CMSG_CLOEXEC), 0)));
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
        for (std::size_t i = 0; i < (each->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(each) + i * sizeof(int), sizeof fd);
            raw.fds.emplace_back(fd);
        }
    }
    return raw;
}

bool send_raw(int socket, const std::vector<std::byte>& bytes, const std::vector<int>& fds)
{
    alignas(cmsghdr) std::array<std::byte, 4096> control{};
    iovec content{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    return ::sendmsg(socket, &message, MSG_NOSIGNAL) >= 0;
}

TEST_F(Share, ALiarIsRefusedAndAnHonestPeerIsServed)
{
    auto liar = share::Channel::pair();
    auto honest = share::Channel::pair();
    ASSERT_TRUE(liar && honest);
    const cb::Buffer buffer = plan->allocate().value();
    ASSERT_TRUE(liar->first.send({.buffer = buffer}, deadline_in(1s)));
    const Raw truth = receive_raw(liar->second.poll_fd());
    ASSERT_EQ(truth.fds.size(), 1U);
    const int memory = truth.fds[0].get();

    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    const std::vector<cb::UniqueFd> others = [&] {
        std::vector<cb::UniqueFd> all;
        all.emplace_back(pipe[0]);
        all.emplace_back(pipe[1]);
        all.emplace_back(::memfd_create("shrinks", MFD_CLOEXEC));
        EXPECT_EQ(::ftruncate(all.back().get(), 1 << 20), 0);
        all.emplace_back(::eventfd(0, EFD_CLOEXEC));
        all.emplace_back(::open("/dev/null", O_RDWR | O_CLOEXEC));
        all.emplace_back(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
        all.emplace_back(::open("/", O_PATH | O_CLOEXEC));
        all.push_back(cb::duplicate(liar->first.poll_fd()).value());
        return all;
    }();
    struct Lie {
        std::vector<std::byte> bytes;
        std::vector<int> fds;
    };
    std::vector<Lie> lies;
    for (const cb::UniqueFd& other : others)
        lies.push_back({truth.bytes, {other.get()}});
    lies.push_back({truth.bytes, {}});
    lies.push_back({truth.bytes, {memory, memory}});
    lies.push_back({truth.bytes, std::vector<int>(share::max_descriptors, memory)});
    for (const std::size_t size : {std::size_t{1}, std::size_t{15}, std::size_t{16}, truth.bytes.size() - 1})
        lies.push_back({{truth.bytes.begin(), truth.bytes.begin() + static_cast<std::ptrdiff_t>(size)}, {memory}});
    lies.push_back({std::vector<std::byte>(share::max_message_bytes + 1), {memory}});
    // Each byte of what says where planes lie, turned over: width, height, planes, offsets, sizes.
    for (std::size_t at = 24 + 24; at < truth.bytes.size(); ++at) {
        Lie lie{truth.bytes, {memory}};
        lie.bytes[at] = ~lie.bytes[at];
        lies.push_back(std::move(lie));
    }
    std::size_t refused = 0;
    for (const Lie& lie : lies) {
        ASSERT_TRUE(send_raw(liar->first.poll_fd(), lie.bytes, lie.fds));
        const auto answer = liar->second.receive({}, deadline_in(1s));
        if (!answer) {
            EXPECT_TRUE(answer.error().category == cb::Category::invalid_argument ||
                        answer.error().category == cb::Category::unsupported ||
                        answer.error().category == cb::Category::too_many_files)
                << answer.error().message();
            ++refused;
        } else {
            // What still makes sense is safe to use.
            for (const share::Item& item : answer->buffers)
                EXPECT_TRUE(holds(item.buffer, std::byte{0}));
        }
        ASSERT_TRUE(honest->first.send({.buffer = buffer}, deadline_in(1s)));
        ASSERT_TRUE(honest->second.receive({}, deadline_in(1s))) << "an honest peer loses no frame";
    }
    EXPECT_GE(refused, 60U);
}

TEST_F(Share, AFloodHoldsTheSenderAndNotTheReceiver)
{
    auto ends = share::Channel::pair();
    ASSERT_TRUE(ends);
    const cb::Buffer buffer = plan->allocate().value();
    std::size_t sent = 0;
    cb::Status full;
    while (full && sent < 100000) {
        full = ends->first.send({.buffer = buffer}, cb::Deadline{});
        sent += full ? 1U : 0U;
    }
    ASSERT_FALSE(full) << "a socket holds so much and no more";
    EXPECT_TRUE(full.error().category == cb::Category::timed_out ||
                full.error().category == cb::Category::kernel_failure ||
                full.error().category == cb::Category::too_many_files)
        << full.error().message(); // the kernel counts descriptors on their way, too (ETOOMANYREFS)
    for (std::size_t i = 0; i < sent; ++i)
        ASSERT_TRUE(ends->second.receive({}, deadline_in(5s)));
    EXPECT_EQ(ends->second.receive({}, cb::Deadline{}).error().category, cb::Category::timed_out);
    EXPECT_TRUE(ends->first.send({.buffer = buffer}, deadline_in(1s)));
}

TEST_F(Share, AtTheLimitOfDescriptorsAMessageIsLostAndTheNextOneComes)
{
    auto ends = share::Channel::pair();
    ASSERT_TRUE(ends);
    const cb::Buffer buffer = plan->allocate().value();
    ASSERT_TRUE(ends->first.send({.buffer = buffer}, deadline_in(1s)));
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const cb::UniqueFd next = cb::duplicate(0).value();
    const rlimit none{static_cast<rlim_t>(next.get()), before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto lost = ends->second.receive({}, deadline_in(1s));
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().category, cb::Category::too_many_files) << lost.error().message();
    ASSERT_TRUE(ends->first.send({.buffer = buffer}, deadline_in(1s)));
    EXPECT_TRUE(ends->second.receive({}, deadline_in(1s)));
}

} // namespace
