// SPDX-License-Identifier: MIT
#pragma once

#include "dump.hpp"
#include "heap.hpp"

#include <memory>

namespace replay {

/// A use of a machine that is not here. It answers as the dump says, scaled to the image
/// that is asked for, and takes or refuses memory by rule, with the call and the errno of
/// its kind of driver.
std::shared_ptr<cb::Importer> make_device(UseRecord record, Size measured_at, std::shared_ptr<const Heaps> heaps);

} // namespace replay
