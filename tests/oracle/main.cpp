// SPDX-License-Identifier: MIT
//
// The oracle: is what plans say of this machine true? For every set of one to three uses,
// format and size, a plan is made; what it says of each heap is held against what really
// happens when the devices stream through memory of that heap. Layouts that the library refused
// are tried, too. What really happens is for truth.hpp to say, which knows nothing of the library.
#include "heaps.hpp"
#include "refused.hpp"
#include "text.hpp"
#include "truth.hpp"
#include "truth_system.hpp"
#include "uses.hpp"

#include <CLI/CLI.hpp>
#include <drm_fourcc.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <utility>

namespace {

namespace cb = commonbuf;
using namespace oracle;
using Json = nlohmann::ordered_json;

struct Options {
    std::string board = "this machine";
    std::string out;
    bool brief = false;
    std::size_t largest_set = 3;
    std::vector<std::string> images; ///< only these, as "XR24:642x362"; all if there is none
    std::vector<std::string> uses;   ///< only these
    std::vector<std::string> heaps;  ///< only these
};

struct Image {
    cb::Format format;
    std::uint32_t width;
    std::uint32_t height;
};

constexpr std::uint32_t buffers = 3;
constexpr std::uint32_t frames = 30;
constexpr std::uint32_t few_frames = 6;

/// Packed RGB, 16 bits, packed YUV, one channel, and planes in one memory and in several
/// (YV16 has in V4L2 only the form with three); tiny, odd, common and large.
std::vector<Image> images(bool brief)
{
    if (brief)
        return {{DRM_FORMAT_NV12, 64, 64}, {DRM_FORMAT_RGB565, 64, 64}, {DRM_FORMAT_XRGB8888, 642, 362}};
    const std::vector<cb::Format> few{DRM_FORMAT_XRGB8888, DRM_FORMAT_NV12, DRM_FORMAT_YUYV};
    const std::vector<cb::Format> some{DRM_FORMAT_XRGB8888, DRM_FORMAT_NV12, DRM_FORMAT_YUYV, DRM_FORMAT_RGB565,
                                       DRM_FORMAT_R8};
    const std::vector<cb::Format> many{DRM_FORMAT_XRGB8888, DRM_FORMAT_NV12,   DRM_FORMAT_YUYV,  DRM_FORMAT_RGB565,
                                       DRM_FORMAT_R8,       DRM_FORMAT_RGB888, DRM_FORMAT_YVU422};
    std::vector<Image> all;
    const auto add = [&all](const std::vector<cb::Format>& formats, std::uint32_t width, std::uint32_t height) {
        for (const cb::Format format : formats)
            all.push_back({format, width, height});
    };
    add(many, 64, 64);
    add(many, 642, 362);
    add(some, 1280, 720);
    add(few, 3840, 2160);
    return all;
}

std::string name(const Image& image)
{
    return to_string(image.format) + ":" + std::to_string(image.width) + "x" + std::to_string(image.height);
}

/// Drops what is not among the wanted, if any are.
template <typename All, typename Name>
void keep(All& all, const std::vector<std::string>& wanted, Name name)
{
    if (wanted.empty())
        return;
    all.erase(std::remove_if(all.begin(), all.end(),
                             [&](const auto& each) {
                                 return std::find(wanted.begin(), wanted.end(), name(each)) == wanted.end();
                             }),
              all.end());
    if (all.size() < wanted.size())
        throw std::runtime_error("there is no such use, heap or image: " + wanted.front() + "...");
}

/// vkms paints in software: 0.3 s for an RGB frame of this size, 1.7 s for a YUV one.
bool takes_too_long(const NamedUse& use, const Image& image)
{
    return use.name() == "vkms:scanout" && image.width > 2000 && image.format != DRM_FORMAT_XRGB8888;
}

/// Every set of 1 to `largest` of the numbers below `count`.
std::vector<std::vector<std::size_t>> sets(std::size_t count, std::size_t largest)
{
    std::vector<std::vector<std::size_t>> all{{}};
    for (std::size_t begin = 0, size = 1; size <= largest; ++size) {
        const std::size_t end = all.size();
        for (std::size_t i = begin; i < end; ++i) {
            for (std::size_t next = all[i].empty() ? 0 : all[i].back() + 1; next < count; ++next) {
                auto set = all[i];
                set.push_back(next);
                all.push_back(std::move(set));
            }
        }
        begin = end;
    }
    all.erase(all.begin());
    return all;
}

const char* name(truth::Answer answer)
{
    switch (answer) {
    case truth::Answer::works: return "works";
    case truth::Answer::fails: return "fails";
    case truth::Answer::unknown: break;
    }
    return "unknown";
}

class Oracle {
public:
    explicit Oracle(const Options& options)
        : options_(options),
          uses_(find_uses(options.brief, left_out_)),
          heaps_(oracle::find_heaps(options.brief)),
          truths_(buffers, options.brief ? few_frames : frames)
    {
        keep(uses_, options.uses, [](const NamedUse& use) { return use.name(); });
        keep(heaps_, options.heaps, [](const NamedHeap& heap) { return heap.name(); });
        for (const NamedHeap& each : heaps_) {
            all_heaps_.push_back(each.heap);
            if (!each.heap->info().obstacle)
                raw_heaps_.push_back(each.raw);
        }
        truths_.know(raw_heaps_);
    }

