// SPDX-License-Identifier: MIT
//
// Prints plans on the replayed boards for validate.py: for each use by itself, and for each two of
// them, as allocinfo plan --json has them.
#include "boards.hpp"
#include "machine.hpp"
#include "model.hpp"

#include <drm_fourcc.h>

#include <filesystem>
#include <iostream>
#include <vector>

namespace {

using namespace commonbuf;

void print_plan(const replay::Machine& machine, const std::vector<std::string>& names)
{
    std::vector<Use> uses;
    for (const std::string& name : names)
        uses.push_back(*machine.use(name));
    const auto plan = machine.allocator().plan({DRM_FORMAT_NV12, 640, 480, 1, 0, 0, {DRM_FORMAT_XRGB8888}}, uses);
    const Report* report = plan ? &plan->report() : plan.error().report.get();
    if (report != nullptr)
        std::cout << "# plan\n" << allocinfo::plan_document(*report, plan ? nullptr : &plan.error()).dump(1) << '\n';
}

} // namespace

int main()
{
    for (const auto& entry : std::filesystem::directory_iterator(REPLAY_BOARDS)) {
        const auto machine = replay::Machine::load(entry.path().string());
        if (!machine) {
            std::cerr << entry.path() << ": " << machine.error().message() << '\n';
            return 1;
        }
        std::string last = "cpu:read";
        for (const std::string& name : machine->uses()) {
            print_plan(*machine, {name});
            print_plan(*machine, {last, name});
            last = name;
        }
    }
    return 0;
}
