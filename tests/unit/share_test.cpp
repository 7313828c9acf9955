// SPDX-License-Identifier: MIT
//
// Buffers between two ends of a connection, with descriptors that the fake kernel counts; and messages of liars.
#include "fake/machine.hpp"
#include "os/os.hpp"
#include "os/socket.hpp"
#include "share/message.hpp"
#include "share_reader_v1.hpp"

#include <commonbuf/commonbuf.hpp>

#include <drm_fourcc.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace commonbuf::share {
namespace {

using Bytes = std::vector<std::byte>;

Picture full_picture()
{
    Picture picture;
    picture.colour = Colour{9, 16, 9, false, 2};
    picture.hdr = HdrMetadata{{{{35400, 14600}, {8500, 39850}, {6550, 2300}}}, {15635, 16450}, 10000000, 50, 1000, 400};
    picture.crop = Crop{2, 4, 60, 28};
    picture.orientation = Orientation::mirrored_90;
    picture.field = FieldOrder::bottom_first;
    picture.taken = std::chrono::nanoseconds(123456789012345);
    picture.shown_at = std::chrono::nanoseconds(-1);
    picture.sequence = UINT64_MAX;
    return picture;
}

Bytes some_bytes(std::size_t size)
{
    Bytes bytes(size);
    std::uint8_t value = 0;
    for (std::byte& each : bytes)
        each = std::byte{value += 7};
    return bytes;
}

class ShareTest : public testing::Test {
protected:
    void SetUp() override { ends = Channel::pair().value(); }
    void TearDown() override
    {
        ends.reset();
        EXPECT_EQ(machine.leaks(), "");
    }

    Channel& here() { return ends->first; }
    Channel& there() { return ends->second; }

    Buffer make(const Layout& layout)
    {
        std::vector<UniqueFd> memories;
        for (const std::uint64_t size : layout.used_memories())
            memories.emplace_back(machine.add_dma_buf(size));
        return Buffer::wrap(layout, std::move(memories)).value();
    }

    /// Sends bytes as a liar would.
    void lie(const Bytes& bytes, const std::vector<int>& fds = {})
    {
        ASSERT_TRUE(os::send_message(here().poll_fd(), bytes, fds, Deadline{}));
    }

    fake::Machine machine;
    Layout nv12 = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::single);
    std::optional<std::pair<Channel, Channel>> ends;
};

TEST_F(ShareTest, ABufferArrivesWithAllThatBelongsToIt)
{
    const auto work = fake::Machine::add_fence("t");
    Item sent{make(nv12), 7, {}, true, full_picture(), some_bytes(max_data_bytes)};
    sent.ready = Fence::from_fd(UniqueFd(machine.sync_file(work))).value();
    ASSERT_TRUE(here().send(sent, Deadline{}));
    const auto message = there().receive({}, Deadline{});
    ASSERT_TRUE(message) << message.error().message();
    ASSERT_EQ(message->buffers.size(), 1U);
    EXPECT_TRUE(message->releases.empty());
    const Item& came = message->buffers.front();
    EXPECT_EQ(came.buffer.layout(), nv12);
    EXPECT_EQ(came.buffer.id(), sent.buffer.id()) << "the same memory";
    EXPECT_EQ(came.token, 7U);
    EXPECT_TRUE(came.for_good);
    EXPECT_EQ(came.picture, sent.picture);
    EXPECT_EQ(came.data, sent.data);
    EXPECT_EQ(came.ready.known(), FenceState::pending);
    work->status = -EIO;
    EXPECT_EQ(came.ready.signalled().error().category, Category::work_failed);
}

