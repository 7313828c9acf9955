// SPDX-License-Identifier: MIT
#include "plan/proof.hpp"

#include "format/checked.hpp"
#include "heaps/heaps.hpp"
#include "heaps/heap_info.hpp"
#include "negotiate/sizes.hpp"
#include "os/os.hpp"
#include "plan/ranking.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <numeric>

namespace commonbuf {
namespace {

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
    // A full heap says no to these buffers. Whatever else may pass says nothing.
    if (error.category != Category::out_of_memory)
        verdict = std::move(verdict).settled();
    if (!verdict.needed)
        verdict.needed = layout.total_size();
    return verdict;
}

Error to_error(const Verdict& verdict)
{
    return Error::of(verdict.category.value_or(Category::kernel_failure), Call(verdict.call), verdict.reason)
        .with_errno(verdict.sys_errno);
}

/// Whether the trial of a use ends planning. EIO and the like concern a device too, but may be gone with
/// the next heap: the verdict tells.
bool stops_planning(const Verdict& verdict)
{
    return verdict.category == Category::too_many_files || verdict.category == Category::device_gone ||
           verdict.category == Category::lease_revoked;
}

/// Whether the pages of udmabuf may be there at the next try. A node without a driver (ENODEV) may get one.
bool is_passing(const Error& error)
{
    return !error.is_final() && error.category != Category::permission_denied &&
           (error.category != Category::not_present || error.sys_errno == ENODEV);
}

/// How much larger memories are offered to a use that refused the exact size, the smallest step first: a
/// page (v3dv wants 64 bytes), and the rows up to which drivers pad heights (radeonsi).
std::vector<std::uint64_t> slack_steps(const Layout& layout)
{
    constexpr std::uint64_t page = 4096;
    std::vector<std::uint64_t> steps{page};
    for (const std::uint64_t rows : {16U, 64U}) {
        const auto bytes = checked::round_up(rows * layout.planes[0].stride, page);
        if (bytes && *bytes > steps.back())
            steps.push_back(*bytes);
    }
    return steps;
}

/// The layout with larger memories; nothing if there are no such sizes.
std::optional<Layout> with_more(const Layout& layout, std::uint64_t bytes)
{
    Layout larger = layout;
    for (std::uint32_t i = 0; i < layout.memory_count; ++i) {
        const auto size = checked::add(layout.memory_sizes[i], bytes);
        if (!size)
            return std::nullopt;
        larger.memory_sizes[i] = *size;
    }
    return larger;
}

/// What a use says to the same pages forwards and backwards, the first refusal if there is one. Errors:
/// those of making the memory.
Result<Verdict> ask_orders(Trial& trial, const heaps::PageOrders& orders, std::size_t memory_count)
{
    using Order = heaps::PageOrders::Order;
    Verdict found;
    for (const Order order : {Order::forwards, Order::backwards}) {
        const auto pages = orders.make(order);
        if (!pages)
            return pages.error();
        found = trial.attempt(std::vector<int>(memory_count, pages->get())).settled();
        if (!found.serves())
            break;
    }
    return found;
}

/// Regions fail with ENOMEM, so they can be asked. A device's driver may give ordinary memory.
bool reports_exhaustion(const HeapInfo& heap)
{
    return heap.scarce && heaps::heap_traits(heap.kind).reports_exhaustion;
}

/// Whether a heap can be asked for one more buffer, beside those that a trial holds already.
bool has_room(const HeapInfo& heap, const Layout& layout)
{
    if (reports_exhaustion(heap))
        return true;
    const auto available = os::available_memory();
    return !available || layout.total_size() <= *available;
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

Status check_room(const HeapInfo& heap, const Layout& layout, std::uint64_t count, KnownMemory& known)
{
    // Every machine that runs this has as much, and asking takes longer than the rest.
    constexpr std::uint64_t always_there = 4U << 20U;
    const checked::Number needed = checked::multiply(layout.total_size(), count);
    if (needed && *needed <= always_there)
        return {};
    // A region is asked itself, but not for what no machine of this size has: it would be empty meanwhile.
    const bool region = reports_exhaustion(heap);
    auto& answer = region ? known.total : known.available;
    if (!answer)
        answer = region ? os::total_memory() : os::available_memory();
    const auto& bytes = *answer;
    if (!bytes || (needed && *needed <= *bytes))
        return {};
    return Error::out_of_memory(Call("/proc/meminfo"),
                                text::format("{} buffer{} of {} bytes do{} not fit into the {} bytes that are {}",
                                             count, count == 1 ? "" : "s", layout.total_size(), count == 1 ? "es" : "",
                                             *bytes, region ? "in the machine" : "available"))
        .with_errno(ENOMEM)
        .with_sizes(needed.value_or(UINT64_MAX), *bytes);
}

bool stops_planning(const Error& error)
{
    return error.concerns_device() || error.category == Category::too_many_files;
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
    for (; !begun_.empty(); begun_.pop_back())
        uses_[begun_.back()].trial.reset();
}

void Proof::add(const Use& use, std::span<const std::shared_ptr<Heap>> heaps)
{
    TriedUse tried{.use = use, .name = use.name(), .identity = use.identity()};
    for (const auto& heap : heaps) {
        if (!is_tryable(heap->info()))
            continue;
        if (auto verdict = cache_->find(tried.identity, heap->identity(), class_))
            tried.known.emplace(heap->info().name, std::move(*verdict));
        else
            tried.all_known = false;
    }
    for (const auto& [name, verdict] : tried.known) {
        // As lacks() writes it down.
        if (verdict.constraint == Constraint::min_size && verdict.needed && verdict.offered)
            tried.slack = (*verdict.needed - *verdict.offered) / std::max(subject_.layout.memory_count, 1U);
    }
    if (const auto scatter = cache_->find(tried.identity, VerdictCache::scattered, class_))
        tried.scatter = scatter->serves() ? TriedUse::Scatter::taken : TriedUse::Scatter::refused;
    uses_.push_back(std::move(tried));
}

std::optional<Proof::Failed> Proof::begin()
{
    std::vector<std::size_t> order(uses_.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {}, [this](std::size_t i) -> const std::string& { return uses_[i].identity; });
    for (const std::size_t i : order) {
        TriedUse& tried = uses_[i];
        if (tried.all_known)
            continue;
        auto trial = tried.use.importer().begin_trial(subject_.layout);
        if (!trial)
            return Failed{tried.name, trial.error()};
        tried.trial = std::move(*trial);
        begun_.push_back(i);
        scatter_open_ = scatter_open_ || tried.scatter == TriedUse::Scatter::unknown;
    }
    return std::nullopt;
}

/// Asks uses that were not asked yet whether they take scattered pages. Errors: what stops planning.
Status Proof::look_for_scatter()
{
    using Scatter = TriedUse::Scatter;
    scatter_open_ = false;
    const auto sizes = subject_.layout.used_memories();
    const std::uint64_t size = *std::max_element(sizes.begin(), sizes.end());
    std::vector<TriedUse*> open;
    for (TriedUse& use : uses_) {
        if (use.trial != nullptr && use.trial->imports() && use.scatter == Scatter::unknown)
            open.push_back(&use);
    }
    const auto leave_open = [&open] {
        for (TriedUse* use : open)
            use->scatter = use->scatter == Scatter::unknown ? Scatter::undecided : use->scatter;
    };
    // A tie that is broken by memory which is short just now would be another one tomorrow.
    const auto available = os::available_memory();
    if (available && size > *available / 2) {
        leave_open();
        return {};
    }
    // Without udmabuf nothing is known of the uses, and luck has to be ruled out for each heap.
    const auto could_not = [&](const Error& error) -> Status {
        if (error.category == Category::too_many_files)
            return error;
        if (is_passing(error))
            leave_open();
        return {};
    };
    const auto orders = heaps::PageOrders::create(size);
    if (!orders)
        return could_not(orders.error());
    std::optional<heaps::PageOrders> larger;
    for (TriedUse* use : open) {
        auto found = ask_orders(*use->trial, *orders, sizes.size());
        if (!found)
            return could_not(found.error());
        // It may lack bytes, not order: both orders are refused then.
        if (found->outcome == Outcome::refused) {
            if (!larger) {
                auto made = heaps::PageOrders::create(size + slack_steps(subject_.layout).back());
                if (!made)
                    return could_not(made.error());
                larger = std::move(*made);
            }
            const auto more = ask_orders(*use->trial, *larger, sizes.size());
            if (!more)
                return could_not(more.error());
            if (more->serves() || !more->is_lasting())
                found = *more;
        }
        if (stops_planning(*found))
            return to_error(*found);
        // A trial that failed for another reason says nothing about the pages.
        if (!found->is_lasting()) {
            use->scatter = Scatter::undecided;
            continue;
        }
        use->scatter = found->serves() ? Scatter::taken : Scatter::refused;
        cache_->remember(use->identity, VerdictCache::scattered, class_, *found);
    }
    return {};
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

Result<HeapVerdict> Proof::attempt(Heap& heap)
{
    if (scatter_open_) {
        if (const Status looked = look_for_scatter(); !looked)
            return looked.error();
    }
    HeapVerdict result{heap.info(), {}, {}, {}, {}, {}};
    const auto objection = negotiate::objection(heap.info().memory, subject_.constraints);
    if (auto verdict = without_trial(heap.info(), objection)) {
        result.verdict = std::move(*verdict);
        return result;
    }
    auto memories = allocate_if_needed(heap);
    if (!memories) {
        if (memories.error().category == Category::too_many_files)
            return memories.error();
        result.verdict = refused_allocation(memories.error(), subject_.layout);
        return result;
    }
    auto uses = ask_uses(heap, std::move(*memories));
    if (!uses)
        return uses.error();
    result.uses = std::move(*uses);
    result.verdict = ranking::overall(result.uses);
    if (objection && result.verdict.outcome < Outcome::accepted)
        result.verdict = negotiate::to_verdict(*objection);
    if (result.verdict.serves() && heap.info().scarce && count_ > 1) {
        auto room = make_room(heap, std::move(result.verdict));
        if (!room)
            return room.error();
        result.verdict = std::move(*room);
    }
    return result;
}

/// Memory for the trials; none if the verdicts of all uses are known. Errors: those of allocating.
Result<std::vector<UniqueFd>> Proof::allocate_if_needed(Heap& heap) const
{
    const bool all_known = std::all_of(uses_.begin(), uses_.end(),
                                       [&heap](const TriedUse& use) { return use.known.contains(heap.info().name); });
    return all_known ? Result<std::vector<UniqueFd>>(std::vector<UniqueFd>{})
                     : allocate_memories(heap, subject_.layout);
}

/// The verdict of every use: known, or by trial. Errors: what stops planning.
Result<std::vector<UseVerdict>> Proof::ask_uses(Heap& heap, std::vector<UniqueFd> memories)
{
    const std::string& name = heap.info().name;
    std::vector<UseVerdict> verdicts;
    for (TriedUse& use : uses_) {
        const auto known = use.known.find(name);
        if (known != use.known.end()) {
            use.takes_something = use.takes_something || known->second.serves();
            verdicts.push_back({use.name, known->second});
            continue;
        }
        verdicts.push_back({use.name, use.trial->attempt(borrow(memories)).settled()});
        if (stops_planning(verdicts.back().verdict))
            return to_error(verdicts.back().verdict);
    }
    if (memories.empty())
        return verdicts;
    const bool is_in_one_piece = are_single_pages(memories);
    memories.clear();
    for (std::size_t i = 0; i < uses_.size(); ++i) {
        if (uses_[i].known.contains(name))
            continue;
        if (const Status judged = judge(uses_[i], heap, verdicts[i].verdict, is_in_one_piece); !judged)
            return judged.error();
    }
    return verdicts;
}

/// What the verdict of a first trial is worth. Errors: what stops planning.
Status Proof::judge(TriedUse& use, Heap& heap, Verdict& verdict, bool is_in_one_piece) const
{
    using Scatter = TriedUse::Scatter;
    // What the answer to an open question would add may decide tomorrow.
    bool lasting = use.scatter != Scatter::undecided;
    if (verdict.serves() && use.scatter != Scatter::taken && !is_in_one_piece) {
        auto finding = rule_out_luck(use, heap, std::move(verdict));
        if (!finding)
            return finding.error();
        verdict = std::move(finding->verdict);
        lasting = lasting && finding->lasting;
    } else if (may_want_more(use, heap.info(), verdict)) {
        const auto slack = look_for_slack(use, heap);
        lasting = lasting && slack;
        use.slack = slack.value_or(0);
        use.slack_sought = slack.has_value();
    }
    if (verdict.outcome == Outcome::refused && use.slack != 0)
        verdict = lacks(use.slack, std::move(verdict));
    else if (verdict.outcome == Outcome::refused && use.scatter == Scatter::refused)
        verdict.reason += "; it refused scattered pages of another origin too";
    use.takes_something = use.takes_something || verdict.serves();
    if (lasting)
        cache_->remember(use.identity, heap.identity(), class_, verdict);
    return {};
}

/// Whether a use may have refused memory for want of bytes. One that needs contiguous memory refuses what is
/// known to be scattered in any size.
bool Proof::may_want_more(const TriedUse& use, const HeapInfo& heap, const Verdict& verdict)
{
    return verdict.outcome == Outcome::refused && !use.slack_sought && use.slack == 0 && use.trial->imports() &&
           (use.scatter != TriedUse::Scatter::refused || heap.memory.contiguous != false);
}

/// What a use says to fresh memory of a heap; not_tried if that cannot be had, or the trial failed for another
/// reason.
Outcome Proof::offer(const TriedUse& use, Heap& heap, const Layout& layout) const
{
    if (negotiate::objection(layout, subject_.constraints))
        return Outcome::refused;
    if (!has_room(heap.info(), layout))
        return Outcome::not_tried;
    const auto memories = allocate_memories(heap, layout);
    if (!memories)
        return memories.error().is_final() ? Outcome::refused : Outcome::not_tried;
    return use.trial->attempt(borrow(*memories)).settled().outcome;
}

/// The bytes beyond the layout with which a use takes memory of this heap; 0 if that does not help, nothing if
/// it could not be found out.
std::optional<std::uint64_t> Proof::look_for_slack(const TriedUse& use, Heap& heap) const
{
    for (const std::uint64_t bytes : slack_steps(subject_.layout)) {
        const auto larger = with_more(subject_.layout, bytes);
        if (!larger)
            return 0;
        const Outcome answer = offer(use, heap, *larger);
        if (answer == Outcome::not_tried)
            return std::nullopt;
        if (answer == Outcome::refused)
            continue;
        // The larger memory may have been in one piece by luck. Memory with an odd end is not, and the
        // exact size may be now.
        const auto odd = negotiate::with_odd_sizes(*larger, subject_.constraints);
        const Outcome with_odd_end = offer(use, heap, odd.value_or(*larger));
        const Outcome again = offer(use, heap, subject_.layout);
        if (with_odd_end == Outcome::not_tried || again == Outcome::not_tried)
            return std::nullopt;
        return with_odd_end != Outcome::refused && again == Outcome::refused ? bytes : 0;
    }
    return 0;
}

/// The verdict of a use that refused the exact size, and takes a larger one.
Verdict Proof::lacks(std::uint64_t slack, Verdict verdict) const
{
    verdict.constraint = Constraint::min_size;
    verdict.offered = subject_.layout.total_size();
    verdict.needed = *verdict.offered + slack * subject_.layout.memory_count;
    verdict.reason = text::format("needs {} bytes beyond the layout, found by trial{}{}", slack,
                                  verdict.reason.empty() ? "" : "; ", verdict.reason);
    return verdict;
}

Proof::Slack Proof::slack() const
{
    Slack result;
    const auto sizes = subject_.layout.used_memories();
    for (const TriedUse& use : uses_) {
        if (use.slack == 0)
            continue;
        result.bytes = std::max(result.bytes, use.slack);
        result.origins.push_back({Constraint::min_size, *std::min_element(sizes.begin(), sizes.end()) + use.slack,
                                  use.name,
                                  text::format("needs {} bytes beyond the layout, found by trial", use.slack)});
    }
    return result;
}

/// Errors: what stops planning.
Result<Proof::Finding> Proof::rule_out_luck(TriedUse& use, Heap& heap, Verdict first) const
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
    for (std::size_t round = 0; round < rounds && has_room(heap.info(), odd); ++round) {
        auto memories = allocate_memories(heap, odd);
        if (!memories && odd != subject_.layout && held.empty() && own_sizes(memories.error())) {
            odd = subject_.layout;
            memories = allocate_memories(heap, odd);
        }
        if (!memories && memories.error().category == Category::too_many_files)
            return memories.error();
        if (!memories && memories.error().category != Category::out_of_memory && is_passing(memories.error()))
            return perhaps_luck("a second look failed: " + memories.error().message(), false);
        if (!memories)
            break; // a small region is full after one or two
        Verdict verdict = use.trial->attempt(borrow(*memories)).settled();
        if (stops_planning(verdict))
            return to_error(verdict);
        // A failure for another reason than the pages says nothing about luck.
        if (verdict.outcome == Outcome::not_tried)
            return perhaps_luck(text::format("a second look {}", verdict.reason), false);
        if (!verdict.serves()) {
            verdict.reason = text::format("a buffer of {} bytes passed by luck, one of {} did not: the use needs "
                                          "contiguous memory, and this heap does not promise it; {}",
                                          subject_.layout.total_size(), odd.total_size(), verdict.reason);
            return Finding{std::move(verdict)};
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
    return Finding{std::move(first)};
}

/// Whether all buffers fit at once. Errors: what stops planning.
Result<Verdict> Proof::make_room(Heap& heap, Verdict verdict) const
{
    std::vector<std::vector<UniqueFd>> held;
    for (std::uint32_t i = 1; i <= count_; ++i) {
        auto memories = allocate_memories(heap, subject_.layout);
        if (!memories) {
            if (memories.error().category == Category::too_many_files)
                return memories.error();
            verdict = refused_allocation(memories.error(), subject_.layout);
            verdict.reason = text::format("{} of {} buffers fit; {}", i - 1, count_, verdict.reason);
            return verdict;
        }
        held.push_back(std::move(*memories));
    }
    return verdict;
}

/// Ordinary memory does not run out with an error: see check_room().
std::optional<Verdict> Proof::too_large(const HeapInfo& heap)
{
    const Status room = check_room(heap, subject_.layout, std::max(count_, 1U), available_);
    return room ? std::nullopt : std::optional(Verdict::refused(room.error()));
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
