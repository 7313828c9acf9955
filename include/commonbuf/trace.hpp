// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>

#include <string>

namespace commonbuf {

/// Starts writing what happens to buffers to a file: the accesses of each device and buffer, waits,
/// and fences as arrows. An empty path ends the trace; another path ends it and starts a new file.
/// An existing file is overwritten, if it is a regular file of this user's and no link leads to it.
///
/// The file has the JSON format of the trace viewers of Chrome and Perfetto (ui.perfetto.dev).
/// `allocinfo timeline` draws it too. "%p" in the path stands for the process number, for several
/// programs at once.
///
/// COMMONBUF_TRACE=FILE in the environment does the same without changing the program: from the
/// first event until the program ends. Errors then go to the log and to standard error. Programs with more
/// rights than their caller do not listen to it (secure_getenv(3)).
///
/// The file of a killed program can be read; it lacks at most the last half second. A child of
/// fork() does not write. A trace that is off costs one look at a flag. Thread-safe.
///
/// Errors: those of opening the file; at the end of a trace, those of writing it.
COMMONBUF_API Status set_trace(const std::string& path);

} // namespace commonbuf