TEST_F(ShareTest, SeveralBuffersAndReleasesTravelTogether)
{
    const Buffer a = make(nv12);
    const Buffer b = make(*linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::per_plane));
    const std::vector<Item> items{{.buffer = a, .token = 1}, {.buffer = b, .token = 2}, {.buffer = a, .token = 3}};
    const std::vector<Release> releases{{11, {}}, {12, Fence::failed(Error::work_failed("x", "y").with_errno(EIO))}};
    const std::size_t before = machine.open_descriptors();
    ASSERT_TRUE(here().send(items, releases, Deadline{}));
    EXPECT_EQ(machine.open_descriptors(), before) << "nothing of a message stays with its sender";
    const auto message = there().receive({}, Deadline{});
    ASSERT_TRUE(message) << message.error().message();
    ASSERT_EQ(message->buffers.size(), 3U);
    EXPECT_EQ(message->buffers[1].buffer.layout(), b.layout());
    EXPECT_EQ(message->buffers[0].buffer.id(), message->buffers[2].buffer.id());
    ASSERT_EQ(message->releases.size(), 2U);
    EXPECT_EQ(message->releases[0].token, 11U);
    EXPECT_EQ(message->releases[0].until.known(), FenceState::signalled);
    const Status failed = message->releases[1].until.wait(Deadline{});
    ASSERT_FALSE(failed) << "a failure stays one, also over there";
    EXPECT_EQ(failed.error().category, Category::work_failed);
    EXPECT_EQ(failed.error().sys_errno, EIO);
}

TEST_F(ShareTest, MemoriesThatAreOneTravelAsOneDescriptor)
{
    Layout layout = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::per_plane);
    layout.planes[1].offset = 2048;
    layout.memory_sizes[1] = 3072;
    std::vector<UniqueFd> both;
    both.emplace_back(machine.add_dma_buf(4096));
    both.push_back(duplicate(both.front().get()).value());
    const Item item{.buffer = Buffer::wrap(layout, std::move(both)).value()};
    ASSERT_TRUE(here().send(item, Deadline{}));
    const auto raw = os::receive_message(there().poll_fd(), max_message_bytes, max_descriptors, Deadline{});
    ASSERT_TRUE(raw);
    EXPECT_EQ(raw->fds.size(), 1U);
    ASSERT_TRUE(here().send(item, Deadline{}));
    const auto message = there().receive({}, Deadline{});
    ASSERT_TRUE(message) << message.error().message();
    EXPECT_EQ(message->buffers[0].buffer.layout(), layout);
}

TEST_F(ShareTest, WhatCannotBeSentIsSaidBefore)
{
    EXPECT_EQ(here().send({}, {}, Deadline{}).error().category, Category::invalid_argument);
    std::vector<std::byte> own(nv12.memory_sizes[0]);
    EXPECT_EQ(here().send({.buffer = Buffer::from_memory(nv12, own).value()}, Deadline{}).error().category,
              Category::unsupported);
    Item large{.buffer = make(nv12)};
    large.data.resize(max_data_bytes + 1);
    EXPECT_EQ(here().send(large, Deadline{}).error().category, Category::invalid_argument);
    large.data.resize(max_data_bytes);
    const Status bytes = here().send(std::vector(4, large), {}, Deadline{});
    ASSERT_FALSE(bytes);
    EXPECT_EQ(bytes.error().offered, max_message_bytes);
    std::vector<Item> many;
    for (std::size_t i = 0; i <= max_descriptors; ++i)
        many.push_back({.buffer = make(nv12)});
    EXPECT_NE(here().send(many, {}, Deadline{}).error().message().find("descriptors"), std::string::npos);
    Item empty{.buffer = make(nv12)};
    const Buffer taken = std::move(empty.buffer);
    EXPECT_EQ(here().send(empty, Deadline{}).error().category, Category::invalid_state);
    EXPECT_EQ(there().receive({}, Deadline{}).error().category, Category::timed_out) << "nothing was sent";
}

TEST_F(ShareTest, WaitsEndAtTheDeadlineAndWithThePeer)
{
    EXPECT_EQ(there().receive({}, Deadline{}).error().category, Category::timed_out);
    const Item item{.buffer = make(nv12)};
    Status full;
    for (int i = 0; i < 100 && full; ++i)
        full = here().send(item, Deadline{});
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().category, Category::timed_out) << "a peer that does not read holds nobody";
    {
        const Channel gone = std::move(there());
    }
    EXPECT_EQ(here().send(item, deadline_in(std::chrono::seconds(1))).error().category, Category::end_of_stream);
    EXPECT_EQ(here().receive({}, deadline_in(std::chrono::seconds(1))).error().category, Category::end_of_stream);
}

TEST_F(ShareTest, AMovedChannelSaysSo)
{
    const Channel taken = std::move(here());
    EXPECT_EQ(here().send({.buffer = make(nv12)}, Deadline{}).error().category, Category::invalid_state);
    EXPECT_EQ(here().receive({}, Deadline{}).error().category, Category::invalid_state);
    EXPECT_EQ(here().peer().error().category, Category::invalid_state);
    EXPECT_EQ(taken.peer().value(), (Peer{42, 1000, 100}));
}

