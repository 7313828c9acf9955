// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/export.hpp>
#include <commonbuf/result.hpp>

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace commonbuf {

/// The members of Constraints, as origins and refusals name them.
enum class Constraint : std::uint8_t {
    address_bits,
    cached,
    contiguous,
    height_align,
    max_size,
    max_stride,
    min_size,
    min_stride,
    offset_align,
    protected_memory,
    size_align,
    stride_align,
};

/// Name a constraint as it stands in JSON: "address_bits", "stride_align"..., and "protected".
COMMONBUF_API std::string_view to_string(Constraint constraint) noexcept;

/// Find a constraint by its name; nothing for other names.
COMMONBUF_API std::optional<Constraint> parse_constraint(std::string_view name) noexcept;

/// Where one constraint comes from: which device said so, in answer to which call.
struct Origin {
    Constraint constraint = Constraint::stride_align;
    std::uint64_t value = 0;
    std::string device; ///< for example "v4l2:/dev/video0:capture"
    std::string call;   ///< for example "VIDIOC_TRY_FMT"

    friend bool operator==(const Origin&, const Origin&) = default;
    friend auto operator<=>(const Origin&, const Origin&) = default;
};

/// Which memory something accepts: with a property, without it, or either. A set of two bits;
/// what two accept is the intersection.
enum class Choice : std::uint8_t { neither = 0, without = 1, with = 2, either = 3 };

constexpr Choice operator&(Choice a, Choice b) noexcept
{
    return static_cast<Choice>(static_cast<std::uint8_t>(a) & static_cast<std::uint8_t>(b));
}

/// Name a choice: "neither", "without", "with", "either".
COMMONBUF_API std::string_view to_string(Choice choice) noexcept;

/// What a use asks of the layout and the memory. The defaults ask for nothing.
///
/// Strides are those of the first plane, in bytes; sizes are those of each memory.
struct COMMONBUF_API Constraints {
    std::uint32_t stride_align = 1; ///< strides are multiples of it
    std::uint32_t min_stride = 0;
    std::uint32_t max_stride = std::numeric_limits<std::uint32_t>::max();
    std::uint32_t height_align = 1; ///< rows, padding included, are multiples of it
    std::uint64_t offset_align = 1; ///< planes begin at multiples of it in their memory
    std::uint64_t size_align = 1;   ///< each memory's bytes are a multiple of it
    std::uint64_t min_size = 0;
    std::uint64_t max_size = std::numeric_limits<std::uint64_t>::max();
    bool contiguous = false;                  ///< no scattered memory
    std::uint32_t address_bits = 64;          ///< physical addresses below 2 to this power
    Choice cached = Choice::either;           ///< whether the CPU's mapping goes through its caches
    Choice protected_memory = Choice::either; ///< whether the memory is out of the CPU's reach

    /// Sorted, without duplicates; add_origin() keeps it so.
    std::vector<Origin> origins;

    void add_origin(Origin origin);

    friend bool operator==(const Constraints&, const Constraints&) = default;
};

/// Constraints that many entries of a support share: a pointer that is never null, to
/// constraints that never change.
class SharedConstraints {
public:
    /// Constraints that ask for nothing.
    SharedConstraints() = default;
    // Implicit, so that an entry can be written down with its constraints.
    SharedConstraints(Constraints constraints) : value_(std::make_shared<const Constraints>(std::move(constraints))) {}

    COMMONBUF_API const Constraints& operator*() const noexcept;
    const Constraints* operator->() const noexcept { return &**this; }

private:
    std::shared_ptr<const Constraints> value_;
};

/// Merge constraints into those that satisfy both. They are never looser than either.
///
/// Pure; commutative, associative and idempotent. Errors: incompatible (no stride, no size or no
/// memory can satisfy both), invalid_argument (an alignment of 0, or a least common multiple that
/// overflows). Both name the origins.
COMMONBUF_API Result<Constraints> merge(const Constraints& a, const Constraints& b);

/// Find the smallest stride that is at least `wanted` and satisfies the constraints.
/// Errors: incompatible, with the numbers.
COMMONBUF_API Result<std::uint32_t> fit_stride(const Constraints& constraints, std::uint64_t wanted);

/// Find the smallest size of a memory that is at least `wanted` bytes and satisfies the
/// constraints. Errors: incompatible, with the numbers.
COMMONBUF_API Result<std::uint64_t> fit_size(const Constraints& constraints, std::uint64_t wanted);

} // namespace commonbuf
