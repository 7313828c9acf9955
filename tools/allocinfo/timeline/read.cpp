// SPDX-License-Identifier: MIT
#include "trace.hpp"

#include <cerrno>
#include <cstddef>
#include <fstream>
#include <utility>
#include <vector>

namespace allocinfo::timeline {
namespace {

using commonbuf::Category;
using commonbuf::Error;
using commonbuf::fail;
using commonbuf::Result;

constexpr std::size_t largest_file = std::size_t{1} << 30U;

} // namespace

Result<Trace> read(const std::string& path)
{
    std::ifstream file(path, std::ios::binary);
    std::string text;
    if (file) {
        std::vector<char> chunk(std::size_t{1} << 20U);
        while (file.read(chunk.data(), static_cast<std::streamsize>(chunk.size())) || file.gcount() > 0) {
            text.append(chunk.data(), static_cast<std::size_t>(file.gcount()));
            if (text.size() > largest_file)
                return fail(Category::invalid_argument, "read " + path, "it has more than 1 GiB",
                            "trace a shorter run");
        }
    }
    if (!file.eof()) {
        const int error = errno;
        Error failure;
        failure.category = error == ENOENT   ? Category::not_present
                           : error == EACCES ? Category::permission_denied
                                             : Category::kernel_failure;
        failure.sys_errno = error;
        failure.operation = "read " + path;
        if (error == ENOENT)
            failure.advice = how_to_get_one;
        return fail(std::move(failure));
    }
    return parse(text, path);
}

} // namespace allocinfo::timeline
