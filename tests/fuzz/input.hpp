// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace fuzz {

/// Takes values off the front of a fuzzer's input; zeros when it is used up.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

    template <typename T>
    T take()
    {
        T value{};
        const std::size_t length = sizeof value < rest_.size() ? sizeof value : rest_.size();
        std::memcpy(&value, rest_.data(), length);
        rest_ = rest_.subspan(length);
        return value;
    }

    std::span<const std::uint8_t> rest() const { return rest_; }

private:
    std::span<const std::uint8_t> rest_;
};

} // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
