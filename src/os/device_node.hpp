// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/result.hpp>

#include <optional>
#include <string>

/// Devices by their number. A node in /dev may have any name: in a container, through a link of
/// udev's, or because somebody renamed it. Only its number says which device it is.
namespace commonbuf::os {

/// Returns the folder of an open device in sysfs, for example "/sys/dev/char/81:0"; empty for files
/// that are not character devices. Errors: those of fstat(2).
Result<std::string> sysfs_folder(int fd);

/// Returns the kernel's name of an open device, for example "video0"; nothing if sysfs has none.
std::optional<std::string> kernel_name(int fd);

/// Finds the node of a device whose folder in sysfs is `folder`: `usual`, or another one beside it
/// if that is another device. Returns `usual` if there is none.
std::string find_node(const std::string& usual, const std::string& folder);

/// Whether an open file is the device whose folder in sysfs is `folder`. True if sysfs does not say.
bool is_device(int fd, const std::string& folder);

} // namespace commonbuf::os
