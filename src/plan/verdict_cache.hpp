// SPDX-License-Identifier: MIT
#pragma once

#include <commonbuf/layout.hpp>
#include <commonbuf/result.hpp>
#include <commonbuf/verdict.hpp>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace commonbuf {

/// Name the class of layouts that one verdict speaks for: the layout itself, with every number,
/// since a driver's limit may depend on any of them.
std::string class_of(const Layout& layout);

/// The verdicts of trials, by the identity of the use, that of the heap and the class of layout.
/// Thread-safe.
class VerdictCache {
public:
    /// Stands for a heap in verdicts on scattered memory of no heap: accepted means taken.
    static constexpr const char* scattered = "scattered pages";

    std::optional<Verdict> find(const std::string& identity, const std::string& heap, const std::string& layout) const;

    /// Keep a verdict, unless an identity is empty or the verdict does not last.
    void remember(const std::string& identity, const std::string& heap, const std::string& layout,
                  const Verdict& verdict);

    /// Replace the verdict on a layout, because more is known now than its trial said: the device refused the
    /// memory at work, or worked in it. What was known of scattered pages goes with a refusal. Returns whether
    /// the verdict was kept, on the terms of remember().
    bool replace(const std::string& identity, const std::string& heap, const std::string& layout,
                 const Verdict& verdict);

    /// Read what another process left in the file under the same boot, and write there at every
    /// save() from now on. Lines of another boot, of another version, or that are not ours do not
    /// count. Errors: those of reading the file, invalid_argument (the file is not ours).
    Status keep_in(std::string path);

    /// Write what was learned and thrown away since the last time into the file, and keep what
    /// other processes wrote there meanwhile. Errors: those of writing.
    Status save();

private:
    using Key = std::pair<std::string, std::string>; ///< identity, heap
    using KeyView = std::pair<std::string_view, std::string_view>;
    struct Less {
        using is_transparent = void;
        bool operator()(const KeyView& a, const KeyView& b) const { return a < b; }
    };
    template <typename Value>
    using ByLayout = std::unordered_map<std::string, std::map<Key, Value, Less>>;
    static ByLayout<Verdict> parse(std::string_view text);
    static std::string print(const ByLayout<Verdict>& all);

    mutable std::mutex mutex_;
    ByLayout<Verdict> verdicts_; ///< by class of layout
    std::string path_;
    /// What was learned and not saved yet; nothing for a verdict that was thrown away.
    ByLayout<std::optional<Verdict>> changes_;
};

} // namespace commonbuf
