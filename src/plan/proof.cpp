// SPDX-License-Identifier: MIT
#include "plan/proof.hpp"

#include "format/checked.hpp"
#include "heaps/heaps.hpp"
#include "heaps/heap_info.hpp"
#include "os/os.hpp"
#include "plan/ranking.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>

namespace commonbuf {
namespace {

constexpr std::uint32_t held_in_trials = 4;

std::vector<int> borrow(const std::vector<UniqueFd>& memories)
{
    std::vector<int> fds;
    fds.reserve(memories.size());
    for (const UniqueFd& memory : memories)
        fds.push_back(memory.get());
    return fds;
}

Verdict refused_allocation(const Error& error, const Layout& layout)
{
    Verdict verdict = Verdict::refused(error);
    if (!verdict.needed)
        verdict.needed = layout.total_size();
    return verdict;
}

/// Whether no luck is involved: a single page is always contiguous.
bool are_single_pages(const std::vector<UniqueFd>& memories)
{
    constexpr std::uint64_t smallest_page = 4096;
    return std::all_of(memories.begin(), memories.end(), [](const UniqueFd& memory) {
        return os::size_of(memory.get()).value_or(UINT64_MAX) <= smallest_page;
    });
}

} // namespace

Result<std::vector<UniqueFd>> allocate_memories(Heap& heap, const Layout& layout)
{
    auto memories = heap.allocate_image(layout);
    if (memories && memories->size() != layout.memory_count)
        return Error::kernel_failure("allocate_image of " + heap.info().name,
                                     text::format("it gave {} memories for {}", memories->size(), layout.memory_count));
    return memories;
}

bool is_tryable(const HeapInfo& heap) { return !heap.obstacle && heap.same_as.empty(); }

Proof::Proof(const Subject& subject, std::uint32_t count, VerdictCache& cache)
    : subject_(subject),
      class_(class_of(subject.layout)),
      count_(count),
      cache_(&cache)
{}

// One device may be used twice: the last trial ends first.
Proof::~Proof()
{
    while (!uses_.empty())
        uses_.pop_back();
}

Status Proof::add(const Use& use, std::span<const std::shared_ptr<Heap>> heaps)
{
    TriedUse tried;
    tried.name = use.name();
    tried.identity = use.identity();
    bool all_known = true;
    for (const auto& heap : heaps) {
        if (!is_tryable(heap->info()))
            continue;
        if (auto verdict = cache_->find(tried.identity, heap->info().name, class_))
            tried.known.emplace(heap->info().name, std::move(*verdict));
        else
            all_known = false;
    }
    if (const auto scatter = cache_->find(tried.identity, VerdictCache::scattered, class_))
        tried.scatter = scatter->serves() ? TriedUse::Scatter::taken : TriedUse::Scatter::refused;
    if (!all_known) {
        auto trial = use.importer().begin_trial(subject_.layout);
        if (!trial)
            return trial.error();
        tried.trial = std::move(*trial);
        scatter_open_ = scatter_open_ || tried.scatter == TriedUse::Scatter::unknown;
    }
    uses_.push_back(std::move(tried));
    return {};
}

/// Asks uses that were not asked yet whether they take scattered pages.
void Proof::look_for_scatter()
{
    scatter_open_ = false;
    const auto sizes = subject_.layout.used_memories();
    const auto available = os::available_memory();
    if (available && subject_.layout.total_size() > *available / held_in_trials)
        return;
    // Without udmabuf nothing is known of the uses, and luck has to be ruled out for each heap.
    const auto orders = heaps::PageOrders::create(*std::max_element(sizes.begin(), sizes.end()));
    if (!orders)
        return;
    std::vector<TriedUse*> open;
    for (TriedUse& use : uses_) {
        if (use.trial != nullptr && use.trial->imports() && use.scatter == TriedUse::Scatter::unknown)
            open.push_back(&use);
    }
    std::vector<Verdict> found(open.size());
    for (const bool backwards : {false, true}) {
        const auto pages = orders->make(backwards);
        if (!pages)
            return;
        const std::vector<int> memories(sizes.size(), pages->get());
        for (std::size_t i = 0; i < open.size(); ++i) {
            if (!backwards || found[i].serves())
                found[i] = open[i]->trial->attempt(memories);
        }
    }
    for (std::size_t i = 0; i < open.size(); ++i) {
        TriedUse& use = *open[i];
        // A refusal because something else was missing says nothing about the pages.
        if (!found[i].is_lasting())
            continue;
        use.scatter = found[i].serves() ? TriedUse::Scatter::taken : TriedUse::Scatter::refused;
        cache_->remember(use.identity, VerdictCache::scattered, class_, found[i]);
    }
}

/// The verdict on a heap that needs no trial, or is not worth one.
std::optional<Verdict> Proof::without_trial(const HeapInfo& heap, const std::optional<negotiate::Objection>& objection)
{
    if (heap.obstacle)
        return Verdict::not_tried(*heap.obstacle);
    if (!heap.same_as.empty())
        return Verdict::not_tried("another name of " + heap.same_as);
    if (objection && objection->certain)
        return negotiate::to_verdict(*objection);
    if (auto refusal = too_large(heap))
        return refusal;
    return not_in_one_piece(heap);
}

HeapVerdict Proof::attempt(Heap& heap)
{
    if (scatter_open_)
        look_for_scatter();
    HeapVerdict result{heap.info(), {}, {}, {}, {}, {}};
    const auto objection = negotiate::objection(heap.info().memory, subject_.constraints);
    if (auto verdict = without_trial(heap.info(), objection)) {
        result.verdict = std::move(*verdict);
        return result;
    }
    auto uses = ask_uses(heap);
    if (!uses) {
        result.verdict = refused_allocation(uses.error(), subject_.layout);
        return result;
    }
    result.uses = std::move(*uses);
    result.verdict = ranking::overall(result.uses);
    if (objection && result.verdict.outcome == Outcome::proved)
        result.verdict = negotiate::to_verdict(*objection);
    if (result.verdict.serves() && heap.info().scarce && count_ > 1)
        result.verdict = make_room(heap, std::move(result.verdict));
    return result;
}

/// The verdict of every use: known, or by trial. Errors: those of allocating.
Result<std::vector<UseVerdict>> Proof::ask_uses(Heap& heap)
{
    const std::string& name = heap.info().name;
    std::vector<UseVerdict> verdicts;
    std::vector<UniqueFd> memories;
    for (TriedUse& use : uses_) {
        const auto known = use.known.find(name);
        if (known != use.known.end()) {
            use.takes_something = use.takes_something || known->second.serves();
            verdicts.push_back({use.name, known->second});
            continue;
        }
        if (memories.empty()) {
            auto made = allocate_memories(heap, subject_.layout);
            if (!made)
                return made.error();
            memories = std::move(*made);
        }
        verdicts.push_back({use.name, use.trial->attempt(borrow(memories))});
    }
    if (memories.empty())
        return verdicts;
    const bool contiguous = are_single_pages(memories);
    memories.clear();
    for (std::size_t i = 0; i < uses_.size(); ++i) {
        TriedUse& use = uses_[i];
        if (use.known.contains(name))
            continue;
        Finding finding{std::move(verdicts[i].verdict), true};
        if (finding.verdict.serves() && use.scatter != TriedUse::Scatter::taken && !contiguous)
            finding = rule_out_luck(use, heap, std::move(finding.verdict));
        else if (!finding.verdict.serves() && use.scatter == TriedUse::Scatter::refused)
            finding.verdict.reason += "; it refused scattered pages of another origin too";
        use.takes_something = use.takes_something || finding.verdict.serves();
        if (finding.lasting)
            cache_->remember(use.identity, name, class_, finding.verdict);
        verdicts[i].verdict = std::move(finding.verdict);
    }
    return verdicts;
}

Proof::Finding Proof::rule_out_luck(TriedUse& use, Heap& heap, Verdict first) const
{
    constexpr std::size_t rounds = 3;
    const auto perhaps_luck = [&first](std::string_view why, bool lasting) -> Finding {
        first.outcome = Outcome::accepted;
        first.reason += text::format("; it may have passed by luck: {}, so that cannot be ruled out", why);
        return {std::move(first), lasting};
    };
    if (!subject_.odd)
        return perhaps_luck("the device takes no larger memory", false);
    Layout odd = *subject_.odd;

    // A heap that makes images as its device lays them out has no other sizes.
    const auto own_sizes = [](const Error& error) {
        return error.category == Category::incompatible || error.category == Category::unsupported;
    };
    std::vector<std::vector<UniqueFd>> held;
    for (std::size_t round = 0; round < rounds; ++round) {
        auto memories = allocate_memories(heap, odd);
        if (!memories && odd != subject_.layout && held.empty() && own_sizes(memories.error())) {
            odd = subject_.layout;
            memories = allocate_memories(heap, odd);
        }
        if (!memories)
            break; // a small region is full after one or two
        Verdict verdict = use.trial->attempt(borrow(*memories));
        // A failure for another reason than the pages says nothing about luck.
        if (!verdict.serves() && !verdict.is_lasting())
            break;
        if (!verdict.serves()) {
            verdict.reason = text::format("a buffer of {} bytes passed by luck, one of {} did not: the use needs "
                                          "contiguous memory, and this heap does not promise it; {}",
                                          subject_.layout.total_size(), odd.total_size(), verdict.reason);
            return {std::move(verdict)};
        }
        held.push_back(std::move(*memories));
    }
    if (held.empty())
        return perhaps_luck("the heap has no room for a second look", false);
    if (odd == subject_.layout && heap.info().memory.contiguous != true)
        return perhaps_luck("the heap makes no other size than the image's own", true);
    // It refuses scattered memory when it imports; so its consent means something.
    if (use.scatter == TriedUse::Scatter::refused && first.outcome == Outcome::accepted) {
        first.outcome = Outcome::proved;
        first.reason += "; the device checks memory at import: it refused scattered pages and took these";
    }
    return {std::move(first)};
}

Verdict Proof::make_room(Heap& heap, Verdict verdict) const
{
    std::vector<std::vector<UniqueFd>> held;
    for (std::uint32_t i = 1; i <= count_; ++i) {
        auto memories = allocate_memories(heap, subject_.layout);
        if (!memories) {
            verdict = refused_allocation(memories.error(), subject_.layout);
            verdict.reason = text::format("{} of {} buffers fit; {}", i - 1, count_, verdict.reason);
            return verdict;
        }
        held.push_back(std::move(*memories));
    }
    return verdict;
}

/// Ordinary memory does not run out with an error: the kernel ends some program instead. So more
/// than there is must not be asked for.
std::optional<Verdict> Proof::too_large(const HeapInfo& heap)
{
    // Every machine that runs this has as much, and asking takes longer than the rest.
    constexpr std::uint64_t always_there = 4U << 20U;
    // Regions fail with ENOMEM, so they can be asked. A device's driver may give ordinary memory.
    if (heap.scarce && heaps::heap_traits(heap.kind).reports_exhaustion)
        return std::nullopt;
    // Trials hold up to four buffers at once.
    const checked::Number needed =
        checked::multiply(subject_.layout.total_size(), std::max<std::uint32_t>(count_, held_in_trials));
    if (needed && *needed <= always_there)
        return std::nullopt;
    if (!available_)
        available_ = os::available_memory();
    const auto& available = *available_;
    if (!available || (needed && *needed <= *available))
        return std::nullopt;
    return Verdict::refused(
        Error::out_of_memory(Call("/proc/meminfo"),
                             text::format("{} buffers of {} bytes do not fit into the {} bytes that are available",
                                          count_, subject_.layout.total_size(), *available))
            .with_errno(ENOMEM)
            .with_sizes(needed.value_or(UINT64_MAX), *available));
}

/// A driver that allocates contiguous memory gets it from CMA. If CMA has too little, the page
/// allocator is asked, which warns in the kernel's log of more than its largest piece.
std::optional<Verdict> Proof::not_in_one_piece(const HeapInfo& heap) const
{
    constexpr std::uint64_t largest_piece = 4U << 20U; // MAX_PAGE_ORDER of pages of 4 KiB
    const auto sizes = subject_.layout.used_memories();
    const std::uint64_t needed = *std::max_element(sizes.begin(), sizes.end());
    const bool contiguous = std::any_of(uses_.begin(), uses_.end(),
                                        [](const TriedUse& use) { return use.scatter == TriedUse::Scatter::refused; });
    if (!heaps::heap_traits(heap.kind).takes_from_cma || !contiguous || needed <= largest_piece)
        return std::nullopt;
    const auto free = os::free_cma();
    if (!free || needed <= *free)
        return std::nullopt;
    return Verdict::refused(
        Error::out_of_memory(Call("/proc/meminfo"),
                             text::format("CMA has {} bytes free, and {} are needed in one piece", *free, needed))
            .with_errno(ENOMEM)
            .with_sizes(needed, *free));
}

std::vector<Origin> Proof::contiguity() const
{
    std::vector<Origin> origins;
    for (const TriedUse& use : uses_) {
        if (use.scatter == TriedUse::Scatter::refused && use.takes_something)
            origins.push_back({Constraint::contiguous, 1, use.name, "import of UDMABUF_CREATE_LIST, pages reversed"});
    }
    return origins;
}

} // namespace commonbuf