    /// The report is written after each image: all of them take hours on some boards.
    void run()
    {
        const auto all = sets(uses_.size(), options_.largest_set);
        auto pictures = images(options_.brief);
        keep(pictures, options_.images, [](const Image& image) { return name(image); });
        for (std::size_t i = 0; i < pictures.size(); ++i) {
            const Image& image = pictures[i];
            for (const auto& set : all)
                ask(set, image);
            std::cerr << cb::text::format(
                "oracle: {}: {} {}x{}: {} plans, {} cells, {} refused layouts, {} streams, {} of sets, {:.0f} s\n",
                options_.board, to_string(image.format), image.width, image.height, plans_, cells_.size(),
                refused_.size(), truths_.streams(), truths_.set_streams(), seconds());
            save(report(all.size(), i + 1, pictures.size()));
        }
    }

private:
    double seconds() const
    {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
    }

    void save(const Json& report) const
    {
        const std::string unfinished = options_.out + ".new";
        std::ofstream file(unfinished);
        file << report.dump(1, ' ', false, Json::error_handler_t::replace) << '\n';
        file.close();
        if (!file || std::rename(unfinished.c_str(), options_.out.c_str()) != 0)
            throw std::runtime_error("cannot write " + options_.out);
    }

    Json report(std::size_t set_count, std::size_t images_done, std::size_t images_in_all) const
    {
        Json names = Json::array();
        for (const NamedUse& use : uses_)
            names.push_back(use.name());
        return {
            {"schema", 2},
            {"board", options_.board},
            {"uses", std::move(names)},
            {"left_out", left_out_},
            {"sets", set_count},
            {"images_done", images_done},
            {"images_in_all", images_in_all},
            {"plans", plans_},
            {"streams", truths_.streams()},
            {"set_streams", truths_.set_streams()},
            {"frames", truths_.frames()},
            {"seconds", seconds()},
            {"stream_seconds", truths_.seconds()},
            {"errors", errors_},
            {"cells", cells_},
            {"refused_layouts", refused_},
        };
    }

    void ask(const std::vector<std::size_t>& set, const Image& image)
    {
        if (std::any_of(set.begin(), set.end(), [&](std::size_t i) { return takes_too_long(uses_[i], image); }))
            return;
        std::vector<cb::Use> members;
        Json names = Json::array();
        for (const std::size_t i : set) {
            members.push_back(uses_[i].use);
            names.push_back(uses_[i].name());
        }
        cb::Allocator allocator(all_heaps_);
        const auto plan = allocator.plan({image.format, image.width, image.height, buffers}, members);
        const cb::Report* report = plan ? &plan->report() : plan.error().report.get();
        if (report == nullptr || (!plan && plan.error().category != cb::Category::incompatible)) {
            errors_.push_back({{"uses", names}, {"error", plan.error().message()}});
            return;
        }
        const std::vector<truth::Use> raw = raw_uses(set);
        for (const cb::LayoutVerdict& each : report->set_aside)
            refused_.push_back(try_refused(raw, names, plain(each.layout), each.use + ": " + each.verdict.reason));
        if (!report->layout) {
            const std::string said = plan ? std::string() : plan.error().message();
            for (const truth::Layout& layout :
                 natural_layouts(image.format.fourcc, image.width, image.height, options_.brief))
                refused_.push_back(try_refused(raw, names, layout, said));
            return;
        }
        ++plans_;
        for (const cb::HeapVerdict& verdict : report->heaps)
            cells_.push_back(cell(raw, names, *report, verdict));
        if (plan)
            return;
        for (const truth::Layout& layout : larger(plain(*report->layout)))
            refused_.push_back(try_refused(raw, names, layout, plan.error().message()));
    }

