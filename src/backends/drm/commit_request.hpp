// SPDX-License-Identifier: MIT
#pragma once

#include "backends/drm/display.hpp"
#include "backends/drm/objects.hpp"

#include <commonbuf/drm/commit.hpp>
#include <commonbuf/unique_fd.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace commonbuf::drm {

/// A Commit in the numbers of DRM_IOCTL_MODE_ATOMIC: buffers are framebuffers here, names ids.
class CommitRequest {
public:
    /// Errors: invalid_argument (what is wrong with the commit), those of Device::framebuffer().
    static Result<std::unique_ptr<CommitRequest>> create(const Commit& commit);
    ~CommitRequest();
    CommitRequest(const CommitRequest&) = delete;
    CommitRequest& operator=(const CommitRequest&) = delete;

    /// Asks whether the kernel would take it.
    Status test();

    struct Fences {
        UniqueFd shown;
        UniqueFd written;
    };
    /// Makes the commit; `in_fence` is borrowed, -1 for none.
    Result<Fences> commit(int in_fence);

    /// Whether a plane can take a fence to wait for.
    bool takes_fence() const noexcept { return !fence_properties_.empty(); }

    /// The planes that show something else from now on, or nothing.
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
    Status result(int error, const std::string& call) const;

    const Commit& commit_;
    const DisplayState& state_;
    AtomicRequest request_;
    std::vector<std::uint32_t> changed_;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> fence_properties_; ///< plane, property
    std::vector<std::uint32_t> blobs_;
    std::vector<std::string> description_;
};

/// Whether an error is about the commit itself, and not about the card, the time or the caller's
/// rights.
bool is_refusal(const Error& error) noexcept;

} // namespace commonbuf::drm
