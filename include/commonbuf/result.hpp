// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/error.hpp>
#include <commonbuf/export.hpp>

#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

namespace commonbuf {

template <typename T>
class Result;

namespace detail {

template <typename T>
struct ResultOf {
    using type = Result<T>;
};
template <typename T>
struct ResultOf<Result<T>> {
    using type = Result<T>;
};
template <typename T>
struct ResultOf<tl::expected<T, Error>> {
    using type = Result<T>;
};

} // namespace detail

/// A value, or the Error that says why there is none. The compiler warns if one is dropped.
///
/// All of tl::expected, with one addition: an Error converts to a failed Result, so that a
/// function passes a failure on by `return result.error();`.
template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
public:
    using Base = tl::expected<T, Error>;
    using Base::Base;

    Result() = default;
    // Implicit: `return Error::unsupported(...)` and `return other.error()`.
    Result(Error error) : Base(tl::unexpect, std::move(error)) {}
    Result(const Base& other) : Base(other) {}
    Result(Base&& other) : Base(std::move(other)) {}

    /// Calls `f` with the value and returns its Result, or returns this failure.
    template <typename F>
    auto and_then(F&& f) const&
    {
        return next(*this, std::forward<F>(f));
    }
    template <typename F>
    auto and_then(F&& f) &&
    {
        return next(std::move(*this), std::forward<F>(f));
    }

    /// Calls `f`, which returns a plain value or nothing, with the value; or returns this failure.
    template <typename F>
    auto map(F&& f) const&
    {
        return mapped(*this, std::forward<F>(f));
    }
    template <typename F>
    auto map(F&& f) &&
    {
        return mapped(std::move(*this), std::forward<F>(f));
    }

private:
    template <typename Self, typename F>
    static auto next(Self&& self, F&& f)
    {
        if constexpr (std::is_void_v<T>) {
            using Next = typename detail::ResultOf<std::remove_cvref_t<std::invoke_result_t<F>>>::type;
            return self ? Next(std::forward<F>(f)()) : Next(std::forward<Self>(self).error());
        } else {
            using Value = decltype(*std::forward<Self>(self));
            using Next = typename detail::ResultOf<std::remove_cvref_t<std::invoke_result_t<F, Value>>>::type;
            return self ? Next(std::forward<F>(f)(*std::forward<Self>(self))) : Next(std::forward<Self>(self).error());
        }
    }

    template <typename Self, typename F>
    static auto mapped(Self&& self, F&& f)
    {
        auto changed = static_cast<std::conditional_t<std::is_lvalue_reference_v<Self>, const Base&, Base&&>>(self).map(
            std::forward<F>(f));
        return Result<typename decltype(changed)::value_type>(std::move(changed));
    }
};

/// Success, or the Error that says why not.
using Status = Result<void>;

} // namespace commonbuf
