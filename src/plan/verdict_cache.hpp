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

/// The class of layouts that one verdict speaks for: the layout itself, with every number,
/// since a driver's limit may hang on any of them.
std::string class_of(const Layout& layout);

/// What trials said, by the identity of the use, the heap and the class of layout.
/// Thread-safe.
class VerdictCache {
public:
    /// Stands for a heap where the verdict is on scattered memory of no heap: accepted
    /// means taken.
    static constexpr const char* scattered = "";

    std::optional<Verdict> find(const std::string& identity, const std::string& heap, const std::string& layout) const;

    /// Nothing is kept for an empty identity, nor a verdict that does not last.
    void remember(const std::string& identity, const std::string& heap, const std::string& layout,
                  const Verdict& verdict);

    /// A device refused later what it took before: its verdicts on this layout go.
    void forget(const std::string& identity, const std::string& heap, const std::string& layout);

    /// Reads what another process left in the file under the same boot, and writes there
    /// at every save() from now on. What the file says of another boot, or what is no line
    /// of ours, counts for nothing. Errors: kernel_failure and its like (it can be neither
    /// read nor made), invalid_argument (the path names a file that is not ours).
    Status keep_in(std::string path);

    /// Brings what was learned and thrown out since the last time into the file, and leaves
    /// there what other processes wrote meanwhile. Errors: as the kernel says.
    Status save();

private:
    using Key = std::pair<std::string, std::string>; ///< identity, heap
    struct Less {
        using is_transparent = void;
        template <typename A, typename B>
        bool operator()(const A& a, const B& b) const
        {
            const int order = std::string_view(a.first).compare(b.first);
            return order != 0 ? order < 0 : std::string_view(a.second) < std::string_view(b.second);
        }
    };
    template <typename Value>
    using ByLayout = std::unordered_map<std::string, std::map<Key, Value, Less>>;
    static ByLayout<Verdict> parse(std::string_view text);
    static std::string print(const ByLayout<Verdict>& all);

    mutable std::mutex mutex_;
    ByLayout<Verdict> verdicts_; ///< by class of layout
    std::string path_;
    /// What was learned and not saved yet; nothing where a verdict was thrown out.
    ByLayout<std::optional<Verdict>> changes_;
};

} // namespace commonbuf
