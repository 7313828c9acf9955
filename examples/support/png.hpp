// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <string>

/// Writes a buffer of XRGB8888 or ARGB8888 as a PNG without its alpha. Errors:
/// unsupported (another format), what Buffer::read() gives, kernel_failure (the file
/// cannot be written).
commonbuf::Status write_png(const commonbuf::Buffer& buffer, commonbuf::Deadline deadline, const std::string& path);