TEST_F(ShareTest, OnlySocketsThatKeepMessagesApartWillDo)
{
    std::array<int, 2> stream{-1, -1};
    ASSERT_EQ(machine.socketpair(SOCK_STREAM, stream), 0);
    const UniqueFd other(stream[1]);
    EXPECT_EQ(Channel::wrap(UniqueFd(stream[0])).error().category, Category::invalid_argument);
    EXPECT_EQ(Channel::wrap(UniqueFd(machine.memfd_create("x", 0))).error().category, Category::invalid_argument);
    EXPECT_EQ(Channel::wrap(UniqueFd()).error().category, Category::invalid_argument);
    EXPECT_TRUE(Channel::wrap(here().release_socket()));
}

TEST_F(ShareTest, DescriptorsThatWereLostAreNoticed)
{
    ASSERT_TRUE(here().send({.buffer = make(nv12)}, Deadline{}));
    machine.max_received = 0; // the process has no more
    EXPECT_EQ(there().receive({}, Deadline{}).error().category, Category::too_many_files);
    machine.max_received = max_descriptors;
    ASSERT_TRUE(here().send({.buffer = make(nv12)}, Deadline{}));
    EXPECT_TRUE(there().receive({}, Deadline{})) << "the next message comes whole";
}

TEST_F(ShareTest, EachCallFailsOnceAndNothingStaysOpen)
{
    const Item item{.buffer = make(nv12)};
    const auto once_around = [&] {
        if (Status sent = here().send(item, Deadline{}); !sent)
            return sent;
        const auto came = there().receive({}, Deadline{});
        return came ? Status() : Status(came.error());
    };
    ASSERT_TRUE(once_around());
    const std::size_t begin = machine.calls().size();
    ASSERT_TRUE(once_around());
    const std::size_t calls = machine.calls().size() - begin;
    const std::size_t open = machine.open_descriptors();
    for (std::size_t call = 0; call < calls; ++call) {
        for (const int error : {EIO, ENOMEM, EMFILE}) {
            machine.fail(machine.calls().size() + call, error);
            static_cast<void>(once_around());
            machine.fail(SIZE_MAX, 0);
            // What was sent and not received waits in the socket.
            while (there().receive({}, Deadline{}))
                ;
            EXPECT_EQ(machine.open_descriptors(), open) << "call " << call;
            EXPECT_TRUE(once_around()) << "after a failure of call " << call;
        }
    }
}

// ---- Messages of liars ----

/// An honest message, as parts that a liar changes.
wire::Contents honest(const Layout& layout)
{
    wire::BufferOnWay buffer;
    buffer.token = 5;
    buffer.layout = layout;
    buffer.memories = {0};
    buffer.ready = {wire::FenceOnWay::State::descriptor, 1, 0};
    buffer.picture = full_picture();
    buffer.data = some_bytes(10);
    return {{buffer}, {{9, {}}}};
}

