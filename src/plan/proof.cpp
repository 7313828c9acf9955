// SPDX-License-Identifier: MIT
#include "plan/proof.hpp"

#include "format/checked.hpp"
#include "heaps/heaps.hpp"
#include "negotiate/candidates.hpp"
#include "negotiate/objection.hpp"
#include "negotiate/rank.hpp"
#include "os/os.hpp"
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

bool passed(const Verdict& verdict) { return verdict.serves(); }

Verdict refused_allocation(const Error& error, const Layout& layout)
{
    Verdict verdict = Verdict::refused(error);
    if (!verdict.needed)
        verdict.needed = layout.total_size();
    return verdict;
}

/// Whether there is nothing to be lucky with: one page is contiguous, whichever it is.
bool are_single_pages(const std::vector<UniqueFd>& memories)
{
    constexpr std::uint64_t smallest_page = 4096;
    return std::all_of(memories.begin(), memories.end(), [](const UniqueFd& memory) {
        return os::size_of(memory.get()).value_or(UINT64_MAX) <= smallest_page;
    });
}

/// A size whose last page a heap of chunks serves from its smallest ones.
std::uint64_t with_odd_tail(std::uint64_t bytes)
{
    constexpr std::uint64_t medium_chunk = 65536;
    constexpr std::uint64_t small_chunk = 4096;
    return checked::add(checked::round_up(bytes, medium_chunk), small_chunk).value_or(bytes);
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

Proof::Proof(const Layout& layout, std::uint32_t count, VerdictCache& cache)
    : layout_(layout),
      class_(class_of(layout)),
      count_(count),
      cache_(&cache)
{}

// One device may be there twice: what was begun last is put back first.
Proof::~Proof()
{
    while (!uses_.empty())
        uses_.pop_back();
}

tl::expected<Proof, Proof::Obstacle> Proof::begin(const Layout& layout, std::uint32_t count, std::span<const Use> uses,
                                                  const std::vector<std::shared_ptr<Heap>>& heaps, VerdictCache& cache)
{
    Proof proof(layout, count, cache);
    proof.uses_.reserve(uses.size());
    bool scatter_open = false;
    for (const Use& use : uses) {
        TriedUse tried;
        tried.name = use.name();
        tried.identity = use.identity();
        bool all_known = true;
        for (const auto& heap : heaps) {
            if (!is_tryable(heap->info()))
                continue;
            if (auto verdict = cache.find(tried.identity, heap->info().name, proof.class_))
                tried.known.emplace(heap->info().name, std::move(*verdict));
            else
                all_known = false;
        }
        if (const auto scatter = cache.find(tried.identity, VerdictCache::scattered, proof.class_))
            tried.scatter = passed(*scatter) ? TriedUse::Scatter::taken : TriedUse::Scatter::refused;
        if (!all_known) {
            auto trial = use.importer().begin_trial(layout);
            if (!trial)
                return tl::unexpected(Obstacle{tried.name, trial.error()});
            tried.trial = std::move(*trial);
            scatter_open = scatter_open || tried.scatter == TriedUse::Scatter::unknown;
        }
        proof.uses_.push_back(std::move(tried));
    }
    if (scatter_open)
        proof.look_for_scatter();
    return proof;
}

void Proof::look_for_scatter()
{
    const auto sizes = layout_.used_memories();
    const auto available = os::available_memory();
    if (available && layout_.total_size() > *available / held_in_trials)
        return;
    // Without udmabuf nothing is known of the uses, and each heap is asked for its luck.
    const auto orders = heaps::PageOrders::create(*std::max_element(sizes.begin(), sizes.end()));
    if (!orders)
        return;
    std::vector<Verdict> found(uses_.size());
    for (const bool backwards : {false, true}) {
        const auto pages = orders->make(backwards);
        if (!pages)
            return;
        const std::vector<int> memories(sizes.size(), pages->get());
        for (std::size_t i = 0; i < uses_.size(); ++i) {
            TriedUse& use = uses_[i];
            if (use.trial != nullptr && use.trial->imports() && use.scatter == TriedUse::Scatter::unknown &&
                (!backwards || passed(found[i])))
                found[i] = use.trial->attempt(memories);
        }
    }
    for (std::size_t i = 0; i < uses_.size(); ++i) {
        TriedUse& use = uses_[i];
        if (use.trial == nullptr || !use.trial->imports() || use.scatter != TriedUse::Scatter::unknown)
            continue;
        // A refusal for want of something else says nothing of the pages.
        if (!found[i].is_lasting())
            continue;
        use.scatter = passed(found[i]) ? TriedUse::Scatter::taken : TriedUse::Scatter::refused;
        cache_->remember(use.identity, VerdictCache::scattered, class_, found[i]);
    }
}

HeapVerdict Proof::attempt(Heap& heap, const Constraints& constraints)
{
    HeapVerdict result{heap.info(), {}, {}, {}, {}, {}};
    if (heap.info().obstacle) {
        result.verdict = Verdict::not_tried(*heap.info().obstacle);
        return result;
    }
    if (!heap.info().same_as.empty()) {
        result.verdict = Verdict::not_tried("another name of " + heap.info().same_as);
        return result;
    }
    const auto objection = negotiate::objection(heap.info().memory, constraints);
    if (objection && objection->certain) {
        result.verdict = negotiate::to_verdict(*objection);
        return result;
    }
    auto refusal = too_large(heap);
    if (!refusal)
        refusal = not_in_one_piece(heap);
    if (refusal) {
        result.verdict = std::move(*refusal);
        return result;
    }
    if (const Status filled = fill(result, heap, constraints); !filled) {
        result.verdict = refused_allocation(filled.error(), layout_);
        return result;
    }
    result.verdict = negotiate::overall(result.uses);
    if (objection && result.verdict.outcome == Outcome::proved)
        result.verdict = negotiate::to_verdict(*objection);
    if (passed(result.verdict) && heap.info().scarce && count_ > 1)
        result.verdict = make_room(heap, std::move(result.verdict));
    return result;
}

/// The verdict of every use: known, or by trial. Errors: what allocating gives.
Status Proof::fill(HeapVerdict& result, Heap& heap, const Constraints& constraints)
{
    std::vector<UniqueFd> memories;
    for (TriedUse& use : uses_) {
        const auto known = use.known.find(heap.info().name);
        if (known != use.known.end()) {
            use.takes_something = use.takes_something || passed(known->second);
            result.uses.push_back({use.name, known->second});
            continue;
        }
        if (memories.empty()) {
            auto made = allocate_memories(heap, layout_);
            if (!made) {
                result.uses.clear();
                return made.error();
            }
            memories = std::move(*made);
        }
        result.uses.push_back({use.name, use.trial->attempt(borrow(memories))});
    }
    if (memories.empty())
        return {};
    const bool contiguous = are_single_pages(memories);
    memories.clear();
    for (std::size_t i = 0; i < uses_.size(); ++i) {
        TriedUse& use = uses_[i];
        if (use.known.contains(heap.info().name))
            continue;
        Finding finding{std::move(result.uses[i].verdict), true};
        if (passed(finding.verdict) && use.scatter != TriedUse::Scatter::taken && !contiguous)
            finding = rule_out_luck(use, heap, constraints, std::move(finding.verdict));
        else if (!passed(finding.verdict) && use.scatter == TriedUse::Scatter::refused)
            finding.verdict.reason += "; it refused scattered pages of another origin too";
        use.takes_something = use.takes_something || passed(finding.verdict);
        if (finding.lasting)
            cache_->remember(use.identity, heap.info().name, class_, finding.verdict);
        result.uses[i].verdict = std::move(finding.verdict);
    }
    return {};
}

Proof::Finding Proof::rule_out_luck(TriedUse& use, Heap& heap, const Constraints& constraints, Verdict first) const
{
    constexpr std::size_t rounds = 3;
    Layout odd = layout_;
    for (std::uint64_t& size : odd.memory_sizes)
        size = size != 0 ? with_odd_tail(size) : 0;
    // A device that wants whole blocks would refuse the size, not the pages.
    constexpr std::uint64_t small_page = 4096;
    if (constraints.size_align > small_page || negotiate::objection(odd, constraints)) {
        if (!negotiate::fit_sizes(odd, constraints) || negotiate::objection(odd, constraints)) {
            first.outcome = Outcome::accepted;
            first.reason += "; whether by luck is open: the device takes no larger memory";
            return {std::move(first), false};
        }
    }

    // A heap that makes images as its device lays them out has no other sizes.
    const auto own_sizes = [](const Error& error) {
        return error.category == Category::incompatible || error.category == Category::unsupported;
    };
    std::vector<std::vector<UniqueFd>> held;
    for (std::size_t round = 0; round < rounds; ++round) {
        auto memories = allocate_memories(heap, odd);
        if (!memories && odd != layout_ && held.empty() && own_sizes(memories.error())) {
            odd = layout_;
            memories = allocate_memories(heap, odd);
        }
        if (!memories)
            break; // a small region is full after one or two
        Verdict verdict = use.trial->attempt(borrow(*memories));
        // What fails for another reason than the pages says nothing of luck.
        if (!passed(verdict) && !verdict.is_lasting())
            break;
        if (!passed(verdict)) {
            verdict.reason = text::format("a buffer of {} bytes passed by luck, one of {} did not: the use needs "
                                          "contiguous memory, and this heap does not promise it; {}",
                                          layout_.total_size(), odd.total_size(), verdict.reason);
            return {std::move(verdict)};
        }
        held.push_back(std::move(*memories));
    }
    if (held.empty()) {
        first.outcome = Outcome::accepted;
        first.reason += "; whether by luck is open: the heap has no room for a second look";
        return {std::move(first), false};
    }
    if (odd == layout_ && heap.info().memory.contiguous != true) {
        first.outcome = Outcome::accepted;
        first.reason += "; whether by luck is open: the heap makes no other size than the image's own";
        return {std::move(first)};
    }
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
        auto memories = allocate_memories(heap, layout_);
        if (!memories) {
            verdict = refused_allocation(memories.error(), layout_);
            verdict.reason = text::format("{} of {} buffers fit; {}", i - 1, count_, verdict.reason);
            return verdict;
        }
        held.push_back(std::move(*memories));
    }
    return verdict;
}

