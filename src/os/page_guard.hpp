// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

/// Mappings that the program may touch only at times: the access checker's net for pointers
/// that outlive their bracket.
namespace commonbuf::os::page_guard {

enum class Touch : unsigned char { none, reads, reads_and_writes };

/// Called where a guarded page was touched as it may not be, in the thread that did it,
/// instead of its death by SIGSEGV. `owner` is what guard() was given; `code` is the
/// instruction, nullptr where it is not known.
using Caught = void (*)(void* owner, bool writes, const void* code);

/// Takes SIGSEGV over; faults elsewhere go on to who had it before.
void install(Caught caught) noexcept;
bool installed() noexcept;

/// Guards a mapping; false where there is no room for one more, and it stays open.
bool guard(std::span<std::byte> mapping, void* owner) noexcept;
void unguard(std::span<std::byte> mapping) noexcept;

/// Allows touches of this kind. Nothing for a mapping that is not guarded.
void allow(std::span<std::byte> mapping, Touch touch) noexcept;

} // namespace commonbuf::os::page_guard
