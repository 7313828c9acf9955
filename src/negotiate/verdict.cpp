// SPDX-License-Identifier: MIT
#include <commonbuf/verdict.hpp>

#include <utility>

namespace commonbuf {
namespace {

Verdict failed(Outcome outcome, const Error& error)
{
    // Call and errno are beside the reason.
    Error rest = error;
    rest.call.clear();
    rest.sys_errno = 0;
    const bool says_more =
        !rest.target.empty() || !rest.operation.empty() || !rest.detail.empty() || !rest.advice.empty();
    return {.outcome = outcome,
            .call = error.call,
            .category = error.category,
            .sys_errno = error.sys_errno,
            .reason = says_more ? rest.message() : std::string(),
            .needed = error.needed,
            .offered = error.offered};
}

} // namespace

std::string_view to_string(Outcome outcome) noexcept
{
    switch (outcome) {
    case Outcome::verified: return "verified";
    case Outcome::proved: return "proved";
    case Outcome::accepted: return "accepted";
    case Outcome::not_tried: return "not-tried";
    case Outcome::refused: return "refused";
    }
    return "unknown";
}

bool Verdict::is_lasting() const noexcept
{
    if (outcome == Outcome::not_tried)
        return false;
    Error failure;
    failure.category = category.value_or(Category::incompatible); // without a failure it is somebody's judgement
    failure.sys_errno = sys_errno;
    return failure.is_final();
}

Verdict Verdict::verified(std::string call, std::string reason)
{
    return {.outcome = Outcome::verified, .call = std::move(call), .reason = std::move(reason)};
}

Verdict Verdict::proved(std::string call, std::string reason)
{
    return {.outcome = Outcome::proved, .call = std::move(call), .reason = std::move(reason)};
}

Verdict Verdict::accepted(std::string call, std::string reason)
{
    return {.outcome = Outcome::accepted, .call = std::move(call), .reason = std::move(reason)};
}

Verdict Verdict::not_tried(const Error& error) { return failed(Outcome::not_tried, error); }
Verdict Verdict::not_tried(std::string reason) { return {.reason = std::move(reason)}; }
Verdict Verdict::refused(const Error& error) { return failed(Outcome::refused, error); }

Verdict Verdict::settled() &&
{
    if (outcome != Outcome::refused || is_lasting())
        return std::move(*this);
    outcome = Outcome::not_tried;
    reason.insert(0, reason.empty() ? "could not be tried" : "could not be tried: ");
    return std::move(*this);
}

} // namespace commonbuf
