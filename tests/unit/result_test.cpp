// SPDX-License-Identifier: MIT
#include <commonbuf/result.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

namespace commonbuf {
namespace {

using Factory = Error (*)(Tried, std::string, std::string);

struct Row {
    Category category;
    const char* word;
    Factory make;
    bool concerns_device;
    bool is_transient;
};

// Every category, in the order of the header.
constexpr auto rows = std::to_array<Row>({
    {Category::invalid_argument, "invalid-argument", Error::invalid_argument, false, false},
    {Category::invalid_state, "invalid-state", Error::invalid_state, false, false},
    {Category::end_of_stream, "end-of-stream", Error::end_of_stream, false, false},
    {Category::not_present, "not-present", Error::not_present, true, false},
    {Category::permission_denied, "permission-denied", Error::permission_denied, true, true},
    {Category::not_master, "not-master", Error::not_master, true, true},
    {Category::busy, "busy", Error::busy, true, true},
    {Category::unsupported, "unsupported", Error::unsupported, false, false},
    {Category::incompatible, "incompatible", Error::incompatible, false, false},
    {Category::out_of_memory, "out-of-memory", Error::out_of_memory, false, true},
    {Category::no_free_slot, "no-free-slot", Error::no_free_slot, false, true},
    {Category::too_many_files, "too-many-files", Error::too_many_files, false, true},
    {Category::no_bandwidth, "no-bandwidth", Error::no_bandwidth, false, true},
    {Category::timed_out, "timed-out", Error::timed_out, false, true},
    {Category::cancelled, "cancelled", Error::cancelled, false, true},
    {Category::device_gone, "device-gone", Error::device_gone, true, true},
    {Category::lease_revoked, "lease-revoked", Error::lease_revoked, true, true},
    {Category::damaged_frame, "damaged-frame", Error::damaged_frame, false, true},
    {Category::work_failed, "work-failed", Error::work_failed, false, true},
    {Category::device_failed, "device-failed", Error::device_failed, true, true},
    {Category::kernel_failure, "kernel-failure", Error::kernel_failure, false, false},
});

TEST(Category, EachHasAWordAFactoryAndItsPredicates)
{
    static_assert(rows.size() == static_cast<std::size_t>(Category::kernel_failure) + 1);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        SCOPED_TRACE(rows.at(i).word);
        const Row& row = rows.at(i);
        EXPECT_EQ(static_cast<std::size_t>(row.category), i);
        EXPECT_EQ(to_string(row.category), row.word);
        const Error made = row.make("try", "detail", "advice");
        EXPECT_EQ(made, Error::of(row.category, "try", "detail", "advice"));
        EXPECT_EQ(made.category, row.category);
        EXPECT_EQ(made.concerns_device(), row.concerns_device);
        EXPECT_EQ(made.is_transient(), row.is_transient);
    }
}

TEST(Error, MessageSaysWhatWasTriedWhatTheSystemSaidAndWhatToDo)
{
    const Error error = Error::from_errno(ENOMEM, {"DMA_HEAP_IOCTL_ALLOC", "/dev/dma_heap/camera"},
                                          "the heap gives no 4096 bytes", "free buffers of this heap");
    EXPECT_EQ(error.category, Category::out_of_memory);
    EXPECT_EQ(error.message(), "DMA_HEAP_IOCTL_ALLOC on /dev/dma_heap/camera: ENOMEM (Cannot allocate memory): the "
                               "heap gives no 4096 bytes; free buffers of this heap");
}

TEST(Error, MessageLeavesOutWhatIsNotKnown)
{
    Error error;
    error.category = Category::timed_out;
    EXPECT_EQ(error.message(), "timed-out");
    error.detail = "too late";
    EXPECT_EQ(error.message(), "too late");
    error.operation = "wait for a fence";
    EXPECT_EQ(error.message(), "wait for a fence: too late");
    error.target = "/dev/video0";
    EXPECT_EQ(error.message(), "wait for a fence: /dev/video0: too late");
    error.call = "poll";
    EXPECT_EQ(error.message(), "wait for a fence: poll on /dev/video0: too late");
}

TEST(Error, CallAndTargetAreData)
{
    const Error called = Error::busy(Call("VIDIOC_S_FMT", "/dev/video0"), "another program streams");
    EXPECT_EQ(called.call, "VIDIOC_S_FMT");
    EXPECT_EQ(called.target, "/dev/video0");
    EXPECT_EQ(called.operation, "");
    const Error tried = Error::busy("plan XR24 1280x720", "another program streams");
    EXPECT_EQ(tried.call, "");
    EXPECT_EQ(tried.operation, "plan XR24 1280x720");
}

TEST(Error, CanBeGivenMoreData)
{
    const Error error =
        Error::incompatible("import", "too small").with_sizes(4096, 1024).with_errno(EINVAL).with_advice("plan again");
    EXPECT_EQ(error.needed, 4096U);
    EXPECT_EQ(error.offered, 1024U);
    EXPECT_EQ(error.sys_errno, EINVAL);
    EXPECT_EQ(error.advice, "plan again");
    EXPECT_NE(error, Error::incompatible("import", "too small"));
}

TEST(Error, UnknownErrnoHasAName)
{
    EXPECT_EQ(errno_name(EFAULT), "EFAULT");
    EXPECT_EQ(errno_name(4242), "E#4242");
}

TEST(Failure, CategoriesFollowErrno)
{
    const auto category_of = [](int error) {
        const Error made = Error::from_errno(error, "call");
        EXPECT_EQ(made.sys_errno, error);
        EXPECT_EQ(made.call, "call");
        return made.category;
    };
    EXPECT_EQ(category_of(ENOENT), Category::not_present);
    EXPECT_EQ(category_of(EACCES), Category::permission_denied);
    EXPECT_EQ(category_of(EPERM), Category::permission_denied);
    EXPECT_EQ(category_of(EBUSY), Category::busy);
    EXPECT_EQ(category_of(ENOTTY), Category::unsupported);
    EXPECT_EQ(category_of(ENOMEM), Category::out_of_memory);
    EXPECT_EQ(category_of(EMFILE), Category::too_many_files);
    EXPECT_EQ(category_of(EINVAL), Category::invalid_argument);
    EXPECT_EQ(category_of(ETIME), Category::timed_out);
    EXPECT_EQ(category_of(ECANCELED), Category::cancelled);
    EXPECT_EQ(category_of(ENODEV), Category::device_gone);
    EXPECT_EQ(category_of(EIO), Category::device_failed);
    EXPECT_EQ(category_of(EFAULT), Category::kernel_failure);
}

TEST(Failure, TooManyFilesSaysWhatToDo)
{
    EXPECT_NE(Error::from_errno(EMFILE, "open").message().find("ulimit -n"), std::string::npos);
    EXPECT_EQ(Error::from_errno(EMFILE, "open", {}, "close some").advice, "close some");
}

Result<int> number() { return 3; }
Result<int> nothing() { return Error::timed_out("count", "too slow"); }

/// As every function of the library passes a failure on.
Result<std::string> passed_on()
{
    const auto result = nothing();
    if (!result)
        return result.error();
    return std::to_string(*result);
}

TEST(Result, HoldsAValueOrAnError)
{
    EXPECT_EQ(*number(), 3);
    EXPECT_EQ(nothing().error().category, Category::timed_out);
    EXPECT_EQ(passed_on().error(), nothing().error());
    EXPECT_TRUE(Status());
    EXPECT_FALSE(Status(Error::busy("open", "in use")));
}

TEST(Result, AndThenGoesOnWithTheValueOrPassesTheErrorOn)
{
    const auto half = [](int value) -> Result<int> {
        if (value % 2 != 0)
            return Error::invalid_argument("halve", "it is odd");
        return value / 2;
    };
    const Result<int> six = 6;
    EXPECT_EQ(six.and_then(half).value(), 3);
    EXPECT_EQ(six.and_then(half).and_then(half).error().category, Category::invalid_argument);
    EXPECT_EQ(nothing().and_then(half).error().category, Category::timed_out);
    EXPECT_EQ(Status().and_then(number).value(), 3);
    EXPECT_EQ(Status(Error::busy("open", "in use")).and_then(number).error().category, Category::busy);
    const Status good;
    EXPECT_TRUE(good.and_then([] { return Status(); }));
}

TEST(Result, MapChangesTheValueAndKeepsTheError)
{
    const Result<int> three = 3;
    EXPECT_EQ(three.map([](int value) { return std::to_string(value); }).value(), "3");
    EXPECT_EQ(nothing().map([](int value) { return value + 1; }).error().category, Category::timed_out);
    int seen = 0;
    const Status told = number().map([&seen](int value) { seen = value; });
    EXPECT_TRUE(told);
    EXPECT_EQ(seen, 3);
}

TEST(Result, MovesValuesThatCannotBeCopied)
{
    using Pointer = std::unique_ptr<int>;
    Result<Pointer> made = std::make_unique<int>(5);
    const Result<int> taken = std::move(made).and_then([](Pointer pointer) -> Result<int> { return *pointer; });
    EXPECT_EQ(*taken, 5);
    const auto mapped = Result<Pointer>(std::make_unique<int>(6)).map([](Pointer pointer) { return *pointer; });
    EXPECT_EQ(*mapped, 6);
}

TEST(Result, ConvertsFromExpected)
{
    const tl::expected<int, Error> expected = 4;
    const Result<int> same = expected;
    EXPECT_EQ(*same, 4);
    const Result<std::shared_ptr<const int>> widened = Result<std::shared_ptr<int>>(std::make_shared<int>(7));
    EXPECT_EQ(**widened, 7);
}

} // namespace
} // namespace commonbuf
