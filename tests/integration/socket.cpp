// SPDX-License-Identifier: MIT
#include "socket.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

namespace cb = commonbuf;

cb::UniqueFd through_a_socket(cb::UniqueFd sent)
{
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    const cb::UniqueFd writer(ends[0]);
    const cb::UniqueFd reader(ends[1]);
    char byte = 'f';
    iovec data{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> space{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = space.data();
    message.msg_controllen = space.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = sent.get();
    std::memcpy(CMSG_DATA(header), &number, sizeof number);
    EXPECT_EQ(sendmsg(writer.get(), &message, 0), 1);
    sent.reset();
    message.msg_controllen = space.size();
    EXPECT_EQ(recvmsg(reader.get(), &message, MSG_CMSG_CLOEXEC), 1);
    header = CMSG_FIRSTHDR(&message);
    int received = -1;
    if (header != nullptr)
        std::memcpy(&received, CMSG_DATA(header), sizeof received);
    return cb::UniqueFd(received);
}
