// SPDX-License-Identifier: MIT
#include "style.hpp"

namespace allocinfo::timeline {

// Colours are from Okabe and Ito's palette, which colour-blind readers can tell apart
// (jfly.uni-koeln.de/color); a device that reads and writes has both, one above the other.
const char* const style = R"(
svg { --page: #ffffff; --band: #f4f6f8; --ink: #1b1f24; --soft: #57606a; --line: #d9dee4; --read: #56b4e9;
  --write: #f0a030; --wait: #c3c9d0; --pool: #b9e3d3; --other: #c9b8e8; --bad: #c23b00; --edge: #ffffff;
  font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { svg { --page: #0f1216; --band: #171b21; --ink: #e6e9ec; --soft: #9aa4ae;
  --line: #2c333b; --read: #2f86b8; --write: #b87718; --wait: #4a525b; --pool: #256b54; --other: #6d5ba3;
  --bad: #ff9a66; --edge: #0f1216; } }
.page { fill: var(--page); }
.band { fill: var(--band); }
text { fill: var(--ink); }
.title { font-size: 15px; font-weight: 600; }
.device { font-weight: 600; text-anchor: end; }
.soft { fill: var(--soft); }
.tick { fill: var(--soft); text-anchor: middle; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--line); }
.read { fill: var(--read); }
.write { fill: var(--write); }
.wait { fill: var(--wait); }
.pool { fill: var(--pool); }
.other { fill: var(--other); }
.bar text { font-size: 11px; text-anchor: middle; pointer-events: none; }
.edge { fill: none; stroke: var(--edge); stroke-width: .6; }
.failed { fill: none; stroke: var(--bad); stroke-width: 2; }
.open { fill: none; stroke: var(--ink); stroke-dasharray: 3 2; }
.bar:hover .edge { stroke: var(--ink); stroke-width: 1.5; }
.arrow { fill: none; stroke: var(--ink); stroke-width: 1; opacity: .55; }
.frame { stroke-dasharray: 4 3; }
.arrow:hover { opacity: 1; stroke-width: 2; }
.head { fill: var(--ink); }
)";

} // namespace allocinfo::timeline
