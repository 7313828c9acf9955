// SPDX-License-Identifier: MIT
#include <commonbuf/content.hpp>

namespace commonbuf {

std::string_view to_string(Sameness sameness) noexcept
{
    switch (sameness) {
    case Sameness::same: return "same";
    case Sameness::different: return "different";
    case Sameness::failed: return "failed";
    case Sameness::not_checked: break;
    }
    return "not-checked";
}

std::string_view to_string(Cause cause) noexcept
{
    switch (cause) {
    case Cause::none: return "none";
    case Cause::unknown: break;
    case Cause::stride: return "stride";
    case Cause::offset: return "offset";
    case Cause::nothing_written: return "nothing-written";
    case Cause::address_limit: return "address-limit";
    case Cause::stale_cache: return "stale-cache";
    case Cause::swapped_planes: return "swapped-planes";
    }
    return "unknown";
}

Verifiable::~Verifiable() = default;

} // namespace commonbuf
