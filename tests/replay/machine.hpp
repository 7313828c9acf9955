// SPDX-License-Identifier: MIT
#pragma once

#include "dump.hpp"
#include "heap.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace replay {

/// A machine that is not here, as heaps and uses of the public interface.
///
/// What it cannot show is what no dump holds: fences, speed, content.
class Machine {
public:
    /// Errors: not_present (no such file), and those of read_dump().
    static cb::Result<Machine> load(const std::string& path);
    static cb::Result<Machine> parse(const std::string& text);

    const std::vector<std::shared_ptr<cb::Heap>>& heaps() const noexcept { return heaps_->all(); }

    /// An allocator that knows the machine's heaps, and remembers nothing yet.
    cb::Allocator allocator() const { return cb::Allocator(heaps()); }

    /// The names of all uses but those of the CPU, as in the dump.
    const std::vector<std::string>& uses() const noexcept { return names_; }

    /// A use as --use takes it: "v4l2:/dev/video0:capture", "v4l2:@name:capture",
    /// "cpu:read", "cpu:write", "cpu:rw". Errors: not_present, naming those that there are;
    /// invalid_argument for a name that two devices have.
    cb::Result<cb::Use> use(const std::string& name) const;

private:
    explicit Machine(Dump dump);

    std::shared_ptr<const Heaps> heaps_;
    std::vector<std::string> names_;
    std::multimap<std::string, std::shared_ptr<cb::Importer>> devices_;
};

} // namespace replay
