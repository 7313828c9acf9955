"""Boards that run under QEMU: a PC whose processor is emulated, with a GPU on its PCI bus.

Needs neither privilege nor KVM. Folders of the host come in over 9p, where hostfs
serves the user-mode kernel.
"""

import os
import pathlib
import shutil

import board as boards
import kernel
from debian import LabError
from job import HERE, Channels, Job, words

KERNEL = kernel.PC
PROGRAM = "qemu-system-x86_64"
# An emulated processor is several times slower than the one it runs on.
TIMEOUT = 900
# Serial ports: QEMU drops what a virtio console sends faster than it is read here.
TERMINALS = ("/dev/ttyS1", "/dev/ttyS2")
# Linux on x86 reads so much of its command line (COMMAND_LINE_SIZE).
LONGEST = 2047
# Large messages save the many exits of small ones.
MOUNT = "trans=virtio,version=9p2000.L,msize=512000"


def check(job: Job) -> None:
    if job.device_tree:
        raise LabError(f"the board {job.board.name} is a PC, which has no device tree; "
                       "--kernel-arg cma=SIZE sets its contiguous memory")
    if shutil.which(PROGRAM) is None:
        raise LabError(f"{PROGRAM} is missing; install the package qemu-system-x86")


def prepare(_: Job, __: pathlib.Path) -> None:
    """A PC finds its devices itself."""


def kernel_line(job: Job, folder: pathlib.Path) -> str:
    line = " ".join([
        "console=ttyS0", "root=root", "rootfstype=9p", f"rootflags={MOUNT},cache=loose",
        f"LAB_9P={MOUNT}", *words(job, folder, TERMINALS)])
    if len(line) > LONGEST:
        raise LabError(f"the kernel's command line has {len(line)} characters, and a PC reads {LONGEST}; "
                       "move the project to a folder with a shorter name, or give fewer --kernel-arg")
    return line


def _escaped(path: pathlib.Path) -> str:
    return str(path).replace(",", ",,")


def _share(tag: str, folder: pathlib.Path, more: str = "") -> list[str]:
    return ["-fsdev", f"local,id={tag},path={_escaped(folder)},security_model=none,multidevs=remap{more}",
            "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


def _file(name: str, path: pathlib.Path) -> list[str]:
    # Not cut off at its start, where QEMU itself may have written.
    return ["-chardev", f"file,id={name},path={_escaped(path)},append=on"]


def _channel(name: str, fd: int) -> list[str]:
    return _file(name, pathlib.Path(f"/dev/fd/{fd}"))


def command(job: Job, folder: pathlib.Path, kernel_folder: pathlib.Path, rootfs: pathlib.Path,
            channels: Channels) -> list[str]:
    if channels.terminal:
        consoles = ["-chardev", "stdio,id=out,signal=off", "-chardev", "null,id=err"]
    else:
        consoles = [*_channel("out", channels.out), *_channel("err", channels.err)]
    low = job.board.low_memory
    machine = f"q35,max-ram-below-4g={boards.size_of(low)}" if low else "q35"
    return [
        # One thread for both processors: with a thread each, they spend more on keeping
        # their translations and page tables in step than they gain.
        PROGRAM, "-machine", machine, "-accel", "tcg,thread=single", "-cpu", "max",
        "-smp", "2", "-m", f"{boards.size_of(job.board.memory) >> 20}M",
        # No disk, no network, no display of QEMU's own; a reset ends it.
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", str(kernel_folder / KERNEL.product), "-append", kernel_line(job, folder),
        # Straight into its file: the kernel waits for nobody who reads the output slowly.
        *_file("log", folder / "kernel.log"), *consoles,
        "-device", "isa-serial,chardev=log,index=0", "-device", "isa-serial,chardev=out,index=1",
        # Two ports of a PC share an interrupt, which Linux does not.
        "-device", "isa-serial,chardev=err,index=2,irq=5",
        # An IOMMU among them has to come before what is behind it.
        *(word for device in job.board.qemu_devices for word in ("-device", device)),
        "-device", "virtio-gpu-pci",
        *_share("root", rootfs, ",readonly=on"), *_share("lab", HERE, ",readonly=on"),
        *_share("project", job.project),
    ]


def environment(_: Job) -> dict[str, str]:
    return dict(os.environ)
