// SPDX-License-Identifier: MIT
#include "base/log.hpp"
#include "negotiate/cpu_time.hpp"
#include "negotiate/rank.hpp"
#include "plan/planning.hpp"
#include "base/text.hpp"

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

/// Verdicts and preferences know heaps by their names.
bool is_there(const std::vector<std::shared_ptr<Heap>>& heaps, const std::string& name)
{
    return std::any_of(heaps.begin(), heaps.end(), [&name](const auto& each) { return each->info().name == name; });
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

Status Allocator::add_heap(std::shared_ptr<Heap> heap)
{
    const std::string operation = "add a heap";
    if (heap == nullptr)
        return Error::invalid_argument(operation, "there is none");
    const std::string& name = heap->info().name;
    if (is_there(heaps(), name))
        return Error::invalid_argument(operation, text::format("there is a heap {} already", name),
                                       "verdicts and preferences know heaps by their names: give it another one");
    heaps_.push_back(std::move(heap));
    return {};
}

/// Those of this machine, and those that devices bring.
std::vector<std::shared_ptr<Heap>> Allocator::heaps_with_own(std::span<const Use> uses)
{
    auto all = heaps();
    for (const Use& use : uses) {
        auto own = finds_ ? use.importer().own_heap() : nullptr;
        if (own && !is_there(all, own->info().name))
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
                             std::vector<ResolvedPurpose> purposes)
{
    if (uses.empty())
        return Error::invalid_argument("plan", "there is no use", "name at least one device");
    if (const Status sensible = negotiate::check_request(request); !sensible)
        return sensible.error();
    if (const auto sensible = merge(preferences.constraints, preferences.constraints); !sensible)
        return sensible.error();
    if (const Status sensible = negotiate::check_costs(preferences.cpu_costs); !sensible)
        return sensible.error();
    // A device's own memory is asked for where the caller wants it or nothing else serves: that
    // takes its queue for a moment, and drivers warn in the kernel's log of sizes they do not have.
    const auto plan_with = [&](const std::vector<std::shared_ptr<Heap>>& heaps) {
        return Planning(request, uses, {heaps, preferences, cache_}, purposes).run();
    };
    const auto no_heap = [](const Result<Plan>& made) {
        return !made && made.error().category == Category::incompatible && made.error().report->not_served.empty();
    };
    const auto& found = heaps();
    const auto all = heaps_with_own(uses);
    const auto first_own = all.begin() + static_cast<std::ptrdiff_t>(found.size());
    const bool wanted = std::any_of(first_own, all.end(), [&preferences](const auto& heap) {
        return std::any_of(preferences.prefer.begin(), preferences.prefer.end(),
                           [&heap](const std::string& word) { return negotiate::names(word, heap->info()); });
    });
    auto plan = plan_with(wanted ? all : found);
    if (!wanted && first_own != all.end() && no_heap(plan))
        plan = plan_with(all);
    save(*cache_);
    return plan;
}

Result<Plan> Allocator::plan(const Request& request, Purpose purpose, const Preferences& preferences,
                             std::span<const Use> gpu)
{
    if (const Status sensible = negotiate::check_request(request); !sensible)
        return sensible.error();
    auto resolution = resolve(purpose, request, gpu);
    if (!resolution)
        return resolution.error();
    return plan(request, resolution->uses, preferences, std::move(resolution->purposes));
}

Result<Plan> Allocator::add(const Plan& plan, const Use& use)
{
    const PlanState& state = plan.state();
    auto more = Planning(plan.report().request, std::span(&use, 1), {state.heaps, state.preferences, cache_},
                         plan.report().purposes)
                    .extend(plan);
    save(*cache_);
    return more;
}

} // namespace commonbuf
