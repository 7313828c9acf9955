// SPDX-License-Identifier: MIT
#pragma once

#include "negotiate/nearest.hpp"
#include "negotiate/rank.hpp"
#include "negotiate/ways.hpp"

#include <commonbuf/heap.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace commonbuf::negotiate {

/// One layout that every use might accept, and what all of them ask for.
struct Candidate {
    Layout layout;
    Constraints constraints;
};

/// Whether a request makes sense for any device. Errors: invalid_argument with the
/// numbers, unsupported (a format the library does not know).
Status check_request(const Request& request);

/// Grows every memory of a layout to what the constraints ask for. Errors: incompatible.
Status fit_sizes(Layout& layout, const Constraints& constraints);

/// A layout of a heap's own.
struct Proposal {
    std::string heap;
    Layout layout;
};

/// Asks every heap for its layouts of an image (Heap::propose()).
using Propose = std::function<std::vector<Proposal>(const ImageWay&)>;

/// The layouts to try, best first: ways by their rank, then the least padding, then what the
/// heaps propose. Pure, but for asking them.
///
/// Lazy, since the first one serves most of the time: constraints are merged for a way
/// when its turn comes, and heaps are asked when no other layout of the way is left.
class Candidates {
public:
    /// `uses` must outlive this. `extra` is what no device says of itself.
    Candidates(const Request& request, std::span<const UseSupport> uses, Constraints extra = {}, Propose propose = {});

    /// The next best; nothing when all were given.
    std::optional<Candidate> next();

    /// Why there is none, or none more: the first conflict that was met, or that the uses
    /// share no way; then `nearest()` says where a conversion would do.
    Error why_none() const;
    std::optional<NearestConversion> nearest() const;

private:
    struct Ranked {
        Rank rank;
        std::uint32_t way; ///< among the shared ones
    };
    Rank rank(std::uint32_t way) const;
    std::optional<Arrangement> next_way();
    using Entries = std::vector<const Support::Entry*>;
    Result<Constraints> merged(const Entries& entries) const;
    void expand(const Arrangement& way);
    void expand_proposed();
    Status expand_linear(const Arrangement& way, const Constraints& constraints);
    Status expand_opaque(const Arrangement& way, const Constraints& constraints);
    Status expand_given(const Arrangement& way, const Entries& entries, const Constraints& constraints);
    Status expand_known(const Arrangement& way, const Entries& entries, const Constraints& constraints);
    void refuse(Error error);

    /// A way whose layouts were all given, but for those that heaps propose.
    struct Open {
        Arrangement way;
        std::optional<Error> why_none; ///< why it had none
    };

    Request request_;
    std::span<const UseSupport> uses_;
    Constraints extra_;
    Propose propose_;
    SharedWays shared_;
    FormatOrder order_;
    bool began_ = false;
    std::optional<std::uint32_t> first_; ///< the best way, until the others are put in order
    std::vector<Ranked> ways_;           ///< those that come after it: a heap, the best on top
    std::vector<Candidate> layouts_;     ///< of the way whose turn it is, the best at the back
    std::optional<Open> open_;           ///< the same way
    bool shares_ = false;
    std::optional<Error> why_not_;
};

} // namespace commonbuf::negotiate
