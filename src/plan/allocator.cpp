// SPDX-License-Identifier: MIT
#include "base/log.hpp"
#include "heaps/heaps.hpp"
#include "negotiate/candidates.hpp"
#include "plan/planning.hpp"
#include "plan/ranking.hpp"
#include "base/text.hpp"

#include <commonbuf/allocator.hpp>
#include <commonbuf/resolve.hpp>

#include <algorithm>

namespace commonbuf {
namespace {

/// The file of verdicts is a convenience: plans do not fail because of it.
void save(VerdictCache& cache)
{
    if (const Status saved = cache.save(); !saved)
        log(saved.error().message());
}

/// Finds the heaps of this machine, unless they were found before. A list with a failure is used only now.
Status find_once(std::vector<std::shared_ptr<Heap>>& heaps, bool& found)
{
    if (found)
        return {};
    heaps::Found all = heaps::find_all();
    heaps = std::move(all.heaps);
    found = !all.failure;
    return found ? Status() : Status(*all.failure);
}

/// Verdicts and preferences know heaps by their names.
bool is_there(const std::vector<std::shared_ptr<Heap>>& heaps, const std::string& name)
{
    return std::any_of(heaps.begin(), heaps.end(), [&name](const auto& each) { return each->info().name == name; });
}

/// Takes heaps out that cannot be planned with, and says what is wrong with the first of them.
Status keep_sensible(std::vector<std::shared_ptr<Heap>>& heaps)
{
    constexpr const char* operation = "plan with heaps of the caller's";
    Status sensible;
    std::vector<std::shared_ptr<Heap>> kept;
    for (std::size_t i = 0; i < heaps.size(); ++i) {
        if (heaps[i] != nullptr && !is_there(kept, heaps[i]->info().name))
            kept.push_back(std::move(heaps[i]));
        else if (sensible)
            sensible = Error::invalid_argument(
                operation, heaps[i] == nullptr ? text::format("heap {} of the list is null", i)
                                               : text::format("heap {} of the list is another one of the name {}", i,
                                                              heaps[i]->info().name));
    }
    heaps = std::move(kept);
    return sensible;
}

} // namespace

Allocator::Allocator() : cache_(std::make_shared<VerdictCache>()) {}

Allocator::Allocator(std::vector<std::shared_ptr<Heap>> heaps)
    : heaps_(std::move(heaps)),
      sensible_(keep_sensible(heaps_)),
      finds_(false),
      cache_(std::make_shared<VerdictCache>())
{}

const std::vector<std::shared_ptr<Heap>>& Allocator::heaps()
{
    if (finds_)
        static_cast<void>(find_once(heaps_, found_));
    return heaps_;
}

Status Allocator::add_heap(std::shared_ptr<Heap> heap)
{
    const std::string operation = "add a heap";
    if (heap == nullptr)
        return Error::invalid_argument(operation, "there is none");
    if (Status listed = finds_ ? find_once(heaps_, found_) : Status(); !listed)
        return listed;
    const std::string& name = heap->info().name;
    if (is_there(heaps(), name))
        return Error::invalid_argument(operation, text::format("there is a heap {} already", name),
                                       "verdicts and preferences know heaps by their names: give it another one");
    heaps_.push_back(std::move(heap));
    return {};
}

/// The memory that devices bring, beside the heaps of this machine.
std::vector<std::shared_ptr<Heap>> Allocator::own_heaps(std::span<const Use> uses)
{
    std::vector<std::shared_ptr<Heap>> own;
    for (const Use& use : uses) {
        auto heap = finds_ ? use.importer().own_heap() : nullptr;
        if (heap && !is_there(heaps(), heap->info().name) && !is_there(own, heap->info().name))
            own.push_back(std::move(heap));
    }
    return own;
}

Status Allocator::remember_in(std::string path) { return cache_->keep_in(std::move(path)); }

Result<Plan> Allocator::plan(const Request& request, std::span<const Use> uses, const Preferences& preferences)
{
    return plan(request, uses, preferences, {});
}

Result<Plan> Allocator::plan(const Request& request, std::span<const Use> uses, const Preferences& preferences,
                             std::vector<ResolvedPurpose> purposes)
{
    if (!sensible_)
        return sensible_.error();
    if (uses.empty())
        return Error::invalid_argument("plan", "there is no use", "name at least one device");
    if (const Status sensible = negotiate::check_request(request); !sensible)
        return sensible.error();
    if (const auto sensible = merge(preferences.constraints, preferences.constraints); !sensible)
        return sensible.error();
    if (const Status sensible = ranking::check_costs(preferences.cpu_costs); !sensible)
        return sensible.error();
    if (const Status listed = finds_ ? find_once(heaps_, found_) : Status(); !listed)
        return listed.error();
    const PlanningContext context{heaps_, own_heaps(uses), preferences, cache_};
    auto plan = Planning(request, uses, context, std::move(purposes)).run();
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

bool Allocator::refuted(const Plan& plan, const Use& use, const Error& error)
{
    const bool is_news = cache_->replace(use.identity(), plan.state().serving.front()->identity(),
                                         class_of(plan.layout()), refused_at_work(error));
    save(*cache_);
    return is_news;
}

Result<Plan> Allocator::add(const Plan& plan, const Use& use)
{
    const PlanState& state = plan.state();
    const PlanningContext context{state.heaps, {}, state.preferences, cache_};
    auto more = Planning(plan.report().request, std::span(&use, 1), context, plan.report().purposes).extend(plan);
    save(*cache_);
    return more;
}

} // namespace commonbuf
