// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

/// Mappings that the program may touch only at certain times: how the access checker catches
/// pointers that outlive their CPU access.
namespace commonbuf::os::page_guard {

enum class Touch : unsigned char { none, reads, reads_and_writes };

/// Called when a thread touches a guarded page in a way that is not allowed, in that thread and
/// instead of SIGSEGV. `owner` is what guard() was given; `code` is the instruction, nullptr if it
/// is not known.
using Caught = void (*)(void* owner, bool writes, const void* code);

/// Takes over SIGSEGV. Faults elsewhere are passed on to the previous handler.
void install(Caught caught) noexcept;
bool installed() noexcept;

/// Guards a mapping. Returns false if the table is full; then the mapping stays open.
bool guard(std::span<std::byte> mapping, void* owner) noexcept;
void unguard(std::span<std::byte> mapping) noexcept;

/// Allows accesses of this kind. Does nothing for a mapping that is not guarded.
void allow(std::span<std::byte> mapping, Touch touch) noexcept;

} // namespace commonbuf::os::page_guard
