// SPDX-License-Identifier: MIT
#include "score.hpp"

#include <commonbuf/commonbuf.hpp>

#include <cstdlib>

std::string Score::dropped_and_compared(const std::string& with, bool asked) const
{
    std::string lines;
    if (dropped > 0)
        lines = std::to_string(dropped) + " more dropped by the camera itself, which had a buffer for them: it was "
                                          "late, as on a busy machine\n";
    if (unwritten > 0)
        lines +=
            std::to_string(unwritten) + " pictures were not written back by the display's driver, which lost them\n";
    if (compared > 0)
        return lines + std::to_string(compared) + " pictures compared with " + with + ", " +
               std::to_string(wrong_pixels) + " wrong pixels\n";
    const char* why = !asked ? "as asked" : writes_back ? "no picture was complete" : "the card has no writeback";
    return lines + "nothing compared: " + why + '\n';
}

bool Score::good() const
{
    return commonbuf::checker_findings() == 0 && lost == 0 && out_of_order == 0 && copies == 0 && wrong_pixels == 0;
}

std::string checker_line()
{
    if (std::getenv("COMMONBUF_CHECK") == nullptr)
        return {};
    return "access checker: " + std::to_string(commonbuf::checker_findings()) + " reports\n";
}
