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

namespace {

/// What a use without an importer stands for.
class NoImporter final : public Importer {
public:
    const std::string& name() const noexcept override
    {
        static const std::string none = "none";
        return none;
    }
    Result<std::shared_ptr<const Support>> support(const Request&) override { return refusal(); }
    Result<std::unique_ptr<Trial>> begin_trial(const Layout&) override { return refusal(); }

private:
    static Error refusal() { return Error::invalid_argument("use a device", "the use has no importer"); }
};

} // namespace

Use::Use(std::shared_ptr<Importer> importer) noexcept
    : importer_(importer != nullptr ? std::move(importer) : std::make_shared<NoImporter>())
{}

} // namespace commonbuf
