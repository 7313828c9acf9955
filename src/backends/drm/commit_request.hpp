// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/display.hpp"

#include <commonbuf/drm/commit.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace commonbuf::drm {

/// A Commit as DRM_IOCTL_MODE_ATOMIC wants it: with framebuffers for buffers, and ids for names.
class CommitRequest {
public:
    /// Translates a commit, which must outlive the request. Errors: invalid_argument (the
    /// commit's mistake), those of Device::framebuffer().
    static Result<std::unique_ptr<CommitRequest>> create(const Commit& commit);
    ~CommitRequest();
    CommitRequest(const CommitRequest&) = delete;
    CommitRequest& operator=(const CommitRequest&) = delete;

    /// Asks whether the kernel would take it. Errors: those of test_commits(), and unsupported for
    /// a refusal.
    Status test();

    struct Fences {
        UniqueFd shown;   ///< none if the display stays off, and for flips at once
        UniqueFd written; ///< none without a writeback
    };
    /// Makes the commit; call it once, or again after an error. `in_fence` is borrowed, -1 for none.
    /// Errors: those of test().
    Result<Fences> commit(int in_fence);

    /// Whether a refusal of commit() may be for its fence: the driver takes the rest.
    bool may_be_for_the_fence(const Error& refusal) const;

    /// Whether a refusal is for the picture or its memory, as far as can be known: not for a
    /// property that the caller set.
    bool is_of_the_picture(const Error& refusal) const;

    /// The planes that show something else, or nothing, after the commit.
    const std::vector<std::uint32_t>& changed() const noexcept { return changed_; }

private:
    /// Values of properties, in the order in which they are set.
    struct Value {
        std::uint32_t object;
        std::uint32_t property;
        std::uint64_t value;
    };

    explicit CommitRequest(const Commit& commit) : commit_(commit), state_(commit.display().state()) {}
    Status prepare();
    void power();
    Status show(const Commit::Shown& shown);
    void hide(std::uint32_t plane);
    Status hide_others();
    Status write_back(const Buffer& buffer);
    Status settings();
    Status check_async() const;
    Status check_event() const;
    void set(const DisplayObject& object, std::string_view name, std::uint64_t value);
    Result<Fences> attempt(int in_fence, bool out_fence);
    bool stays_off() const;
    bool shows_plainly() const;
    std::uint32_t common_flags() const noexcept;
    int ioctl(const std::vector<Value>& values, std::uint32_t flags) const;
    Status call(std::uint32_t flags, const char* operation) const;
    Error failure(int error, const char* operation) const;
    Error refusal(Error failure) const;
    Error denied(Error failure) const;

    const Commit& commit_;
    const DisplayState& state_;
    std::vector<Value> values_;
    std::size_t first_setting_ = 0; ///< where the caller's own properties begin in `values_`
    std::vector<std::uint32_t> changed_;
    std::vector<std::uint32_t> blobs_;
    std::vector<std::string> description_;
};

} // namespace commonbuf::drm
