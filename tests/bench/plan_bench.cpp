// SPDX-License-Identifier: MIT
//
// How long a plan takes when nothing has to be tried: supports of uses that answer at
// once, verdicts that are known. The pure part of negotiation, with the report it makes.
#include <commonbuf/commonbuf.hpp>

#include <benchmark/benchmark.h>
#include <drm_fourcc.h>

#include <memory>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace {

namespace cb = commonbuf;

/// Formats with a table row, as many as are asked for.
std::vector<cb::Format> formats(std::size_t count)
{
    std::vector<cb::Format> result;
    for (const cb::FormatInfo& info : cb::all_formats()) {
        if (result.size() < count)
            result.push_back(info.format);
    }
    return result;
}

/// A device that has all formats with all modifiers, and takes everything.
class Device final : public cb::Importer {
public:
    Device(std::size_t index, std::size_t format_count, std::size_t modifier_count)
        : name_("bench:device-" + std::to_string(index))
    {
        auto support = std::make_shared<cb::Support>();
        cb::Constraints constraints;
        constraints.stride_align = 64;
        constraints.add_origin({cb::Constraint::stride_align, 64, name_, "measured"});
        for (const cb::Format format : formats(format_count)) {
            support->entries.push_back({format, cb::linear, cb::Memories::single, constraints});
            // Vendor 0x0e does not exist: nothing is known of what these stand for.
            for (std::uint64_t i = 1; i < modifier_count; ++i)
                support->entries.push_back({format, (0x0eULL << 56U) + i, cb::Memories::single, constraints});
        }
        support->sort();
        support_ = std::move(support);
    }

    const std::string& name() const noexcept override { return name_; }
    const std::string& identity() const noexcept override { return name_; }
    cb::Result<std::shared_ptr<const cb::Support>> support(const cb::Request&) override { return support_; }
    cb::Result<std::unique_ptr<cb::Trial>> begin_trial(const cb::Layout&) override { return std::make_unique<Taken>(); }

private:
    class Taken final : public cb::Trial {
        cb::Verdict attempt(std::span<const int>) override
        {
            return cb::Verdict::proved("MAP", "the driver attached and mapped it");
        }
    };

    std::string name_;
    std::shared_ptr<const cb::Support> support_;
};

class Heap final : public cb::Heap {
public:
    explicit Heap(std::size_t index)
    {
        info_.name = "heap-" + std::to_string(index);
        info_.kind = cb::HeapKind::custom;
    }
    const cb::HeapInfo& info() const noexcept override { return info_; }
    cb::Result<cb::UniqueFd> allocate(std::uint64_t bytes) override
    {
        cb::UniqueFd memory(::memfd_create("bench", MFD_CLOEXEC));
        if (::ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0)
            return cb::Error::out_of_memory("ftruncate", "no memory");
        return memory;
    }

private:
    cb::HeapInfo info_;
};

struct Scene {
    Scene(std::size_t use_count, std::size_t heap_count, std::size_t format_count, std::size_t modifier_count)
    {
        for (std::size_t i = 0; i < use_count; ++i)
            uses.emplace_back(std::make_shared<Device>(i, format_count, modifier_count));
        std::vector<std::shared_ptr<cb::Heap>> heaps;
        for (std::size_t i = 0; i < heap_count; ++i)
            heaps.push_back(std::make_shared<Heap>(i));
        allocator = cb::Allocator(std::move(heaps));
        const auto all = formats(format_count);
        request.format = all.front();
        request.alternatives.assign(all.begin() + 1, all.end());
    }

    /// One plan; the first one tries, all others know.
    void run(benchmark::State& state)
    {
        auto first = allocator.plan(request, uses);
        if (!first)
            return state.SkipWithError(first.error().message().c_str());
        for (auto _ : state)
            benchmark::DoNotOptimize(allocator.plan(request, uses));
    }

    std::vector<cb::Use> uses;
    cb::Allocator allocator{std::vector<std::shared_ptr<cb::Heap>>()};
    cb::Request request{0, 64, 64};
};

void plan_with_known_verdicts(benchmark::State& state) { Scene(4, 8, 64, 8).run(state); }
BENCHMARK(plan_with_known_verdicts)->Unit(benchmark::kMicrosecond);

void plan_by_uses(benchmark::State& state)
{
    Scene(static_cast<std::size_t>(state.range(0)), 8, 64, 8).run(state);
    state.SetComplexityN(state.range(0));
}
BENCHMARK(plan_by_uses)->RangeMultiplier(2)->Range(4, 64)->Complexity()->Unit(benchmark::kMicrosecond);

void plan_by_modifiers(benchmark::State& state)
{
    Scene(4, 8, 64, static_cast<std::size_t>(state.range(0))).run(state);
    state.SetComplexityN(state.range(0));
}
BENCHMARK(plan_by_modifiers)->RangeMultiplier(2)->Range(8, 1024)->Complexity()->Unit(benchmark::kMicrosecond);

} // namespace

BENCHMARK_MAIN();
