"""The command line of the lab; scripts/lab starts it."""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import board as boards
import cache
import debian_root
import expected
import integration
import kernel
import machine
import rootfs
from debian import Apt, LabError
from job import Job

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent


# The exit status of `root` on a machine where none can be entered.
NO_ROOT = 77


class _Debian:
    """Prepares apt once, and only when something is missing from the cache."""

    def __init__(self) -> None:
        self.apt: Apt | None = None

    def __call__(self) -> Apt:
        if self.apt is None:
            self.apt = Apt()
            with cache.lock("apt"):
                self.apt.prepare()
        return self.apt


def _install(*groups: str) -> None:
    """Install groups of packages, in the words of scripts/deps, where they are missing."""
    if subprocess.run([PROJECT / "scripts/deps", "--quiet", *groups], stdout=sys.stderr, check=False).returncode != 0:
        raise LabError("packages are missing, see above")


def _install_for(*kinds: str) -> None:
    _install("lab", *(["lab-pc"] if "qemu" in kinds else []))


def _build() -> None:
    """Bring the tools up to date that a command finds, unless those of another build are asked for."""
    if "COMMONBUF_BUILD" not in os.environ:
        built = subprocess.run([PROJECT / "scripts/build"], stdout=sys.stderr, check=False)
        if built.returncode != 0:
            raise LabError("the build failed, see above")


def _ready(board: boards.Board) -> tuple[pathlib.Path, pathlib.Path]:
    debian = _Debian()
    return (kernel.ensure(machine.kernel_of(board), debian), rootfs.ensure(debian))


def _start(job: Job) -> int:
    """Make what a job needs, and run it."""
    _install_for(job.board.machine)
    _build()
    kernel_folder, root_folder = _ready(job.board)
    if kernel.has_patch(machine.kernel_of(job.board), kernel_folder, "vkms-writeback"):
        # Tests let no fault pass there that the patch mends.
        job.environment.setdefault("COMMONBUF_PATCHED_KERNEL", "1")
    return machine.run(job, kernel_folder, root_folder)


def setup(options: argparse.Namespace) -> int:
    wanted = [boards.load(name) for name in ([options.board] if options.board else boards.names())]
    kernels = machine.kernels_of(wanted)
    _install_for(*(board.machine for board in wanted))
    if options.update:
        for each in kernels:
            cache.remove_others(each.entry, "")
        cache.remove_others("rootfs", "")
        debian_root.remove_old(None)
    debian = _Debian()
    for each in kernels:
        folder = kernel.ensure(each, debian)
        print(f"{each.what}:", (folder / "version").read_text().strip())
    print("user space:", (rootfs.ensure(debian) / "version").read_text().strip())
    print("cache:", cache.root())
    return 0


def clean(_: argparse.Namespace) -> int:
    _install("lab")
    removed = cache.remove_others("rootfs", rootfs.key())
    removed += sum(cache.remove_others(each.entry, kernel.key(each))
                   for each in machine.kernels_of(map(boards.load, boards.names())))
    removed += debian_root.remove_old(PROJECT)
    print(f"removed {removed} old entries from {cache.root()}")
    return 0


def show_boards(_: argparse.Namespace) -> int:
    for name in boards.names():
        board = boards.load(name)
        mark = " (default)" if name == boards.DEFAULT else ""
        print(f"{name}{mark}")
        print(textwrap.fill(board.summary, 76, initial_indent="    ", subsequent_indent="    "))
    return 0


def _build_folder() -> pathlib.Path:
    return pathlib.Path(os.environ.get("COMMONBUF_BUILD", PROJECT / "build")).resolve()


def _job(options: argparse.Namespace, command: list[str]) -> Job:
    build = _build_folder()
    tools = [build / "tools/allocinfo", build / "examples", build / "tests/integration",
             PROJECT / "scripts"]
    path = ":".join([*map(str, tools), "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"])
    environment = {"PATH": path, "TERM": os.environ.get("TERM", "dumb"),
                   "COMMONBUF_BOARD": options.board}
    environment |= {name: value for name, value in os.environ.items()
                    if name.startswith(("COMMONBUF_", "GTEST_", "ASAN_", "UBSAN_", "TSAN_"))}
    return Job(
        board=boards.load(options.board), command=command, project=PROJECT, directory=_directory(),
        environment=environment, kernel_args=options.kernel_arg, timeout=options.timeout,
        idle=options.idle, device_tree=options.device_tree, variants=options.tests)


def _directory() -> pathlib.Path:
    """Where a command starts: here, or in the project's folder from outside."""
    here = pathlib.Path.cwd()
    return here if here.is_relative_to(PROJECT) else PROJECT


def _command(options: argparse.Namespace) -> list[str]:
    return options.command[1:] if options.command[:1] == ["--"] else options.command


def run(options: argparse.Namespace) -> int:
    command = _command(options)
    if not command:
        raise LabError("no command; write it after --, as in: scripts/lab run -- allocinfo heaps")
    return _start(_job(options, command))


def tests(options: argparse.Namespace) -> int:
    if options.update:
        return _update_lists(options)
    listed = expected.load(options.board or boards.DEFAULT, options.tests)
    for name in listed.names:
        line = listed.of(name)
        print(expected.Line(line.word, name, line.reason).text())
    return 0


