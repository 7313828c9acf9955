// SPDX-License-Identifier: MIT
#include "truth.hpp"

#include "truth_device.hpp"

#include <algorithm>
#include <numeric>

namespace truth {
namespace {

constexpr std::uint64_t page = 4096;

std::vector<std::string> names_of(const std::vector<Use>& set)
{
    std::vector<std::string> names;
    for (const Use& use : set)
        names.push_back(use.name);
    std::sort(names.begin(), names.end());
    return names;
}

/// The devices of a set, with the buffers imported into all of them.
class Stream {
public:
    /// `now` says whose work goes on, also after a failure.
    Stream(const std::vector<Use>& set, const Layout& layout, std::string& now)
        : set_(set),
          cpu_(open_cpu({}, layout)),
          now_(now)
    {
        for (const Use& use : set) {
            now_ = use.name;
            devices_.push_back(open_device(use, layout));
        }
        now_.clear();
    }

    void take(const std::vector<Buffer>& buffers)
    {
        buffers_ = &buffers;
        cpu_->take(buffers);
        for (std::size_t i = 0; i < set_.size(); ++i) {
            now_ = set_[i].name;
            devices_[i]->take(buffers);
        }
    }

    /// Each that writes, in its turn; the CPU where there is none. V4L2 comes last: while a camera has
    /// memory mapped, the CPU must not begin to write into it.
    std::uint32_t run(std::uint32_t frames)
    {
        std::uint32_t seen = 0;
        const bool any = std::any_of(set_.begin(), set_.end(), [](const Use& use) { return use.writes; });
        // A device that does both sees in a set what the others write.
        if (!any || (set_.size() == 1 && set_[0].reads))
            seen += run(*cpu_, "the CPU", set_.size(), frames);
        for (const bool v4l2 : {false, true}) {
            for (std::size_t i = 0; i < set_.size(); ++i) {
                const bool is_v4l2 = set_[i].kind == DeviceKind::camera || set_[i].kind == DeviceKind::m2m_sink;
                if (set_[i].writes && is_v4l2 == v4l2)
                    seen += run(*devices_[i], set_[i].name, i, frames);
            }
        }
        return seen;
    }

private:
    std::uint32_t run(Device& writer, const std::string& name, std::size_t number, std::uint32_t frames)
    {
        std::uint32_t wiped = 0;
        const auto give = [&](std::size_t buffer) {
            now_ = name;
            writer.give(buffer);
        };
        // One buffer is always out: vb2 lets go of a buffer when another one takes its slot.
        for (std::size_t i = 0; i < buffers_->size(); ++i) {
            (*buffers_)[i].wipe(wiped++);
            if (i != spare_)
                give(i);
        }
        for (std::uint32_t frame = 0; frame < frames; ++frame) {
            now_ = name;
            const Device::Frame written = writer.next(frame);
            expect_same(written.expected, (*buffers_)[written.buffer].read(), "the CPU finds another picture");
            for (std::size_t i = 0; i < set_.size(); ++i) {
                if (!set_[i].reads || (i == number && set_.size() > 1))
                    continue;
                now_ = set_[i].name;
                devices_[i]->see(written.buffer, written.expected);
            }
            give(spare_);
            spare_ = written.buffer;
            (*buffers_)[spare_].wipe(wiped++);
        }
        now_ = name;
        writer.stop();
        return frames;
    }

