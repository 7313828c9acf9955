// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>

/// The words that the streaming examples share.
struct StreamOptions {
    std::string camera = "@vivid-001-vid-cap";
    std::string display = "@vkms";
    std::string connector;
    std::uint32_t width = 640;
    std::uint32_t height = 480;
    std::uint32_t frames = 300;
    std::uint32_t rate = 30;
    bool compare = true;
    std::string picture;

    /// Whether the display has to write back what it shows.
    bool looks_at_pictures() const { return compare || !picture.empty(); }

    void add_to(CLI::App& app);
};