def _update_lists(options: argparse.Namespace) -> int:
    _build()
    program = _build_folder() / "tests/integration" / integration.NAME
    known = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True, check=True).stdout
    expected.write_names(integration.listed(known))
    if options.board is None:
        return 0
    boards.load(options.board)
    lists = expected.paths(options.board, options.tests)
    # A new one begins with nothing.
    lists[-1].touch()
    if options.report:
        report = options.report / f"{integration.NAME}.json" if options.report.is_dir() else options.report
        output = options.report / "output" if options.report.is_dir() else report.with_suffix(".log")
    else:
        job = _job(options, [integration.NAME])
        _start(job)
        report, output = job.folder / f"{integration.NAME}.json", job.folder / "output"
    outcomes = integration.read(report, output)
    if outcomes is None:
        raise LabError(f"there is no report {report}, so the lists stay as they are")
    expected.update(lists, outcomes)
    cache.say(f"{lists[-1]} is as it was there; 'git diff tests/lab' shows what is new")
    return 0


def shell(options: argparse.Namespace) -> int:
    job = _job(options, ["/bin/bash", "--norc", "-i"])
    job.interactive = True
    job.environment["PS1"] = f"lab:{options.board}:\\w\\$ "
    cache.say(f"board {options.board}; leave with 'exit' or ctrl-d")
    return _start(job)


def root(options: argparse.Namespace) -> int:
    command = _command(options) or ["/bin/bash"]
    _install("root")
    reason = debian_root.why_not()
    if reason is not None:
        cache.say(reason)
        return NO_ROOT
    if options.check:
        return 0
    if options.fresh and options.release not in debian_root.RELEASES:
        raise LabError(f"a fresh machine is one of {', '.join(debian_root.RELEASES)}")
    if options.fresh:
        return debian_root.in_fresh_root(options.release, PROJECT, command, options.share_cache)
    return debian_root.in_build_root(options.release, PROJECT, command, _directory())


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("a number of seconds above 0 is needed")
    return value


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="scripts/lab", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="A real kernel with real camera and display drivers, as an ordinary process.",
        epilog=textwrap.dedent(f"""\
            exit status of run: the command's own; {machine.NOT_AS_LISTED} tests of 'integration' were not as listed
            (docs/testing.md); {machine.KERNEL_COMPLAINED} the kernel complained in its log; {machine.TIMED_OUT} the time
            ran out; {machine.LAB_FAILED} the lab itself failed.
            Each run keeps its kernel log in out/lab/; out/lab/latest is the newest.
            """))
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    verb = verbs.add_parser("setup", help="build the kernels and the root file system if they are missing")
    verb.add_argument("--board", metavar="NAME", help="only what this board needs")
    verb.add_argument("--update", action="store_true", help="forget what is cached and take the newest packages")
    verb.set_defaults(call=setup)

    verb = verbs.add_parser("boards", help="list the boards")
    verb.set_defaults(call=show_boards)

    verb = verbs.add_parser("clean", help="remove cached kernels and root file systems of other versions")
    verb.set_defaults(call=clean)

    for name, call, text in (("run", run, "start a board and run a command on it"),
                             ("shell", shell, "start a board and get a prompt on it"),
                             ("tests", tests, "show which tests of 'integration' must run on a board")):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("--board", default=None if name == "tests" else boards.DEFAULT, metavar="NAME",
                          help=f"which board (default: {boards.DEFAULT})")
        verb.add_argument("--tests", action="append", default=[], metavar="LIST",
                          help="of 'integration', hold the tests also against tests/lab/variants/LIST.tests")
        verb.add_argument("--kernel-arg", action="append", default=[], metavar="ARG",
                          help="a further word for the kernel's command line; the last of a name counts")
        verb.add_argument("--device-tree", type=pathlib.Path, metavar="FILE.dts",
                          help="use this device tree instead of the board's own")
        verb.add_argument("--timeout", type=_positive, metavar="SECONDS",
                          help="stop the machine after so long (default: "
                               f"{machine.uml.TIMEOUT}, under QEMU {machine.qemu.TIMEOUT})")
        verb.set_defaults(idle=None)
        if name == "run":
            verb.add_argument("--idle", type=_positive, metavar="SECONDS",
                              help="stop the machine when neither the command nor the kernel has written "
                                   "anything for so long")
            verb.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
        if name == "tests":
            verb.add_argument("--update", action="store_true",
                              help="write all.tests anew, as the program has them; with --board also that board's list, "
                                   "or with --tests the last of those, from a run there")
            verb.add_argument("--from", dest="report", type=pathlib.Path, metavar="RUN",
                              help="with --update: from a run that was, a folder in out/lab/ or the report of one in "
                                   "out/test/ (NAME.json, with NAME.log)")
        verb.set_defaults(call=call)

    verb = verbs.add_parser(
        "root", help="run a command, or a shell, in another Debian",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=textwrap.dedent(f"""\
            Runs a command in a Debian of another release or architecture, as root there, with this project at its own
            path and the compiler's cache. What the build and the tests need is installed. Without a
            command it starts a shell. The exit status is the command's own, or {NO_ROOT} on a machine where
            no root can be entered."""))
    verb.add_argument("--fresh", action="store_true",
                      help="on a machine made from nothing, apt's lists empty, in a clone of the project in /root/commonbuf; "
                           "thrown away afterwards, except out/, which goes to out/fresh/RELEASE/")
    verb.add_argument("--share-cache", action="store_true",
                      help="with --fresh: let it have the lab's and the compiler's cache of this machine")
    verb.add_argument("--check", action="store_true", help="only say whether it is possible here")
    verb.add_argument("release", choices=debian_root.ROOTS, metavar="RELEASE", help=", ".join(debian_root.ROOTS))
    verb.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    verb.set_defaults(call=root)
    return top


def main() -> int:
    options = parser().parse_args()
    # Leaves by the way on which the machine is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return options.call(options)
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (LabError, OSError) as error:
        cache.say(str(error))
        return machine.LAB_FAILED
    except KeyboardInterrupt:
        cache.say("interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main())
