// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>

#include <string>

namespace commonbuf {

/// Writes what happens to buffers into a file, in the JSON format of Chrome's and Perfetto's
/// trace viewers (ui.perfetto.dev; "allocinfo timeline" draws it too): accesses for each
/// device and buffer, fences as arrows, waits. An empty path ends it; another one ends it
/// and begins a new file. A file that is there is emptied.
///
/// COMMONBUF_TRACE=FILE in the environment does the same without a change to the program, from
/// the first thing that happens until the program ends; an error goes to the log and to
/// standard error. "%p" in a path is the number of the process, for several programs at once.
///
/// What a killed program leaves behind lacks at most its last half second and can be read all
/// the same. A child of fork() does not write.
///
/// Off, it costs one look at a flag. Errors: those of opening the file, and when it ends those
/// of writing it. Thread-safe.
COMMONBUF_API Status set_trace(const std::string& path);

} // namespace commonbuf
