// SPDX-License-Identifier: MIT
#include "log.hpp"
#include "negotiate/cpu_time.hpp"
#include "planning.hpp"

#include <commonbuf/allocator.hpp>
#include <commonbuf/resolve.hpp>

#include <algorithm>

namespace commonbuf {
namespace {

/// The file of verdicts is a convenience: a plan does not fail for it.
void save(VerdictCache& cache)
{
    if (const Status saved = cache.save(); !saved)
        log(saved.error().message());
}

} // namespace

Allocator::Allocator() : cache_(std::make_shared<VerdictCache>()) {}

Allocator::Allocator(std::vector<std::shared_ptr<Heap>> heaps)
    : heaps_(std::move(heaps)),
      finds_(false),
      cache_(std::make_shared<VerdictCache>())
{}

const std::vector<std::shared_ptr<Heap>>& Allocator::heaps()
{
    if (finds_ && !found_) {
        heaps_ = find_heaps();
        found_ = true;
    }
    return heaps_;
}

/// Those of this machine, and those that devices bring.
std::vector<std::shared_ptr<Heap>> Allocator::heaps_for(std::span<const Use> uses)
{
    auto all = heaps();
    for (const Use& use : uses) {
        auto own = finds_ ? use.importer().own_heap() : nullptr;
        if (own && std::none_of(all.begin(), all.end(),
                                [&own](const auto& each) { return each->info().name == own->info().name; }))
            all.push_back(std::move(own));
    }
    return all;
}

Status Allocator::remember_in(std::string path) { return cache_->keep_in(std::move(path)); }

Result<Plan> Allocator::plan(const Request& request, std::span<const Use> uses, const Preferences& preferences)
{
    return plan(request, uses, preferences, {});
}

Result<Plan> Allocator::plan(const Request& request, std::span<const Use> uses, const Preferences& preferences,
                             std::vector<ResolvedUsage> usages)
{
    if (uses.empty())
        return fail(Category::invalid_argument, "plan", "there is no use", "name at least one device");
    if (const Status sensible = negotiate::check_request(request); !sensible)
        return fail(sensible.error());
    if (const auto sensible = merge(preferences.constraints, preferences.constraints); !sensible)
        return fail(sensible.error());
    if (const Status sensible = negotiate::check_costs(preferences.cpu_costs); !sensible)
        return fail(sensible.error());
    const auto with_own = heaps_for(uses);
    auto plan = Planning(request, uses, {with_own, preferences, cache_}, std::move(usages)).run();
    save(*cache_);
    return plan;
}

Result<Plan> Allocator::plan(const Request& request, Usage usage, const Preferences& preferences,
                             std::span<const Use> gpu)
{
    if (const Status sensible = negotiate::check_request(request); !sensible)
        return fail(sensible.error());
    auto resolution = resolve(usage, request, gpu);
    if (!resolution)
        return fail(resolution.error());
    return plan(request, resolution->uses, preferences, std::move(resolution->usages));
}

Result<Plan> Allocator::add(const Plan& plan, const Use& use)
{
    const PlanState& state = plan.state();
    auto more = Planning(plan.report().request, std::span(&use, 1), {state.heaps, state.preferences, cache_},
                         plan.report().usages)
                    .extend(plan);
    save(*cache_);
    return more;
}

} // namespace commonbuf
