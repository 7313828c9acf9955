// SPDX-License-Identifier: MIT
#include <commonbuf/gbm/wrap.hpp>

#include "backends/gbm/describe.hpp"

namespace commonbuf::gbm {

Result<Buffer> wrap(gbm_bo* object)
{
    auto image = describe(object, "wrap a GBM buffer object");
    if (!image)
        return image.error();
    return Buffer::wrap(image->layout, std::move(image->memories));
}

} // namespace commonbuf::gbm
