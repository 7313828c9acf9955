// SPDX-License-Identifier: MIT
#include "stream_options.hpp"

void StreamOptions::add_to(CLI::App& app)
{
    app.add_option("--camera", camera, "path, or @name of a V4L2 capture node")->capture_default_str();
    app.add_option("--display", display, "path, or @driver of a DRM card")->capture_default_str();
    app.add_option("--connector", connector, "such as HDMI-A-1 (default: the first that is connected)");
    app.add_option("--width", width, "pixels")->capture_default_str();
    app.add_option("--height", height, "pixels")->capture_default_str();
    app.add_option("--frames", frames, "how many to show")->capture_default_str();
    app.add_option("--rate", rate, "frames a second to ask the camera for")->capture_default_str();
    app.add_flag("!--no-compare", compare, "do not compare what was shown with what it should be");
    app.add_option("--picture", picture, "PNG file for the last picture that the display showed");
}
