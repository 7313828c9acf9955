// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/atomic_request.hpp"
#include "backends/drm/display_state.hpp"

#include <commonbuf/drm/commit.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
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
        UniqueFd shown;
        UniqueFd written;
    };
    /// Makes the commit. `in_fence` is borrowed, -1 for none. Errors: those of test().
    Result<Fences> commit(int in_fence);

    /// The planes that show something else, or nothing, after the commit.
    const std::vector<std::uint32_t>& changed() const noexcept { return changed_; }

private:
    explicit CommitRequest(const Commit& commit) : commit_(commit), state_(commit.display().state()) {}
    Status prepare();
    void power();
    Status show(const Commit::Shown& shown);
    void hide(std::uint32_t plane);
    void hide_others();
    Status write_back(const Buffer& buffer);
    Status settings();
    void set(const DisplayObject& object, std::string_view name, std::uint64_t value);
    std::uint32_t flags() const noexcept;
    Error failure(int error, const char* operation) const;
    Error denied(Error failure) const;

    const Commit& commit_;
    const DisplayState& state_;
    AtomicRequest request_;
    std::vector<std::uint32_t> changed_;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> fence_properties_; ///< plane, property
    std::vector<std::uint32_t> blobs_;
    std::vector<std::string> description_;
};

} // namespace commonbuf::drm
