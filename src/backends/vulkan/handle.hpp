// SPDX-License-Identifier: MIT
#pragma once

#include "backends/vulkan/context.hpp"

#include <memory>
#include <string_view>
#include <utility>

namespace commonbuf::vulkan {

/// An object of a VkDevice that is destroyed with its owner, by the member `Destroy` of Functions.
template <typename Handle, auto Destroy>
class Owned {
public:
    /// Makes the object by `call`, which is the function `create`. `detail` is for errors.
    template <typename Create, typename Info>
    static Result<Owned> create(std::shared_ptr<const Context> context, const char* call, Create Functions::*create,
                                const Info& info, std::string_view detail = {})
    {
        Handle handle = VK_NULL_HANDLE;
        const VkResult result = (context->vk().*create)(context->device(), &info, nullptr, &handle);
        if (result != VK_SUCCESS)
            return context->failed(call, result, detail);
        return Owned(std::move(context), handle);
    }

    Owned() = default;
    Owned(std::shared_ptr<const Context> context, Handle handle) noexcept
        : context_(std::move(context)),
          handle_(handle)
    {}
    Owned(Owned&& other) noexcept
        : context_(std::move(other.context_)),
          handle_(std::exchange(other.handle_, VK_NULL_HANDLE))
    {}
    Owned& operator=(Owned&& other) noexcept
    {
        Owned taken(std::move(other)); // afterwards it destroys what this object had
        std::swap(context_, taken.context_);
        std::swap(handle_, taken.handle_);
        return *this;
    }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    ~Owned()
    {
        if (handle_ != VK_NULL_HANDLE)
            (context_->vk().*Destroy)(context_->device(), handle_, nullptr);
    }

    Handle get() const noexcept { return handle_; }
    const Context* context() const noexcept { return context_.get(); }

private:
    std::shared_ptr<const Context> context_;
    Handle handle_ = VK_NULL_HANDLE;
};

} // namespace commonbuf::vulkan
