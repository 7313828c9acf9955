// SPDX-License-Identifier: MIT
#include "parts.hpp"

namespace allocinfo::html {

// The four verdicts' colours are from Okabe and Ito's palette, which colour-blind readers
// can tell apart (jfly.uni-koeln.de/color); a sign and a word stand beside each of them.
const char* const style = R"(
:root { color-scheme: light dark;
  --page: #ffffff; --card: #f6f7f9; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --link: #0b5cad;
  --proved: #00694d; --proved-bg: #d8f2e8; --accepted: #7a5200; --accepted-bg: #fdf0cf;
  --untried: #50575e; --untried-bg: #eceef0; --refused: #a33c00; --refused-bg: #fce1d2;
  --plane0: #56b4e9; --plane1: #cc79a7; --plane2: #f0e442; --plane3: #b5a4e0; --pad: #8b949e; }
@media screen and (prefers-color-scheme: dark) { :root {
  --page: #0f1216; --card: #181c22; --ink: #e6e9ec; --soft: #9aa4ae; --line: #343b44; --link: #79b8ff;
  --proved: #5fdbb2; --proved-bg: #0c3a2d; --accepted: #f0bf58; --accepted-bg: #3b2d0b;
  --untried: #a9b2bb; --untried-bg: #262b31; --refused: #ff9a66; --refused-bg: #44200d;
  --plane0: #2f7fb0; --plane1: #99527a; --plane2: #8c841c; --plane3: #6d5ba3; --pad: #77808a; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0 auto; padding: 1.5rem 1.25rem 7rem; max-width: 72rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .2rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
p { margin: .4rem 0; max-width: 60rem; }
a { color: var(--link); }
code, .mono { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .92em;
  overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.small { font-size: .86em; }
.answer { margin: 1rem 0; padding: .8rem 1rem; border: 1px solid var(--line); border-left-width: 6px; border-radius: 6px;
  background: var(--card); }
.answer p:first-child { margin-top: 0; font-size: 1.1rem; }
.answer.verified, .answer.proved { border-left-color: var(--proved); }
.answer.accepted { border-left-color: var(--accepted); }
.answer.refused { border-left-color: var(--refused); }
.uses { list-style: none; margin: .4rem 0; padding: 0; display: flex; flex-wrap: wrap; gap: .35rem; }
.uses li { padding: .05rem .55rem; border: 1px solid var(--line); border-radius: 999px; background: var(--card); }
.badge { display: inline-block; padding: .02rem .5rem; border-radius: 4px; font-weight: 600; white-space: nowrap; }
.badge.verified, .badge.proved { color: var(--proved); background: var(--proved-bg); }
.badge.accepted { color: var(--accepted); background: var(--accepted-bg); }
.badge.untried { color: var(--untried); background: var(--untried-bg); }
.badge.refused { color: var(--refused); background: var(--refused-bg); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
thead th { color: var(--soft); font-size: .86em; border-bottom: 2px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.number { text-align: right; }
tr.nobody td, tr.nobody th { color: var(--soft); font-weight: 400; }
.matrix { border-collapse: separate; border-spacing: 3px; }
.matrix th { border: 0; }
.matrix thead th { vertical-align: bottom; overflow-wrap: break-word; min-width: 9rem; }
.matrix tbody th { background: var(--card); border-radius: 5px; min-width: 11rem; }
.matrix th:first-child { width: 17rem; }
.matrix tr.chosen th { outline: 2px solid var(--proved); outline-offset: -2px; }
.matrix tr.chosen.accepted th { outline-color: var(--accepted); }
.matrix td { padding: 0; border: 0; border-radius: 5px; height: 1px; }
.matrix td.verified, .matrix td.proved { color: var(--proved); background: var(--proved-bg); }
.matrix td.accepted { color: var(--accepted); background: var(--accepted-bg);
  background-image: repeating-linear-gradient(45deg, transparent 0 9px, rgb(128 128 128 / .13) 9px 11px); }
.matrix td.untried { color: var(--untried); background: var(--untried-bg); }
.matrix td.refused { color: var(--refused); background: var(--refused-bg); }
.matrix td a, .matrix td .cell { display: block; height: 100%; padding: .4rem .6rem; color: inherit; text-decoration: none;
  border-radius: 5px; }
.matrix td a:hover, .matrix td a:focus { outline: 2px solid currentColor; outline-offset: -2px; }
.sign { display: inline-block; width: 1.2em; font-weight: 700; }
.where { display: block; font-size: .8em; overflow-wrap: break-word; }
.says { display: none; }
a:hover .says, a:focus .says { display: block; position: fixed; left: 0; right: 0; bottom: 0; z-index: 2; padding: .8rem 1.25rem;
  max-height: 45vh; overflow: auto; background: var(--card); color: var(--ink); border-top: 3px solid var(--link);
  box-shadow: 0 -4px 18px rgb(0 0 0 / .25); overflow-wrap: anywhere; }
.says b { display: block; }
.order { margin: .2rem 0; padding: 0; list-style: none; }
.order .heap { margin: .9rem 0; padding: .5rem .9rem .7rem; border: 1px solid var(--line); border-radius: 6px; }
.order h3 { margin: 0 0 .2rem; }
dl { margin: .4rem 0; display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .3rem 1rem; }
dt { overflow-wrap: anywhere; }
dd { margin: 0; overflow-wrap: anywhere; }
dt:target, dd:target, .heap:target { background: var(--accepted-bg); outline: 3px solid var(--accepted-bg); }
ul.origins { list-style: none; margin: 0; padding: 0; }
figure { margin: .8rem 0; }
figcaption { color: var(--soft); font-size: .86em; }
svg { width: 100%; min-width: 40rem; height: auto; display: block; font: 12px system-ui, "DejaVu Sans", sans-serif; }
svg text { fill: var(--ink); }
svg .soft { fill: var(--soft); }
svg .frame { fill: none; stroke: var(--ink); stroke-width: 1; }
svg .tick { stroke: var(--soft); stroke-width: 1; }
svg .pad { fill: url(#padding); stroke: var(--pad); stroke-width: .75; }
svg .hatch { stroke: var(--pad); stroke-width: 1.5; }
svg .p0 { fill: var(--plane0); } svg .p1 { fill: var(--plane1); } svg .p2 { fill: var(--plane2); }
svg .p3 { fill: var(--plane3); }
svg .plane { stroke: var(--ink); stroke-width: .75; }
.key { display: inline-block; width: .9em; height: .9em; border: 1px solid var(--ink); vertical-align: -.1em; margin-right: .4em; }
.key.k0 { background: var(--plane0); } .key.k1 { background: var(--plane1); }
.key.k2 { background: var(--plane2); } .key.k3 { background: var(--plane3); }
details pre { overflow: auto; max-height: 30rem; padding: .8rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; font-size: .82em; }
summary { cursor: pointer; }
footer { margin-top: 2.5rem; color: var(--soft); font-size: .86em; }
@media print {
  :root { color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 11px; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  .wide { overflow: visible; }
  .says, details { display: none; }
  h2 { break-after: avoid; }
  tr, figure, .heap, .answer { break-inside: avoid; }
}
)";

} // namespace allocinfo::html
