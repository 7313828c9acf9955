// SPDX-License-Identifier: MIT
#pragma once

namespace allocinfo {

/// What the program's exit status says; the man page lists it.
enum Exit : int {
    done = 0,
    usage = 1,   ///< the words of the command line make no sense
    no_heap = 2, ///< no heap serves every use; something stands in the way; verify found a difference
    trouble = 3, ///< a device cannot be used, or a file cannot be read or written
};

} // namespace allocinfo