TEST_F(ShareTest, EachLieIsRefusedWithItsReasonAndAnHonestMessageFollows)
{
    using State = wire::FenceOnWay::State;
    const auto good = [&] { return honest(nv12); };
    const auto changed = [&](const std::function<void(wire::Contents&)>& change, std::size_t descriptors = 2) {
        wire::Contents contents = good();
        change(contents);
        return wire::write(contents, descriptors);
    };
    const auto bytes = [&](const std::function<void(Bytes&)>& change) {
        Bytes all = wire::write(good(), 2);
        change(all);
        return all;
    };
    struct Lie {
        std::string words;
        Bytes bytes;
    };
    const auto first = [](wire::Contents& c) -> wire::BufferOnWay& { return c.buffers.front(); };
    const std::vector<Lie> lies{
        {"not a message", {}},
        {"not a message", some_bytes(3)},
        {"not a message", some_bytes(400)},
        {"not a message", bytes([](Bytes& b) { b[0] = std::byte{0}; })},
        {"needs version 2", bytes([](Bytes& b) { b[6] = std::byte{2}; })},
        {"bytes, and", bytes([](Bytes& b) { b.push_back(std::byte{0}); })},
        {"bytes, and", bytes([](Bytes& b) { b.resize(b.size() - 1); })},
        {"bytes, and", bytes([](Bytes& b) { b.resize(16); })},
        {"3 descriptors, and 2 came", changed([](wire::Contents&) {}, 3)},
        {"1 descriptors, and 2 came", changed([](wire::Contents&) {}, 1)},
        {"cut off", bytes([](Bytes& b) {
             b[16 + 4] = std::byte{0xff};
             b[16 + 5] = std::byte{0xff};
         })},
        {"cut off", bytes([](Bytes& b) {
             for (std::size_t i = 20; i < 24; ++i)
                 b[i] = std::byte{0xff};
         })},
        {"belongs to no buffer", bytes([](Bytes& b) { b[16] = std::byte{2}; })},
        {"belongs to no buffer", bytes([](Bytes& b) { b[16] = std::byte{4}; })},
        {"unknown kind 256", bytes([](Bytes& b) {
             b[16] = std::byte{0};
             b[17] = std::byte{1};
             b[18] = std::byte{1};
         })},
        {"uses descriptor", changed([&](wire::Contents& c) { first(c).ready = {}; })},
        {"names descriptor 7", changed([&](wire::Contents& c) { first(c).memories = {7}; })},
        {"names descriptor 65535", changed([&](wire::Contents& c) { first(c).ready.place = 65535; })},
        {"for two things", changed([&](wire::Contents& c) { first(c).ready.place = 0; })},
        {"for two things", changed([&](wire::Contents& c) {
             c.releases[0].until = {State::descriptor, 1, 0};
         })},
        {"for two things", changed([&](wire::Contents& c) {
             c.releases[0].until = {State::descriptor, 0, 0};
         })},
        {"unknown state", changed([&](wire::Contents& c) { first(c).ready.state = State(9); })},
        {"unknown orientation", changed([&](wire::Contents& c) { first(c).picture.orientation = Orientation(8); })},
        {"or field 5", changed([&](wire::Contents& c) { first(c).picture.field = FieldOrder(5); })},
        {"is not inside", changed([&](wire::Contents& c) { first(c).picture.crop->width = 63; })},
        {"is not inside", changed([&](wire::Contents& c) { first(c).picture.crop->left = UINT32_MAX; })},
        {"is not inside", changed([&](wire::Contents& c) { first(c).picture.crop->top = UINT32_MAX; })},
        {"bytes of data", changed([&](wire::Contents& c) { first(c).data = some_bytes(101); })},
        {"more buffers", changed([&](wire::Contents& c) {
             wire::BufferOnWay more = first(c);
             more.ready = {};
             c.buffers.resize(5, more);
         })},
        {"more releases", changed([&](wire::Contents& c) { c.releases.resize(6); })},
        // And those that the door refuses.
        {"is not a dma-buf", changed([&](wire::Contents& c) {
             first(c).memories = {1};
             first(c).ready.place = 0;
         })},
        {"goes past", changed([&](wire::Contents& c) { first(c).layout.planes[1].offset = 4096; })},
        {"on top of each other", changed([&](wire::Contents& c) { first(c).layout.planes[1].offset = 0; })},
        {"are needed", changed([&](wire::Contents& c) { first(c).layout.memory_sizes[0] = 1 << 20; })},
        {"are needed", changed([&](wire::Contents& c) { first(c).layout.memory_sizes[0] = UINT64_MAX; })},
        {"stride", changed([&](wire::Contents& c) { first(c).layout.planes[0].stride = 1; })},
        {"does not know", changed([&](wire::Contents& c) { first(c).layout.format = Format(0x01020304); })},
        {"more than the 128x128", changed([&](wire::Contents& c) { first(c).layout.width = 129; })},
        {"not between 1 and 4", bytes([](Bytes& b) { b[24 + 44] = std::byte{5}; })},
        {"not between 1 and 4", bytes([](Bytes& b) { b[24 + 44] = std::byte{0}; })},
        {"not between 1 and 4", bytes([](Bytes& b) { b[24 + 48] = std::byte{0xff}; })},
    };
    Limits limits;
    limits.buffer.max_width = limits.buffer.max_height = 128;
    limits.max_buffers = 4;
    limits.max_releases = 5;
    limits.max_data = 100;
    const auto work = fake::Machine::add_fence("t");
    const UniqueFd memory(machine.add_dma_buf(nv12.memory_sizes[0]));
    const UniqueFd fence(machine.sync_file(work));
    const std::size_t open = machine.open_descriptors();
    for (const Lie& each : lies) {
        lie(each.bytes, {memory.get(), fence.get()});
        const auto answer = there().receive(limits, Deadline{});
        ASSERT_FALSE(answer) << each.words;
        EXPECT_TRUE(answer.error().category == Category::invalid_argument ||
                    answer.error().category == Category::unsupported)
            << answer.error().message();
        EXPECT_NE(answer.error().message().find(each.words), std::string::npos)
            << each.words << ": " << answer.error().message();
        EXPECT_EQ(machine.open_descriptors(), open) << each.words;
        lie(wire::write(good(), 2), {memory.get(), fence.get()});
        EXPECT_TRUE(there().receive(limits, Deadline{})) << "after: " << each.words;
    }
    // Swapped, too few, too many.
    lie(wire::write(good(), 2), {fence.get(), memory.get()});
    EXPECT_NE(there().receive(limits, Deadline{}).error().message().find("is not a dma-buf"), std::string::npos);
    lie(wire::write(good(), 2), {memory.get()});
    EXPECT_NE(there().receive(limits, Deadline{}).error().message().find("1 came"), std::string::npos);
    lie(wire::write(good(), 2), {memory.get(), fence.get(), memory.get()});
    EXPECT_NE(there().receive(limits, Deadline{}).error().message().find("3 came"), std::string::npos);
    lie(wire::write(good(), 2), {memory.get(), memory.get()});
    EXPECT_NE(there().receive(limits, Deadline{}).error().message().find("is not a sync_file"), std::string::npos);
    lie(Bytes(max_message_bytes + 1), {memory.get()});
    EXPECT_NE(there().receive(limits, Deadline{}).error().message().find("is larger than"), std::string::npos);
    EXPECT_EQ(machine.open_descriptors(), open);
}

