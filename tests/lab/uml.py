"""Boards that run a user-mode kernel: one ordinary process, its memory a device tree."""

import os
import pathlib
import shutil

import board as boards
import kernel
from job import Channels, Job, words

KERNEL = kernel.UML
TIMEOUT = 300
# The terminals inside, which become stdout (and the prompt) and stderr here.
TERMINALS = ("/dev/tty1", "/dev/tty2")


def check(_: Job) -> None:
    """Everything can be asked of such a board."""


def prepare(job: Job, folder: pathlib.Path) -> None:
    source = job.device_tree.read_text() if job.device_tree else boards.device_tree(job.board)
    boards.compile_device_tree(source, folder / "board.dtb")


def command(job: Job, folder: pathlib.Path, kernel_folder: pathlib.Path, rootfs: pathlib.Path,
            channels: Channels) -> list[str]:
    if channels.terminal:
        consoles = [f"con0=null,fd:{channels.log}", "con1=fd:0,fd:1", "con2=null"]
    else:
        consoles = [f"con0=null,fd:{channels.log}", f"con1=null,fd:{channels.out}",
                    f"con2=null,fd:{channels.err}"]
    return [
        str(kernel_folder / KERNEL.product), f"mem={job.board.memory}", "seccomp=on", "ncpus=2",
        "rootfstype=hostfs", f"rootflags={rootfs}", f"dtb={folder / 'board.dtb'}",
        *words(job, folder, TERMINALS), *consoles,
    ]


def environment(job: Job) -> dict[str, str]:
    """The kernel keeps its memory in a file; give it a place with room."""
    result = dict(os.environ)
    if "TMPDIR" not in result:
        need = boards.size_of(job.board.memory)
        try:
            if shutil.disk_usage("/dev/shm").free < need:
                result["TMPDIR"] = "/var/tmp"
        except OSError:
            result["TMPDIR"] = "/var/tmp"
    return result
