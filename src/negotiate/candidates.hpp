// SPDX-License-Identifier: MIT
#pragma once

#include "negotiate/rank.hpp"
#include "negotiate/ways.hpp"

#include <commonbuf/heap.hpp>
#include <commonbuf/layout.hpp>
#include <commonbuf/report.hpp>
#include <commonbuf/result.hpp>

#include <cstdint>
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

/// Check that a request makes sense for any device. Errors: invalid_argument with the numbers,
/// unsupported (a format that the library does not know).
Status check_request(const Request& request);

/// A layout of a heap's own (Heap::propose()).
struct Proposal {
    std::string heap;
    Layout layout;

    friend bool operator==(const Proposal&, const Proposal&) = default;
};

/// The layouts to try, best first: arrangements by their rank, then the least padding, then what
/// heaps propose. Pure: the caller asks the heaps, and hands their proposals over.
///
///     while (true) {
///         if (auto candidate = candidates.next())
///             ...try it...
///         else if (const auto image = candidates.wanted())
///             candidates.propose(...what the heaps say of the image...);
///         else
///             break;
///     }
///
/// Lazy, since the first one serves most of the time: constraints are merged for an arrangement
/// when its turn comes, and heaps are to be asked when no other layout of it is left.
class Candidates {
public:
    /// `uses` must outlive this. `extra` is what no device tells about itself.
    Candidates(const Request& request, std::span<const UseSupport> uses, Constraints extra = {});

    /// The next best. None if all were given, or if heaps are to be asked first.
    std::optional<Candidate> next();

    /// The image that heaps are to be asked about, when next() gives none; then call propose().
    /// None if all candidates were given.
    std::optional<WantedImage> wanted() const;

    /// Take in what heaps propose for the wanted image, and go on.
    void propose(std::span<const Proposal> proposals);

    /// Why there is none, or none more: the first conflict that was met, or that the uses share no
    /// arrangement.
    Error why_none() const;

    /// Where a conversion would do, for uses that share no arrangement: the arrangement that the
    /// fewest uses lack, the best ranked among equals. None if no use has any.
    std::optional<NearestConversion> nearest() const;

private:
    struct Ranked {
        Rank rank;
        std::uint32_t way; ///< among the shared ones
    };
    using Entries = std::vector<const Support::Entry*>;

    /// The arrangement whose turn it is.
    struct Turn {
        Arrangement arrangement;
        Constraints constraints;
        std::vector<Layout> layouts{}; ///< best first
        std::size_t given = 0;         ///< how many of them next() gave
        std::optional<Error> why_none{};
        bool waits = false; ///< for proposals
    };

    Rank rank(std::uint32_t way) const;
    std::optional<Arrangement> next_arrangement();
    Result<Constraints> merged(const Entries& entries) const;
    void begin(const Arrangement& arrangement);
    Result<std::vector<Layout>> layouts(const Turn& turn, const Entries& entries) const;
    Result<std::vector<Layout>> linear_layouts(const Turn& turn) const;
    Result<std::vector<Layout>> opaque_layouts(const Turn& turn) const;
    Result<std::vector<Layout>> given_layouts(const Turn& turn, const Entries& entries) const;
    Result<Layout> fitted(const Proposal& proposal) const;
    void refuse(Error error);

    Request request_;
    std::span<const UseSupport> uses_;
    Constraints extra_;
    SharedWays shared_;
    FormatOrder order_;
    bool began_ = false;
    std::optional<std::uint32_t> first_; ///< the best arrangement, until the others are put in order
    std::vector<Ranked> ways_;           ///< those that come after it: a heap, the best on top
    std::optional<Turn> turn_;
    bool shares_ = false;
    std::optional<Error> why_not_;
};

} // namespace commonbuf::negotiate
