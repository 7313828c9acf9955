// SPDX-License-Identifier: MIT
//
// What a person may type after allocinfo.
#include "input.hpp"

#include "fake/machine.hpp"
#include "model.hpp"
#include "render.hpp"
#include "uses.hpp"

#include <cstdlib>
#include <linux/videodev2.h>
#include <string>

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    // Parts of one input, separated by newlines: a use, a format, a size.
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto first = std::min(text.find('\n'), text.size());
    const auto second = std::min(text.find('\n', std::min(first + 1, text.size())), text.size());
    const std::string use = text.substr(0, first);
    const std::string format = text.substr(std::min(first + 1, text.size()), second - std::min(first + 1, second));
    const std::string image = text.substr(std::min(second + 1, text.size()));

    fake::Machine machine;
    machine.add_heap("system");
    machine.add_camera("video0", {.formats = {V4L2_PIX_FMT_XBGR32}});
    const auto parsed_use = allocinfo::parse_use(use);
    const auto parsed_image = allocinfo::parse_image(format, image);
    if (!parsed_use && parsed_use.error().message().empty())
        std::abort();
    if (!parsed_image && !allocinfo::is_usage_error(parsed_image.error()))
        std::abort();
    if (parsed_use && parsed_image) {
        const auto plan = commonbuf::Allocator().plan(*parsed_image, {*parsed_use});
        if (!plan && plan.error().report != nullptr) {
            const auto document = allocinfo::plan_document(*plan.error().report, &plan.error());
            if (allocinfo::render(document, allocinfo::Colour::no).empty())
                std::abort();
        }
    }
    return 0;
}
