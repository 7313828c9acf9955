// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/commonbuf.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

/// Everything that allocinfo says, as data. What people read is rendered from the same documents, so
/// the two cannot disagree. What is not known is null. The library writes what it has a type for
/// (docs/plan.schema.json); the tool adds only the devices.
namespace allocinfo {

using Json = nlohmann::ordered_json;

/// The version of every document: that of the library's JSON.
inline constexpr unsigned schema = commonbuf::json_schema;

Json heaps_document(const std::vector<std::shared_ptr<commonbuf::Heap>>& heaps);
Json devices_document();

/// A plan, or with `error` why there is none.
Json plan_document(const commonbuf::Report& report, const commonbuf::Error* error);

/// What a use asks for, format by format, for images of this size: for one format, or for each that
/// the library knows. `error` is set if the use takes none of them.
Json constraints_document(const commonbuf::Use& use, std::optional<commonbuf::Format> format, std::uint32_t width,
                          std::uint32_t height, std::optional<commonbuf::Error>& error);

/// What a use asks for, and who asks.
Json constraints_json(const commonbuf::Constraints& constraints);

/// "single", "per-plane".
const char* memories_name(commonbuf::Memories memories) noexcept;

/// An error as it stands in documents.
Json error_json(const commonbuf::Error& error);

/// A failure that has no report.
Json error_document(const char* command, const commonbuf::Error& error);

} // namespace allocinfo