    std::vector<truth::Use> raw_uses(const std::vector<std::size_t>& set) const
    {
        std::vector<truth::Use> raw;
        for (const std::size_t i : set)
            raw.push_back(uses_[i].raw);
        return raw;
    }

    /// A layout that the library refused, or did not think of where it found none.
    Json try_refused(const std::vector<truth::Use>& set, const Json& names, const truth::Layout& layout,
                     const std::string& said)
    {
        truth::Truth truth;
        std::string tried;
        for (const truth::Heap* heap : willing(raw_heaps_, layout)) {
            const truth::Truth here = truths_.of(set, *heap, layout);
            // What works is the answer; of what does not, one heap's is as good as another's.
            if (!tried.empty() && here.answer != truth::Answer::works)
                continue;
            truth = here;
            tried = heap->name;
            if (here.answer == truth::Answer::works)
                break;
        }
        return {
            {"uses", names}, {"layout", describe(layout)},  {"heap", tried},
            {"said", said},  {"truth", name(truth.answer)}, {"because", truth.reason},
        };
    }

    Json cell(const std::vector<truth::Use>& set, const Json& names, const cb::Report& report,
              const cb::HeapVerdict& verdict)
    {
        truth::Truth truth{truth::Answer::unknown, "the plan claims nothing"};
        // Twice as much, since others allocate and free meanwhile.
        const std::uint64_t wanted = plain(*report.layout).bytes() * buffers;
        if (verdict.verdict.call == "/proc/meminfo" && 2 * wanted > truth::available_memory())
            truth.reason = "ordinary memory is not asked for what it does not have";
        else if (verdict.verdict.outcome != cb::Outcome::not_tried)
            truth = truths_.of(set, heap_named(verdict.heap.name), plain(*report.layout));
        return {
            {"uses", names},
            {"layout", to_string(*report.layout)},
            {"heap", verdict.heap.name},
            {"verdict", to_string(verdict.verdict.outcome)},
            {"call", verdict.verdict.call},
            {"said", verdict.verdict.reason},
            {"truth", name(truth.answer)},
            {"because", truth.reason},
        };
    }

    const truth::Heap& heap_named(const std::string& name) const
    {
        const auto found =
            std::find_if(heaps_.begin(), heaps_.end(), [&name](const auto& each) { return each.name() == name; });
        if (found == heaps_.end())
            throw std::logic_error("the plan has a heap that nobody gave it: " + name);
        return found->raw;
    }

    Options options_;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    std::vector<std::string> left_out_;
    std::vector<NamedUse> uses_;
    std::vector<NamedHeap> heaps_;
    std::vector<std::shared_ptr<cb::Heap>> all_heaps_; ///< the same, for plans
    std::vector<truth::Heap> raw_heaps_;               ///< those that can be used
    truth::Truths truths_;
    std::uint64_t plans_ = 0;
    std::vector<Json> cells_;
    std::vector<Json> refused_;
    Json errors_ = Json::array();
};

int run(int count, char** words)
{
    Options options;
    CLI::App app("Holds what plans say against what streams do.", "oracle");
    app.add_option("--board", options.board, "the name of this machine in the report");
    app.add_option("--out", options.out, "where the report goes")->required();
    app.add_flag("--short", options.brief, "three images in place of all");
    app.add_option("--largest-set", options.largest_set, "how many uses at most (default 3)");
    app.add_option("--image", options.images, "only this image, for example XR24:642x362; may be given more than once");
    app.add_option("--use", options.uses, "only this use; may be given more than once");
    app.add_option("--heap", options.heaps, "only this heap; may be given more than once");
    CLI11_PARSE(app, count, words);
    Oracle(options).run();
    return 0;
}

} // namespace

int main(int count, char** words)
{
    try {
        return run(count, words);
    } catch (const std::exception& error) {
        std::cerr << "oracle: " << error.what() << '\n';
        return 3;
    }
}
