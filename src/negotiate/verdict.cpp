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
    Verdict verdict;
    verdict.outcome = outcome;
    verdict.call = error.call;
    verdict.category = error.category;
    verdict.sys_errno = error.sys_errno;
    verdict.reason = says_more ? rest.message() : std::string();
    verdict.needed = error.needed;
    verdict.offered = error.offered;
    return verdict;
}

} // namespace

std::string_view to_string(Outcome outcome) noexcept
{
    switch (outcome) {
    case Outcome::proved: return "proved";
    case Outcome::accepted: return "accepted";
    case Outcome::not_tried: return "not-tried";
    case Outcome::refused: return "refused";
    }
    return "unknown";
}

bool Verdict::is_lasting() const noexcept
{
    // A device that is not there may come back.
    return outcome != Outcome::not_tried && category != Category::not_present && !(category && is_transient(*category));
}

Verdict Verdict::proved(std::string call, std::string reason)
{
    Verdict verdict;
    verdict.outcome = Outcome::proved;
    verdict.call = std::move(call);
    verdict.reason = std::move(reason);
    return verdict;
}

Verdict Verdict::accepted(std::string call, std::string reason)
{
    Verdict verdict = proved(std::move(call), std::move(reason));
    verdict.outcome = Outcome::accepted;
    return verdict;
}

Verdict Verdict::not_tried(const Error& error) { return failed(Outcome::not_tried, error); }

Verdict Verdict::not_tried(std::string reason)
{
    Verdict verdict;
    verdict.reason = std::move(reason);
    return verdict;
}

Verdict Verdict::refused(const Error& error) { return failed(Outcome::refused, error); }

} // namespace commonbuf
