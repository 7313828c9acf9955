// SPDX-License-Identifier: MIT
//
// What a library answers that was built without proof by content.
#include <commonbuf/allocator.hpp>
#include <commonbuf/content.hpp>

namespace commonbuf {
namespace {

Error left_out() { return Error::unsupported("verify", "the library was built without proof by content"); }

} // namespace

Result<Content> verify(const Use&, std::span<const Buffer>, std::uint32_t, Deadline) { return left_out(); }

Result<Verification> Allocator::verify(const Plan&, std::span<const Use>, const VerifyOptions&) { return left_out(); }

} // namespace commonbuf
