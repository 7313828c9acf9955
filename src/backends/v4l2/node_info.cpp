// SPDX-License-Identifier: MIT
#include "backends/v4l2/node_info.hpp"

#include "backends/v4l2/node.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

namespace commonbuf::v4l2 {

std::string_view to_string(Role role) noexcept { return role == Role::capture ? "capture" : "output"; }

std::vector<NodeName> node_names()
{
    const std::string sysfs = "/sys/class/video4linux/";
    constexpr std::string_view prefix = "video";
    std::vector<std::string> entries = os::list(sysfs);
    std::erase_if(entries, [&](const std::string& entry) {
        return !entry.starts_with(prefix) || entry.size() == prefix.size() ||
               !std::all_of(entry.begin() + prefix.size(), entry.end(),
                            [](unsigned char letter) { return std::isdigit(letter) != 0; });
    });
    std::sort(entries.begin(), entries.end(), [](const std::string& a, const std::string& b) {
        return a.size() != b.size() ? a.size() < b.size() : a < b;
    });
    std::vector<NodeName> names;
    names.reserve(entries.size());
    for (const std::string& entry : entries)
        names.push_back({"/dev/" + entry, os::read_text(sysfs + entry + "/name").value_or("")});
    return names;
}

std::vector<NodeInfo> nodes()
{
    std::vector<NodeInfo> infos;
    for (const auto& [path, name] : node_names()) {
        auto fd = os::open(path);
        const auto node = fd ? Node::create(std::move(*fd), path) : fd.error();
        if (node) {
            infos.push_back((*node)->info());
            continue;
        }
        NodeInfo info;
        info.path = path;
        info.name = name;
        info.obstacle = node.error();
        infos.push_back(std::move(info));
    }
    return infos;
}

} // namespace commonbuf::v4l2
