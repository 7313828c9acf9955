// SPDX-License-Identifier: MIT
#include <commonbuf/result.hpp>

#include "os/failure.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace commonbuf {
namespace {

TEST(Error, MessageSaysWhatWasTriedWhatTheSystemSaidAndWhatToDo)
{
    const Error error{Category::out_of_memory,
                      ENOMEM,
                      "DMA_HEAP_IOCTL_ALLOC on /dev/dma_heap/camera",
                      "the heap gives no 4096 bytes",
                      "free buffers of this heap",
                      nullptr};
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
}

TEST(Error, UnknownErrnoHasAName)
{
    EXPECT_EQ(errno_name(EFAULT), "EFAULT");
    EXPECT_EQ(errno_name(4242), "E#4242");
}

TEST(Failure, CategoriesFollowErrno)
{
    EXPECT_EQ(os::category_of(ENOENT), Category::not_present);
    EXPECT_EQ(os::category_of(EACCES), Category::permission_denied);
    EXPECT_EQ(os::category_of(EBUSY), Category::busy);
    EXPECT_EQ(os::category_of(ENOTTY), Category::unsupported);
    EXPECT_EQ(os::category_of(EMFILE), Category::out_of_memory);
    EXPECT_EQ(os::category_of(EINVAL), Category::invalid_argument);
    EXPECT_EQ(os::category_of(ENODEV), Category::device_gone);
    EXPECT_EQ(os::category_of(EFAULT), Category::kernel_failure);
}

TEST(Failure, TooManyFilesSaysWhatToDo)
{
    EXPECT_NE(Error::from_errno(EMFILE, "open /dev/x").message().find("ulimit -n"), std::string::npos);
}

} // namespace
} // namespace commonbuf
