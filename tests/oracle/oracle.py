"""Runs the oracle on boards and draws up the matrix of verdicts against truth."""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import subprocess
import sys
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(PROJECT / "tests/lab"))

import board as boards  # noqa: E402

VERDICTS = ["proved", "accepted", "refused", "not-tried"]
TRUTHS = ["works", "fails", "unknown"]
FEWEST_CELLS = {"full": 2000, "short": 300}
OUT = PROJECT / "out/oracle"


class Machine:
    """One board, and what tells it from the lab's own."""

    def __init__(self, name, base=None, kernel_args=(), regions=()):
        self.name = name
        self.base = base or name
        self.kernel_args = list(kernel_args)
        self.regions = regions

    def describe(self):
        regions = ", ".join(f"{r.name} {r.size >> 20}M" for r in self.regions) or "no region"
        return f"{self.name}: {regions}; {' '.join(self.kernel_args)}" if self.kernel_args else self.name


def random_machine(number, seed):
    """A board that nobody has seen: memory, regions and cameras by chance."""
    dice = random.Random(f"{seed}/{number}")
    cameras = dice.randint(1, 4)
    arguments = [
        f"mem={dice.choice(['512M', '1024M'])}",
        f"cma={dice.choice(['0', '0', '8M', '16M', '64M'])}",
        f"vivid.n_devs={cameras}",
        "vivid.allocators=" + ",".join(dice.choice("01") for _ in range(cameras)),
        "vivid.multiplanar=" + ",".join(dice.choice("12") for _ in range(cameras)),
    ]
    if dice.random() < 0.4:
        arguments.append("initcall_blacklist=udmabuf_dev_init")
    regions = tuple(boards.Region(f"{dice.choice(['camera', 'display', 'codec', 'video'])}@{i}",
                                  dice.choice([4, 8, 16, 32, 64]) << 20)
                    for i in range(dice.randint(0, 3)))
    return Machine(f"random-{seed}-{number}", "small-cma", arguments, regions)


# Their rules have tests of their own, NonCoherent.* and Panels.*, which scripts/test runs; older-soc is
# camera-soc with another kernel.
ONLY_IN_FULL = ("non-coherent", "panel-soc", "older-soc")


def usual_boards(short):
    """Every board but those under QEMU: an emulated processor takes several times as long to
    paint and compare pictures, for cells that the other boards have too."""
    return [name for name in boards.names()
            if boards.load(name).machine != "qemu" and not (short and name in ONLY_IN_FULL)]


def run(machine, options):
    """The machine's report, of as many images as it came to; None when there is none."""
    report = OUT / f"{machine.name}.json"
    report.unlink(missing_ok=True)
    build = pathlib.Path(os.environ.get("COMMONBUF_BUILD", PROJECT / "build")).resolve()
    command = ["scripts/lab", "run", "--board", machine.base, "--timeout", str(options.timeout)]
    for argument in machine.kernel_args:
        command += ["--kernel-arg", argument]
    if machine.kernel_args:
        source = OUT / f"{machine.name}.dts"
        board = boards.Board(machine.name, "", "uml", "512M", (), "root", (), machine.regions)
        source.write_text(boards.device_tree(board))
        command += ["--device-tree", str(source)]
    command += ["--", str(build / "tests/oracle/oracle"), "--board", machine.name, "--out", str(report)]
    if options.short or options.random:
        command.append("--short")
    for what in ("image", "use", "heap"):
        for wanted in getattr(options, what) or ():
            command += [f"--{what}", wanted]
    done = subprocess.run(command, cwd=PROJECT, check=False, stdout=subprocess.DEVNULL,
                          env=dict(os.environ, COMMONBUF_BUILD=str(build)))
    if done.returncode != 0:
        print(f"oracle: {machine.name}: the run failed with status {done.returncode}", file=sys.stderr)
    if not report.exists():
        return None
    # What came to its end and failed all the same, for what the kernel said, is not whole either.
    return json.loads(report.read_text()) | {"failed": done.returncode != 0}


def is_false(cell):
    """What the library said and the devices did not do."""
    return (cell["verdict"], cell["truth"]) in (("verified", "fails"), ("proved", "fails"), ("refused", "works"))


def is_decided(cell):
    """Whether the library said something, and the truth knows better or agrees."""
    return cell["verdict"] != "not-tried" and cell["truth"] != "unknown"


def are_enough(cells, fewest):
    """Whether so many cells could be decided, and not all in one way: a truth that knows nothing, or only
    one answer, finds nothing false."""
    decided = [cell["truth"] for cell in cells if is_decided(cell)]
    return len(decided) >= fewest and {"works", "fails"} <= set(decided)


def of_board(reports, what):
    return [entry | {"board": report["board"]} for report in reports for entry in report[what]]


