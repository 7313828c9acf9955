// SPDX-License-Identifier: MIT
#include "text/text.hpp"

#include <commonbuf/result.hpp>

#include <cstring>

namespace commonbuf {

std::string_view to_string(Category category) noexcept
{
    switch (category) {
    case Category::invalid_argument: return "invalid-argument";
    case Category::not_present: return "not-present";
    case Category::permission_denied: return "permission-denied";
    case Category::busy: return "busy";
    case Category::unsupported: return "unsupported";
    case Category::exhausted: return "exhausted";
    case Category::incompatible: return "incompatible";
    case Category::timed_out: return "timed-out";
    case Category::cancelled: return "cancelled";
    case Category::device_lost: return "device-lost";
    case Category::kernel_failure: return "kernel-failure";
    }
    return "unknown";
}

std::string errno_name(int error)
{
    const char* name = ::strerrorname_np(error);
    return name != nullptr ? name : text::format("E#{}", error);
}

std::string Error::message() const
{
    std::string text = operation;
    const auto add = [&text](std::string_view separator, std::string_view part) {
        if (!part.empty())
            text.append(text.empty() ? "" : separator).append(part);
    };
    if (sys_errno != 0) {
        const char* words = ::strerrordesc_np(sys_errno);
        add(": ", text::format("{} ({})", errno_name(sys_errno), words != nullptr ? words : "unknown"));
    }
    add(": ", detail);
    add("; ", advice);
    return text.empty() ? std::string(to_string(category)) : text;
}

} // namespace commonbuf