TEST_F(ShareTest, AnEndlessFenceHoldsOnlyTheWaitForIt)
{
    const UniqueFd memory(machine.add_dma_buf(nv12.memory_sizes[0]));
    const UniqueFd fence(machine.sync_file(fake::Machine::add_fence("never")));
    lie(wire::write(honest(nv12), 2), {memory.get(), fence.get()});
    const auto message = there().receive({}, Deadline{});
    ASSERT_TRUE(message);
    EXPECT_EQ(message->buffers[0].ready.wait(Deadline{}).error().category, Category::timed_out);
    EXPECT_TRUE(message->buffers[0].buffer.read(Deadline{})) << "it is the caller's to wait for it";
}

// ---- Versions ----

TEST(ShareVersions, AReaderOfVersion1UnderstandsThisWriter)
{
    const Layout layout = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::per_plane);
    wire::Contents contents = honest(layout);
    contents.buffers[0].memories = {0, 2};
    contents.buffers[0].for_good = true;
    const auto message = reader_v1::read(wire::write(contents, 3));
    ASSERT_TRUE(message);
    EXPECT_EQ(message->descriptors, 3);
    EXPECT_EQ(message->passed_over, 0U);
    ASSERT_EQ(message->buffers.size(), 1U);
    const reader_v1::Buffer& buffer = message->buffers[0];
    EXPECT_EQ(buffer.token, 5U);
    EXPECT_EQ(buffer.fourcc, DRM_FORMAT_NV12);
    EXPECT_EQ(buffer.flags, 2U);
    EXPECT_EQ(buffer.numbers, (std::array<std::uint32_t, 5>{64, 32, 0, 0, 0}));
    ASSERT_EQ(buffer.planes.size(), 2U);
    EXPECT_EQ(buffer.planes[1].stride, layout.planes[1].stride);
    EXPECT_EQ(buffer.planes[1].size, layout.planes[1].size);
    ASSERT_EQ(buffer.memories.size(), 2U);
    EXPECT_EQ(buffer.memories[1].descriptor, 2);
    EXPECT_EQ(buffer.memories[1].size, layout.memory_sizes[1]);
    EXPECT_EQ(buffer.fence->descriptor, 1);
    EXPECT_EQ(buffer.orientation, static_cast<std::uint8_t>(Orientation::mirrored_90));
    EXPECT_EQ(buffer.data, some_bytes(10));
    ASSERT_EQ(message->releases.size(), 1U);
    EXPECT_EQ(message->releases[0].token, 9U);
}

