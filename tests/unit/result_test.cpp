// SPDX-License-Identifier: MIT
#include <commonbuf/result.hpp>

#include "os/failure.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace commonbuf {
namespace {

TEST(Error, MessageSaysWhatWasTriedWhatTheSystemSaidAndWhatToDo)
{
    const Error error = Error::from_errno(ENOMEM, {"DMA_HEAP_IOCTL_ALLOC", "/dev/dma_heap/camera"},
                                          "the heap gives no 4096 bytes", "free buffers of this heap");
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
    EXPECT_EQ(Error::from_errno(ENOENT, "call").category, Category::not_present);
    EXPECT_EQ(Error::from_errno(EACCES, "call").category, Category::permission_denied);
    EXPECT_EQ(Error::from_errno(EBUSY, "call").category, Category::busy);
    EXPECT_EQ(Error::from_errno(ENOTTY, "call").category, Category::unsupported);
    EXPECT_EQ(Error::from_errno(EMFILE, "call").category, Category::too_many_files);
    EXPECT_EQ(Error::from_errno(EINVAL, "call").category, Category::invalid_argument);
    EXPECT_EQ(Error::from_errno(ENODEV, "call").category, Category::device_gone);
    EXPECT_EQ(Error::from_errno(EIO, "call").category, Category::device_failed);
    EXPECT_EQ(Error::from_errno(EFAULT, "call").category, Category::kernel_failure);
}

TEST(Failure, TooManyFilesSaysWhatToDo)
{
    EXPECT_NE(Error::from_errno(EMFILE, {"open", "/dev/x"}).message().find("ulimit -n"), std::string::npos);
}

} // namespace
} // namespace commonbuf
