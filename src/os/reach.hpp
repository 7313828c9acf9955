// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace commonbuf::os {

/// Returns how many bits the addresses have that a device reaches, if that is fewer than the memory of this
/// machine has. `device` is its folder in sysfs, for example "/sys/class/drm/card0/device". Nothing if it
/// reaches everything, if an IOMMU gives it addresses of its own, or if sysfs does not say: only PCI devices
/// have `dma_mask_bits`.
std::optional<std::uint32_t> reach_of(const std::string& device);

/// Returns how many bits the address of this machine's last page of ordinary memory has; nothing if the
/// kernel does not say.
std::optional<std::uint32_t> bits_of_memory();

} // namespace commonbuf::os
