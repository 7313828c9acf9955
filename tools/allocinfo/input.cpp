// SPDX-License-Identifier: MIT
#include "input.hpp"

#include "text.hpp"

#include <cerrno>
#include <fstream>
#include <utility>
#include <vector>

namespace allocinfo {

using commonbuf::Error;
using commonbuf::Result;

Result<std::string> read_file(const std::string& path, std::size_t most)
{
    std::ifstream file(path, std::ios::binary);
    std::string content;
    if (file) {
        std::vector<char> chunk(std::size_t{1} << 20U);
        while (file.read(chunk.data(), static_cast<std::streamsize>(chunk.size())) || file.gcount() > 0) {
            content.append(chunk.data(), static_cast<std::size_t>(file.gcount()));
            if (content.size() > most)
                return Error::invalid_argument("read " + path,
                                               commonbuf::text::format("it is larger than {} MiB", most >> 20U));
        }
    }
    if (file.eof())
        return content;
    const int error = errno;
    return Error::of(Error::from_errno(error, {}).category, "read " + path, {}).with_errno(error);
}

} // namespace allocinfo
