// SPDX-License-Identifier: MIT
#include "dump.hpp"

#include "text.hpp"
#include "uses.hpp"

#include <algorithm>
#include <set>
#include <string>

namespace allocinfo {
namespace {

using namespace commonbuf;

/// Entries that ask for the same, in the order in which the device gave the first of each.
struct Group {
    Memories memories = Memories::single;
    Constraints constraints;
    std::vector<std::pair<Format, std::vector<Modifier>>> formats;
};

/// The name of a modifier is for people; programs read its number.
Json modifiers_json(const std::vector<Modifier>& modifiers)
{
    Json array = Json::array();
    for (const Modifier modifier : modifiers)
        array.push_back({{"name", to_string(modifier)}, {"value", text::format("{:#x}", modifier.value)}});
    return array;
}

/// Adds a group: one object for all formats that have the same modifiers.
void append(Json& support, const Group& group)
{
    std::vector<std::pair<std::vector<Modifier>, Json>> rows;
    for (const auto& entry : group.formats) {
        auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& each) { return each.first == entry.second; });
        if (row == rows.end())
            row = rows.insert(rows.end(), {entry.second, Json::array()});
        row->second.push_back(to_string(entry.first));
    }
    for (auto& [modifiers, formats] : rows)
        support.push_back({
            {"formats", std::move(formats)},
            {"modifiers", modifiers_json(modifiers)},
            {"memories", memories_name(group.memories)},
            {"constraints", constraints_json(group.constraints)},
        });
}

/// Collects what a use answers, format by format.
class Answers {
public:
    /// `listed` are the formats that the device says it has: a refusal of one of them is news.
    explicit Answers(const std::set<std::string>& listed) : listed_(listed) {}

    void take(const Support& support)
    {
        for (const Support::Entry& entry : support.entries) {
            auto group = std::find_if(groups_.begin(), groups_.end(), [&entry](const Group& each) {
                return each.memories == entry.memories && each.constraints == *entry.constraints;
            });
            if (group == groups_.end())
                group = groups_.insert(group, {entry.memories, *entry.constraints, {}});
            if (group->formats.empty() || group->formats.back().first != entry.format)
                group->formats.emplace_back(entry.format, std::vector<Modifier>{});
            group->formats.back().second.push_back(entry.modifier);
        }
    }

    void take(Format format, const Error& error)
    {
        const bool news = listed_.contains(to_string(format)) || error.category != Category::unsupported;
        if (news)
            refused_.emplace_back(format, error);
        // The refusal of a format that it has says more than the lack of another one.
        if (!why_not_ || (news && refused_.size() == 1))
            why_not_ = error;
    }

    void put_into(Json& use) const
    {
        if (groups_.empty() && why_not_) {
            use["error"] = error_json(*why_not_);
            return;
        }
        use["support"] = Json::array();
        for (const Group& group : groups_)
            append(use["support"], group);
        for (const auto& [format, error] : refused_)
            use["refused"].push_back({{"format", to_string(format)}, {"error", error_json(error)}});
    }

private:
    const std::set<std::string>& listed_;
    std::vector<Group> groups_;
    std::vector<std::pair<Format, Error>> refused_;
    std::optional<Error> why_not_;
};

/// The formats of the library, and those that only the device has.
std::vector<Format> formats_to_ask(const std::set<std::string>& listed)
{
    std::vector<Format> formats;
    for (const FormatInfo& info : all_formats())
        formats.push_back(info.format);
    for (const std::string& name : listed) {
        if (const auto format = parse_format(name); format && is_opaque(*format))
            formats.push_back(*format);
    }
    return formats;
}

Json use_json(const std::string& word, const Json& listed_formats, std::uint32_t width, std::uint32_t height)
{
    Json result = {{"use", word},        {"identity", nullptr},      {"memory", {{"contiguous", nullptr}}},
                   {"support", nullptr}, {"refused", Json::array()}, {"error", nullptr}};
    const auto use = parse_use(word);
    if (!use) {
        result["error"] = error_json(use.error());
        return result;
    }
    result["use"] = use->name();
    if (!use->identity().empty())
        result["identity"] = use->identity();
    std::set<std::string> listed;
    for (const Json& name : listed_formats)
        listed.insert(name.get<std::string>());
    Answers answers(listed);
    for (const Format format : formats_to_ask(listed)) {
        const auto support = use->importer().support({format, width, height});
        if (support)
            answers.take(**support);
        else
            answers.take(format, support.error());
    }
    answers.put_into(result);
    return result;
}

/// Whether a node says so of itself. Null, for a node that could not be asked, is no.
bool says(const Json& node, const char* what) { return node[what].is_boolean() && node[what].get<bool>(); }

/// Null if an obstacle prevents asking the node anything.
Json no_uses_yet(const Json& node) { return node["obstacle"].is_object() ? Json(nullptr) : Json::array(); }

} // namespace

void add_support(Json& devices, std::uint32_t width, std::uint32_t height)
{
    devices["width"] = width;
    devices["height"] = height;
    devices["heaps"] = heaps_document(find_heaps())["heaps"];
    for (Json& node : devices["v4l2"]) {
        const std::string target = "v4l2:" + node["path"].get<std::string>();
        node["uses"] = no_uses_yet(node);
        if (says(node, "capture"))
            node["uses"].push_back(use_json(target + ":capture", node["capture_formats"], width, height));
        if (says(node, "output"))
            node["uses"].push_back(use_json(target + ":output", node["output_formats"], width, height));
    }
    for (Json& node : devices["drm"]) {
        node["uses"] = no_uses_yet(node);
        if (says(node, "modesetting"))
            node["uses"].push_back(
                use_json("drm:" + node["path"].get<std::string>() + ":scanout", Json::array(), width, height));
    }
    for (Json& device : devices["vulkan"]) {
        device["uses"] = no_uses_yet(device);
        const std::string target = "vulkan:" + device["name"].get<std::string>();
        if (device["obstacle"].is_null()) {
            for (const char* role : {"sampled", "storage", "color-attachment"})
                device["uses"].push_back(use_json(target + ":" + role, Json::array(), width, height));
        }
    }
}

} // namespace allocinfo