    std::size_t spare_ = 0;
    const std::vector<Use>& set_;
    const std::vector<Buffer>* buffers_ = nullptr;
    std::unique_ptr<Device> cpu_;
    std::string& now_;
    std::vector<std::unique_ptr<Device>> devices_;
};

/// Heaps of single pages or chunks.
bool is_scattered(const Heap& heap)
{
    return !heap.region && heap.kind != HeapKind::gbm && heap.kind != HeapKind::vulkan;
}

/// Whether anything comes out of the heap. One that is refused says nothing of devices.
bool gives_memory(const Heap& heap, const Layout& layout)
{
    try {
        allocate(heap, layout, 1, 0);
        return true;
    } catch (const Refused&) {
        return false;
    }
}

/// Fewer frames of large pictures: some drivers paint them for seconds.
std::uint32_t affordable(std::uint32_t frames, std::uint32_t buffers, const Layout& layout)
{
    constexpr std::uint64_t small = 1U << 20U;
    const std::uint64_t times = std::max<std::uint64_t>(layout.bytes() / small, 1);
    return std::max(buffers, static_cast<std::uint32_t>(frames / times));
}

} // namespace

std::uint64_t Layout::bytes() const { return std::accumulate(memories.begin(), memories.end(), std::uint64_t{0}); }

Truth Truths::stream(const std::vector<Use>& set, const Heap& heap, const Layout& layout, std::uint32_t frames,
                     std::uint64_t extra, std::vector<Buffer>* held)
{
    ++streams_;
    const auto started = std::chrono::steady_clock::now();
    Truth truth{Answer::works, {}};
    std::vector<Buffer> buffers; // before the devices, which go first
    std::string who;
    const auto explain = [&who](const std::exception& error) { return who + (who.empty() ? "" : ": ") + error.what(); };
    try {
        Stream stream(set, layout, who);
        buffers = allocate(heap, layout, buffers_, extra);
        stream.take(buffers);
        compared_ += stream.run(affordable(frames, buffers_, layout));
    } catch (const Refused& refused) {
        truth = {Answer::fails, explain(refused)};
    } catch (const Unknowable& unknown) {
        truth = {Answer::unknown, explain(unknown)};
    }
    if (held != nullptr)
        *held = std::move(buffers);
    const std::string label = set.size() == 1 ? set[0].name : "sets";
    seconds_[label] += std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return truth;
}

const Truth& Truths::alone(const Use& use, const Heap& heap, const Layout& layout)
{
    const Place place{heap.name, layout};
    const auto [found, fresh] = alone_.try_emplace({use.name, place});
    if (fresh) {
        found->second = find_alone(use, heap, layout);
        if (found->second.answer == Answer::works)
            works_alone_[place].emplace(use.name, use);
    }
    return found->second;
}

Truth Truths::of(const std::vector<Use>& set, const Heap& heap, const Layout& layout)
{
    Truth unknown{Answer::works, {}};
    for (const Use& use : set) {
        const Truth& one = alone(use, heap, layout);
        if (one.answer == Answer::fails)
            return one;
        if (one.answer == Answer::unknown)
            unknown = one;
    }
    if (unknown.answer == Answer::unknown || set.size() == 1)
        return unknown;
    const Place place{heap.name, layout};
    const auto names = names_of(set);
    auto& together = works_together_[place];
    const auto holds = [&names](const std::vector<std::string>& larger) {
        return std::includes(larger.begin(), larger.end(), names.begin(), names.end());
    };
    if (std::any_of(together.begin(), together.end(), holds))
        return {Answer::works, {}};
    const auto [found, fresh] = together_.try_emplace({names, place});
    if (!fresh)
        return found->second;
    // All that work here alone, together: often this says yes for many sets at once.
    std::vector<Use> all;
    for (const auto& [name, use] : works_alone_[place])
        all.push_back(use);
    if (all.size() > set.size()) {
        const auto all_names = names_of(all);
        const auto [large, first] = together_.try_emplace({all_names, place});
        if (first) {
            ++set_streams_;
            large->second = stream(all, heap, layout, buffers_);
            if (large->second.answer == Answer::works)
                together.push_back(all_names);
        }
        if (large->second.answer == Answer::works)
            return found->second = large->second;
    }
    ++set_streams_;
    found->second = stream(set, heap, layout, buffers_);
    if (found->second.answer == Answer::works)
        together.push_back(names);
    return found->second;
}

Truth Truths::find_alone(const Use& use, const Heap& heap, const Layout& layout)
{
    Truth truth = stream({use}, heap, layout, frames_);
    const bool in_pages =
        std::all_of(layout.memories.begin(), layout.memories.end(), [](std::uint64_t size) { return size <= page; });
    const bool no_luck = heap.region || in_pages || use.kind == DeviceKind::cpu ||
                         (heap.kind == HeapKind::udmabuf && heap.flags == backwards);
    if (truth.answer != Answer::works || no_luck)
        return truth;
    const auto udmabuf =
        std::find_if(heaps_.begin(), heaps_.end(), [](const Heap& each) { return each.kind == HeapKind::udmabuf; });
    if (udmabuf != heaps_.end()) {
        const Heap scattered{"pages in the wrong order", HeapKind::udmabuf, udmabuf->path, backwards};
        if (alone(use, scattered, layout).answer == Answer::works)
            return truth;
    }
    return rule_out_luck(use, heap, layout);
}

Truth Truths::rule_out_luck(const Use& use, const Heap& heap, const Layout& layout)
{
    // A few pages in a row are no rare luck: right after a boot all small buffers have it. So what
    // is small is made large. All are held at once, and no board has endless memory.
    constexpr std::uint64_t small = 65536;
    constexpr std::uint64_t most_held = 128U << 20U;
    const bool is_small = layout.bytes() <= small;
    const std::uint64_t extra = is_small ? (1U << 20U) + page : page;
    const int rounds = is_small ? 8 : layout.bytes() * buffers_ * 3 <= most_held ? 2 : 0;
    std::vector<std::vector<Buffer>> held;
    for (int i = 0; i < rounds && is_scattered(heap); ++i) {
        const Truth again = stream({use}, heap, layout, buffers_, extra, &held.emplace_back());
        if (held.back().empty())
            break; // there is no more room
        if (again.answer != Answer::works)
            return {again.answer, "the first buffers worked by luck: " + again.reason};
    }
    // GBM and Vulkan make nothing larger. What the device does with scattered memory, others tell.
    if (is_small && !is_scattered(heap)) {
        for (const Heap& other : heaps_) {
            if (is_scattered(other) && alone(use, other, layout).answer == Answer::fails && gives_memory(other, layout))
                return {Answer::unknown, "it may have worked by luck: " + other.name + " fails"};
        }
    }
    return {Answer::works, {}};
}

} // namespace truth
