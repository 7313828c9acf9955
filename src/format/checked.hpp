// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <numeric>
#include <optional>

/// Arithmetic on sizes that come from elsewhere: 64 bits, and nothing on overflow.
namespace commonbuf::checked {

using Number = std::optional<std::uint64_t>;

inline Number add(Number a, Number b) noexcept
{
    std::uint64_t sum = 0;
    if (!a || !b || __builtin_add_overflow(*a, *b, &sum))
        return std::nullopt;
    return sum;
}

inline Number multiply(Number a, Number b) noexcept
{
    std::uint64_t product = 0;
    if (!a || !b || __builtin_mul_overflow(*a, *b, &product))
        return std::nullopt;
    return product;
}

/// The smallest multiple of `step` that is at least `value`; nothing for a step of 0.
inline Number round_up(Number value, std::uint64_t step) noexcept
{
    if (!value || step == 0)
        return std::nullopt;
    const std::uint64_t rest = *value % step;
    return rest == 0 ? value : add(value, step - rest);
}

/// The least common multiple; nothing on overflow and for 0.
inline Number common_multiple(std::uint64_t a, std::uint64_t b) noexcept
{
    if (a == 0 || b == 0)
        return std::nullopt;
    return multiply(a / std::gcd(a, b), b);
}

} // namespace commonbuf::checked
