// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

/// Everything that allocinfo says, as data. What people read is rendered from the
/// same documents, so the two cannot disagree. What is not known is null.
namespace allocinfo {

using Json = nlohmann::ordered_json;

/// Raised when a member changes its meaning or goes away; new ones may come at any time.
inline constexpr int schema = 1;

Json heaps_document(const std::vector<std::shared_ptr<commonbuf::Heap>>& heaps);
Json devices_document();

/// A plan, or with `error` the reason why there is none.
Json plan_document(const commonbuf::Report& report, const commonbuf::Error* error);

/// Whether a heap of a plan's document got its verdict from one of its uses, and not from
/// what the heap itself failed at.
bool decided_by_use(const Json& heap);

/// What a use asks for, format by format, for images of this size: for one format, or
/// for each that the library knows where `format` is none. `error` is set when the use
/// takes none of them.
Json constraints_document(const commonbuf::Use& use, std::optional<commonbuf::Format> format, std::uint32_t width,
                          std::uint32_t height, std::optional<commonbuf::Error>& error);

/// What a use asks for, with who asked for it.
Json constraints_json(const commonbuf::Constraints& constraints);

/// "single", "per-plane".
const char* memories_name(commonbuf::Memories memories) noexcept;

/// An error as it stands in documents.
Json error_json(const commonbuf::Error& error);

/// How the devices of a plan were found, where the user named none.
void add_usages(Json& document, const std::vector<commonbuf::ResolvedPurpose>& usages);

/// A failure that has no report.
Json error_document(const char* command, const commonbuf::Error& error);

} // namespace allocinfo
