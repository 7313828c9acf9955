"""What is to be run on a board, and the words that tell its kernel and its first process."""

import dataclasses
import pathlib
import sys

import board as boards

HERE = pathlib.Path(__file__).parent


@dataclasses.dataclass
class Job:
    board: boards.Board
    command: list[str]
    project: pathlib.Path
    directory: pathlib.Path
    environment: dict[str, str]
    kernel_args: list[str]
    # In seconds; None: as long as boards of this kind get.
    timeout: float | None = None
    # How long it may write nothing, in seconds; None: as long as `timeout` lets it.
    idle: float | None = None
    device_tree: pathlib.Path | None = None
    interactive: bool = False
    # Lists that say which tests must run, beside the board's own.
    variants: list[str] = dataclasses.field(default_factory=list)
    # What its run keeps, once there is one.
    folder: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True)
class Channels:
    """File descriptors for the command's output and the kernel's log; with a terminal,
    the command has standard input and output instead of out and err."""
    log: int
    out: int = 1
    err: int = 2
    terminal: bool = False


def encoded(path: pathlib.Path) -> str:
    """A path as one word of a kernel command line, for bash's printf %b."""
    return "".join(c if c.isalnum() and c.isascii() or c in "/._-" else
                   "".join(f"%{byte:02x}" for byte in c.encode()) for c in str(path))


def words(job: Job, folder: pathlib.Path, terminals: tuple[str, str]) -> list[str]:
    """The end of the kernel's command line: what guest-init reads, the board's words and the job's."""
    result = [
        "ro", "init=/lab-init", "panic=-1",
        f"LAB_FOLDER={encoded(HERE)}", f"LAB_PROJECT={encoded(job.project)}",
        f"LAB_RUN={encoded(folder)}", f"LAB_DIRECTORY={encoded(job.directory)}",
        f"LAB_OUT={terminals[0]}", f"LAB_ERR={terminals[1]}",
    ]
    if job.interactive:
        result.append("LAB_SHELL=1")
    elif sys.stdout.isatty():
        result.append("LAB_TERMINAL=1")
    return result + list(job.board.kernel_args) + job.kernel_args
