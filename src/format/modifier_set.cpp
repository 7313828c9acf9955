// SPDX-License-Identifier: MIT
#include "base/text.hpp"

#include <commonbuf/modifier_set.hpp>

#include <algorithm>
#include <iterator>

namespace commonbuf {
namespace {

using Element = ModifierSet::Element;

bool before(const Element& a, const Element& b) noexcept { return a.modifier < b.modifier; }
bool same(const Element& a, const Element& b) noexcept { return a.modifier == b.modifier; }

std::vector<Element> plain(std::initializer_list<Modifier> modifiers)
{
    std::vector<Element> elements;
    for (const Modifier modifier : modifiers)
        elements.push_back({modifier, 0});
    return elements;
}

} // namespace

ModifierSet::ModifierSet(std::initializer_list<Modifier> modifiers) : ModifierSet(of(plain(modifiers))) {}

ModifierSet ModifierSet::of(std::vector<Element> elements)
{
    std::sort(elements.begin(), elements.end(), [](const Element& a, const Element& b) {
        return same(a, b) ? a.plane_count > b.plane_count : before(a, b);
    });
    elements.erase(std::unique(elements.begin(), elements.end(), same), elements.end());
    ModifierSet set;
    set.elements_ = std::move(elements);
    return set;
}

bool ModifierSet::contains(Modifier modifier) const noexcept { return plane_count(modifier).has_value(); }

std::optional<std::uint32_t> ModifierSet::plane_count(Modifier modifier) const noexcept
{
    const auto found = std::lower_bound(elements_.begin(), elements_.end(), Element{modifier, 0}, before);
    if (found == elements_.end() || found->modifier != modifier)
        return std::nullopt;
    return found->plane_count;
}

ModifierSet intersection(const ModifierSet& a, const ModifierSet& b)
{
    ModifierSet both;
    auto other = b.elements_.begin();
    for (const Element& each : a.elements_) {
        other = std::lower_bound(other, b.elements_.end(), each, before);
        if (other == b.elements_.end())
            break;
        const bool agree = each.plane_count == other->plane_count || each.plane_count == 0 || other->plane_count == 0;
        if (same(each, *other) && agree)
            both.elements_.push_back({each.modifier, std::max(each.plane_count, other->plane_count)});
    }
    return both;
}

ModifierSet union_of(const ModifierSet& a, const ModifierSet& b)
{
    std::vector<Element> all(a.elements().begin(), a.elements().end());
    all.insert(all.end(), b.elements().begin(), b.elements().end());
    return ModifierSet::of(std::move(all));
}

std::string to_string(const ModifierSet& set)
{
    std::vector<std::string> names;
    for (const Element& each : set.elements()) {
        names.push_back(to_string(each.modifier));
        if (each.plane_count != 0)
            names.back() += text::format(" ({} plane{})", each.plane_count, each.plane_count == 1 ? "" : "s");
    }
    return names.empty() ? "none" : text::join(names, ", ");
}

} // namespace commonbuf