def draw_refused(reports):
    """Layouts that the library refused or did not find, and how many of them work after all."""
    refused = of_board(reports, "refused_layouts")
    counts = collections.Counter(entry["truth"] for entry in refused)
    print(f"{len(refused)} refused layouts tried: " + ", ".join(f"{counts[truth]} {truth}" for truth in TRUTHS))
    works = [entry for entry in refused if entry["truth"] == "works"]
    for entry in works:
        print(f"FALSE: board {entry['board']}, {' + '.join(entry['uses'])}, {entry['layout']}, heap {entry['heap']}\n"
              f"    said no layout: {entry['said']}\n"
              f"    truth works")
    return len(works)


def draw(reports):
    cells = of_board(reports, "cells")
    counts = collections.Counter((cell["verdict"], cell["truth"]) for cell in cells)
    print(f"{'':>22}" + "".join(f"{'truth ' + truth:>16}" for truth in TRUTHS))
    for verdict in VERDICTS:
        label = {"accepted": "accepted, not proved", "not-tried": "not tried"}.get(verdict, verdict)
        print(f"{label:>22}" + "".join(f"{counts[verdict, truth]:>16}" for truth in TRUTHS))
    held = [cell for cell in cells if cell["verdict"] != "not-tried"]
    streams, of_sets, frames = (sum(report[what] for report in reports)
                                for what in ("streams", "set_streams", "frames"))
    print(f"{len(held)} cells held against the truth, which {streams} streams with {frames} frames gave, "
          f"{of_sets} of them through sets (a set fails where a part of it does, and works where a larger one does)")
    unknown = collections.Counter(cell["because"] for cell in held if cell["truth"] == "unknown")
    for reason, count in unknown.most_common():
        print(f"    truth unknown in {count}: {reason}")
    accepted = collections.Counter(cell["truth"] for cell in cells if cell["verdict"] == "accepted")
    print("accepted, not proved: " + ", ".join(f"{accepted[truth]} {truth}" for truth in TRUTHS))
    proofs = sum(cell["verdict"] in ("verified", "proved") and cell["truth"] == "fails" for cell in cells)
    refusals = sum(cell["verdict"] == "refused" and cell["truth"] == "works" for cell in cells)
    print(f"{proofs} false proofs, {refusals} false refusals")
    for cell in cells:
        if is_false(cell):
            print(f"FALSE: board {cell['board']}, {' + '.join(cell['uses'])}, {cell['layout']}, heap {cell['heap']}\n"
                  f"    said {cell['verdict']} at {cell['call']}: {cell['said']}\n"
                  f"    truth {cell['truth']}: {cell['because']}")
    return held, proofs + refusals + draw_refused(reports)


def main():
    parser = argparse.ArgumentParser(prog="scripts/oracle", description=__doc__)
    parser.add_argument("--board", action="append", help="this board alone; may be given more than once")
    for what, example in (("image", "XR24:642x362"), ("use", "vkms:scanout"), ("heap", "system")):
        parser.add_argument(f"--{what}", action="append",
                            help=f"this {what} alone, for example {example}; may be given more than once")
    parser.add_argument("--short", action="store_true", help="three images instead of all of them")
    parser.add_argument("--full", action="store_true", help="all images (the default)")
    parser.add_argument("--random", type=int, metavar="N", help="N boards made by chance, in the short form")
    parser.add_argument("--timeout", type=int, default=7200, metavar="SECONDS",
                        help="for each board (default 7200); what was found by then is told, and the run fails")
    parser.add_argument("--seed", type=int, default=1, help="for --random (default 1)")
    options = parser.parse_args()

    if options.random:
        machines = [random_machine(i, options.seed) for i in range(options.random)]
    else:
        machines = [Machine(name) for name in options.board or usual_boards(options.short)]
    OUT.mkdir(parents=True, exist_ok=True)
    OUT.chmod(0o777)  # the ordinary user of some boards writes here
    started = time.monotonic()
    # A board has few things to do at once, and most of them wait.
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        reports = list(pool.map(lambda machine: run(machine, options), machines))
    good = [report for report in reports if report is not None]

    for machine, report in zip(machines, reports):
        if report is None:
            print(f"{machine.describe()}: no report")
            continue
        held = [cell for cell in report["cells"] if cell["verdict"] != "not-tried"]
        print(f"{machine.describe()}: {len(report['uses'])} uses, {report['sets']} sets, {report['plans']} plans, "
              f"{len(held)} cells, {sum(map(is_false, held))} false, "
              f"{len(report['refused_layouts'])} refused layouts, {report['seconds']:.0f} s")
        if report["failed"]:
            print(f"    not whole: {report['images_done']} of {report['images_in_all']} images")
        for error in report["errors"]:
            print(f"    no plan for {' + '.join(error['uses'])}: {error['error']}")
    held, false = draw(good)
    kind = "short" if options.short or options.random else "full"
    enough = options.board or options.random or options.image or options.use or options.heap or are_enough(held, FEWEST_CELLS[kind])
    if not enough:
        print(f"fewer than {FEWEST_CELLS[kind]} cells whose truth is known, or all of one kind")
    print(f"{time.monotonic() - started:.0f} s")
    errors = any(report["errors"] for report in good)
    whole = len(good) == len(machines) and not any(report["failed"] for report in good)
    return 0 if enough and false == 0 and not errors and whole else 1


if __name__ == "__main__":
    sys.exit(main())
