// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

/// How a file is written, wherever this project writes one: only as a regular file of this user's own. Plain
/// calls without anything of the library, for its programs too. Functions return 0, or an errno value:
///
/// - EINVAL: what is there is not a regular file (a device, a pipe, a folder)
/// - ELOOP: a link leads there, and links are not followed, or it is not this user's
/// - EPERM: the file, or a second name of it, is somebody else's
namespace commonbuf::own_file {

/// Whether a path may be a link. Even then the link must be this user's or root's: in a folder that everybody may
/// write, anybody can make one.
enum class Links : bool { refuse, follow };

/// Checks what is at `path`; nothing is as good. It may be replaced at any time, so this only says early what the
/// other functions say late.
int check(const std::string& path, Links links);

/// Opens for writing: creates the file, or truncates it once it is known to be this user's. It never waits for
/// the reader of a pipe. Returns a close-on-exec descriptor, or a negative errno value.
int create(const std::string& path, Links links);

/// Replaces the file as a whole or not at all: readers see the old content or the new one. A new file has `mode`,
/// less the umask; an old one keeps its mode.
int replace(const std::string& path, std::string_view content, Links links, unsigned mode);

} // namespace commonbuf::own_file