TEST(ShareVersions, WhatALaterVersionAddsIsPassedOver)
{
    const Layout layout = *linear_layout({DRM_FORMAT_NV12, 64, 32}, 64, Memories::single);
    const wire::Contents contents = honest(layout);
    Bytes all = wire::write(contents, 2);
    // Version 3 has a record of another kind at the end, and 4 bytes more in the first one.
    all[4] = std::byte{3};
    const Bytes record{std::byte{99}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{2},
                       std::byte{0},  std::byte{0}, std::byte{0}, std::byte{1}, std::byte{2}};
    all.insert(all.end(), record.begin(), record.end());
    const auto first = std::to_integer<std::size_t>(all[20]) + (std::to_integer<std::size_t>(all[21]) << 8U);
    const std::size_t longer = first + 4;
    all[20] = std::byte{static_cast<std::uint8_t>(longer & 0xffU)};
    all[21] = std::byte{static_cast<std::uint8_t>(longer >> 8U)};
    all.insert(all.begin() + static_cast<std::ptrdiff_t>(24 + first), 4, std::byte{7});
    all[8] = std::byte{static_cast<std::uint8_t>(all.size() & 0xffU)};
    all[9] = std::byte{static_cast<std::uint8_t>(all.size() >> 8U)};
    const auto read = wire::read(all, 2, {});
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, contents);
    EXPECT_EQ(reader_v1::read(all)->passed_over, 1U);
    all[all.size() - record.size() + 2] = std::byte{1};
    EXPECT_EQ(wire::read(all, 2, {}).error().category, Category::unsupported);
}

TEST(ShareVersions, WhatIsWrittenIsRead)
{
    const Layout layout = *linear_layout({DRM_FORMAT_YUV420, 64, 32}, 64, Memories::per_plane);
    wire::Contents contents = honest(layout);
    contents.buffers[0].memories = {0, 2, 0};
    contents.buffers[0].layout.lines_before = 3;
    contents.buffers[0].layout.rows = 48;
    contents.buffers.push_back(contents.buffers[0]);
    contents.buffers[1].ready = {wire::FenceOnWay::State::failed, 0, EIO};
    contents.buffers[1].picture = {};
    contents.buffers[1].data.clear();
    const auto read = wire::read(wire::write(contents, 3), 3, {});
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, contents);
}

// ---- Loans ----

class LoansTest : public ShareTest {};

TEST_F(LoansTest, ABufferComesBackOnce)
{
    Loans loans;
    const Buffer buffer = make(nv12);
    const auto token = loans.lend(buffer, Deadline::max());
    EXPECT_EQ(loans.size(), 1U);
    const auto back = loans.give_back({token, {}});
    ASSERT_TRUE(back);
    EXPECT_EQ(back->buffer, buffer);
    EXPECT_FALSE(back->untrusted);
    EXPECT_EQ(loans.give_back({token, {}}).error().category, Category::invalid_argument) << "a replay";
    EXPECT_EQ(loans.give_back({12345, {}}).error().category, Category::invalid_argument) << "a guess";
    EXPECT_NE(loans.lend(buffer, Deadline::max()), token);
}

TEST_F(LoansTest, AReleaseThatNeverComesIsNotWaitedForTooLong)
{
    Loans loans;
    const Buffer early = make(nv12);
    const Buffer late = make(nv12);
    const Deadline now = std::chrono::steady_clock::now();
    const auto token = loans.lend(early, now);
    loans.lend(late, now + std::chrono::seconds(1));
    EXPECT_EQ(loans.next_deadline(), now);
    const auto back = loans.overdue(now);
    ASSERT_EQ(back.size(), 1U);
    EXPECT_EQ(back[0].buffer, early);
    EXPECT_TRUE(back[0].untrusted);
    EXPECT_FALSE(loans.give_back({token, {}})) << "too late";
    EXPECT_EQ(loans.next_deadline(), now + std::chrono::seconds(1));
    ASSERT_EQ(loans.peer_gone().size(), 1U);
    EXPECT_EQ(loans.size(), 0U);
    EXPECT_EQ(loans.next_deadline(), Deadline::max());
}

} // namespace
} // namespace commonbuf::share
