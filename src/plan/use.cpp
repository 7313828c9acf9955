// SPDX-License-Identifier: MIT
#include <commonbuf/heap.hpp>
#include <commonbuf/use.hpp>

namespace commonbuf {

Trial::~Trial() = default;
Importer::~Importer() = default;

const std::string& Importer::identity() const noexcept
{
    static const std::string none;
    return none;
}

bool Trial::imports() const noexcept { return true; }

std::shared_ptr<Heap> Importer::own_heap() { return nullptr; }

std::optional<Access> Importer::cpu_access() const noexcept { return std::nullopt; }

Result<Layout> Importer::fit(const Layout& layout) { return layout; }

} // namespace commonbuf
