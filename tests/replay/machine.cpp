// SPDX-License-Identifier: MIT
#include "machine.hpp"

#include "device.hpp"

#include <fstream>
#include <iterator>

namespace replay {
namespace {

/// The CPU is in no dump: it takes rows of any stride, wherever they lie.
UseRecord cpu_record(std::string name)
{
    UseRecord cpu;
    cpu.identity = name;
    cpu.name = std::move(name);
    cpu.contiguous = false;
    for (const cb::Memories memories : {cb::Memories::single, cb::Memories::per_plane}) {
        SupportRecord all;
        all.modifiers = {cb::linear};
        all.memories = memories;
        for (const cb::FormatInfo& info : cb::all_formats()) {
            if (memories == cb::Memories::single || info.plane_count > 1)
                all.formats.push_back(info.format);
        }
        cpu.support.push_back(std::move(all));
    }
    return cpu;
}

} // namespace

Machine::Machine(Dump dump) : heaps_(std::make_shared<const Heaps>(std::move(dump.heaps)))
{
    for (UseRecord& record : dump.uses) {
        names_.push_back(record.name);
        auto aliases = std::move(record.aliases);
        const auto device = make_device(std::move(record), dump.size, heaps_);
        devices_.emplace(device->name(), device);
        for (std::string& alias : aliases)
            devices_.emplace(std::move(alias), device);
    }
    for (const char* name : {"cpu:read", "cpu:write", "cpu:rw"})
        devices_.emplace(name, make_device(cpu_record(name), dump.size, heaps_));
}

cb::Result<Machine> Machine::parse(const std::string& text)
{
    return read_dump(text).map([](Dump&& dump) { return Machine(std::move(dump)); });
}

cb::Result<Machine> Machine::load(const std::string& path)
{
    std::ifstream file(path);
    if (!file)
        return cb::Error::not_present("read " + path, "there is no such file");
    return parse({std::istreambuf_iterator<char>(file), {}}).map_error([&path](cb::Error error) {
        error.operation = "read " + path;
        return error;
    });
}

cb::Result<cb::Use> Machine::use(const std::string& name) const
{
    const auto [first, last] = devices_.equal_range(name);
    if (first == last) {
        std::string all;
        for (const std::string& each : names_)
            all += (all.empty() ? "" : ", ") + each;
        return cb::Error::not_present("find the use " + name, "the dump has none; it has " + all);
    }
    for (auto other = first; other != last; ++other) {
        if (other->second != first->second)
            return cb::Error::invalid_argument("find the use " + name, "several devices have this name",
                                               "name one by its path");
    }
    return cb::Use(first->second);
}

} // namespace replay