/// Ordinary memory does not run out with an error: the kernel ends some program
/// instead. So what cannot be had is not asked for.
std::optional<Verdict> Proof::too_large(const Heap& heap)
{
    // Every machine that runs this has as much, and asking takes longer than the rest.
    constexpr std::uint64_t always_there = 4U << 20U;
    // Regions fail with ENOMEM, and are asked; what a device's driver gives may be of ordinary memory.
    const HeapKind kind = heap.info().kind;
    if (heap.info().scarce && (kind == HeapKind::dma_heap || kind == HeapKind::custom))
        return std::nullopt;
    // Trials hold up to four buffers at once.
    const checked::Number needed =
        checked::multiply(layout_.total_size(), std::max<std::uint32_t>(count_, held_in_trials));
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
                                          count_, layout_.total_size(), *available))
            .with_errno(ENOMEM)
            .with_sizes(needed.value_or(UINT64_MAX), *available));
}

/// A driver that allocates contiguous memory gets it from CMA, and where that has too little
/// from the page allocator, which warns in the kernel's log of more than its largest piece.
std::optional<Verdict> Proof::not_in_one_piece(const Heap& heap) const
{
    constexpr std::uint64_t largest_piece = 4U << 20U; // MAX_PAGE_ORDER of pages of 4 KiB
    const auto sizes = layout_.used_memories();
    const std::uint64_t needed = *std::max_element(sizes.begin(), sizes.end());
    const bool contiguous = std::any_of(uses_.begin(), uses_.end(),
                                        [](const TriedUse& use) { return use.scatter == TriedUse::Scatter::refused; });
    if (heap.info().kind != HeapKind::v4l2 || !contiguous || needed <= largest_piece)
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
