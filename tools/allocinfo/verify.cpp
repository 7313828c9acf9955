// SPDX-License-Identifier: MIT
//
// allocinfo verify: makes a plan, lets every device really work in its memory, and says
// whether the bytes are what they should be.
#include "verify.hpp"

#include "device_heaps.hpp"
#include "text.hpp"
#include "uses.hpp"

namespace allocinfo {
namespace {

using namespace commonbuf;

Json difference_json(const Difference& first)
{
    return {{"frame", first.frame}, {"plane", first.plane},       {"memory", first.memory}, {"row", first.row},
            {"byte", first.byte},   {"expected", first.expected}, {"found", first.found}};
}

Json content_json(const UseContent& use)
{
    const Content& content = use.content;
    const auto text = [](const std::string& words) { return words.empty() ? Json(nullptr) : Json(words); };
    return {
        {"use", use.use},
        {"result", to_string(content.result)},
        {"frames", content.frames},
        {"wrong_bytes", content.wrong_bytes},
        {"first", content.first ? difference_json(*content.first) : Json(nullptr)},
        {"cause", content.cause == Cause::none ? Json(nullptr) : Json(to_string(content.cause))},
        {"stage", text(content.stage)},
        {"errno", content.sys_errno == 0 ? Json(nullptr) : Json(errno_name(content.sys_errno))},
        {"reason", text(content.reason)},
    };
}

Verified failure(const Error& error)
{
    Json document = error.report != nullptr ? plan_document(*error.report, &error) : error_document("verify", error);
    document["command"] = "verify";
    return {std::move(document), error, false};
}

std::string line(const Json& use)
{
    const auto word = [&use](const char* member) { return use[member].get<std::string>(); };
    const std::string name = word("use");
    const std::string result = word("result");
    if (result == "same")
        return text::format("{}: same, {} frames compared with {}{}", name, use["frames"].get<unsigned>(),
                            word("stage"), use["reason"].is_null() ? "" : "; " + word("reason"));
    if (result == "not-checked")
        return text::format("{}: not checked: {}", name, word("reason"));
    if (result == "failed")
        return text::format("{}: failed: {}", name, word("reason"));
    std::string words = text::format("{}: different, {} wrong bytes in {} frames", name,
                                     use["wrong_bytes"].get<std::uint64_t>(), use["frames"].get<unsigned>());
    if (const Json& first = use["first"]; !first.is_null())
        words += text::format("; first in frame {} at plane {}, row {}, byte {}: {:#04x} instead of {:#04x}",
                              first["frame"].get<unsigned>(), first["plane"].get<unsigned>(),
                              first["row"].get<unsigned>(), first["byte"].get<std::uint64_t>(),
                              first["found"].get<unsigned>(), first["expected"].get<unsigned>());
    words += text::format("; cause: {}", use["cause"].is_null() ? "unknown" : word("cause"));
    return use["reason"].is_null() ? words : words + ": " + word("reason");
}

} // namespace

Verified verify(const VerifyWords& words)
{
    auto request = parse_image(words.format, words.size);
    if (!request)
        return failure(request.error());
    request->count = words.count;
    std::vector<Use> uses;
    for (const std::string& word : words.uses) {
        auto use = parse_use(word);
        if (!use)
            return failure(use.error());
        uses.push_back(std::move(*use));
    }
    Allocator allocator;
    if (const auto added = add_heaps(allocator, words.heaps); !added)
        return failure(added.error());
    const auto plan = allocator.plan(*request, uses);
    if (!plan)
        return failure(plan.error());
    const auto verification = allocator.verify(*plan, uses, {.frames = words.frames});
    if (!verification)
        return failure(verification.error());

    Verified verified;
    verified.document = plan_document(plan->report(), nullptr);
    verified.document["command"] = "verify";
    Json contents = Json::array();
    for (const UseContent& use : verification->uses) {
        contents.push_back(content_json(use));
        verified.wrong =
            verified.wrong || use.content.result == Sameness::different || use.content.result == Sameness::failed;
    }
    verified.document["verification"] = {
        {"heap", verification->heap}, {"buffers", verification->buffers}, {"uses", std::move(contents)}};
    return verified;
}

std::string render_verification(const Json& document)
{
    const Json& request = document["request"];
    const Json& verification = document["verification"];
    std::string words = text::format(
        "verify {} {}x{} on heap {} ({}), {} buffers, stride {}\n", request["format"].get<std::string>(),
        request["width"].get<unsigned>(), request["height"].get<unsigned>(), verification["heap"].get<std::string>(),
        document["chosen"]["verdict"].get<std::string>(), verification["buffers"].get<unsigned>(),
        document["layout"]["planes"][0]["stride"].get<unsigned>());
    for (const Json& use : verification["uses"])
        words += "    " + line(use) + "\n";
    return words;
}

} // namespace allocinfo
