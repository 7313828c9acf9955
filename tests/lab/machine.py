"""Starts a board, passes a command's output through and keeps the kernel's log."""

import contextlib
import datetime
import fcntl
import math
import os
import pathlib
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterable

import board as boards
import integration
import kernel
import kernel_log
import qemu
import uml
from cache import say
from debian import LabError
from job import Channels, Job

# What starts the boards of each kind.
KINDS = {"uml": uml, "qemu": qemu}

# Exit statuses beside the command's own, the last two after timeout(1) and env(1).
NOT_AS_LISTED = 122
KERNEL_COMPLAINED = 123
TIMED_OUT = 124
LAB_FAILED = 125


def kernel_of(board: boards.Board) -> kernel.Kernel:
    return KINDS[board.machine].KERNEL.of(board.kernel)


def kernels_of(some: Iterable[boards.Board]) -> list[kernel.Kernel]:
    """The kernels of some boards, each once."""
    return list(dict.fromkeys(map(kernel_of, some)))


def run(job: Job, kernel_folder: pathlib.Path, rootfs: pathlib.Path) -> int:
    kind = KINDS[job.board.machine]
    kind.check(job)
    timeout = job.timeout or kind.TIMEOUT
    job.folder = folder = _new_folder(job)
    tests = integration.started_by(job)
    _write_down(job, tests.command if tests else job.command)
    kind.prepare(job, folder)

    def start(channels: Channels, **options) -> subprocess.Popen:
        return subprocess.Popen(kind.command(job, folder, kernel_folder, rootfs / "root", channels),
                                env=kind.environment(job), **options)

    log = folder / "kernel.log"
    started = time.monotonic()
    if job.interactive:
        _with_terminal(start, log)
        timed_out = None
    else:
        timed_out = _with_pipes(start, log, timeout, job.idle or math.inf, tests and tests.output)
    (folder / "seconds").write_text(f"{time.monotonic() - started:.2f}\n")
    code = _verdict(job, folder, timed_out)
    return NOT_AS_LISTED if tests and not tests.as_listed(code) and code == 0 else code


def _verdict(job: Job, folder: pathlib.Path, timed_out: str | None) -> int:
    log = folder / "kernel.log"
    status = folder / "status"
    text = log.read_text(encoding="utf-8", errors="replace")
    found = kernel_log.complaints(text, job.board.known)
    if found:
        say(f"the kernel complained ({len(found)} lines, the log is {log}):")
        for line in found[:20]:
            print(f"    {line}", file=sys.stderr)
    if timed_out is not None:
        say(f"the command {timed_out} and was stopped; the kernel's log is {log}")
        return TIMED_OUT
    if not status.exists():
        say(f"the machine ended before the command did; the end of its log ({log}):")
        print("".join(f"    {line}\n" for line in text.splitlines()[-15:]), file=sys.stderr)
        return LAB_FAILED
    code = int(status.read_text())
    return KERNEL_COMPLAINED if found and code == 0 else code


def _new_folder(job: Job) -> pathlib.Path:
    """Make the folder of this run."""
    if "," in str(job.project):
        raise LabError(f"the project's folder {job.project} has a comma in its name, "
                       "which mount(8) cannot take; move the project")
    out = job.project / "out"
    out.mkdir(exist_ok=True)
    # The ordinary user of some boards writes here too.
    with contextlib.suppress(PermissionError):
        out.chmod(0o777)
    runs = out / "lab"
    runs.mkdir(exist_ok=True)
    _remove_old(runs)
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{stamp}-{job.board.name}-", dir=runs))
    folder.chmod(0o755)
    latest = runs / "latest"
    with contextlib.suppress(OSError):
        latest.unlink(missing_ok=True)
        latest.symlink_to(folder.name)
    return folder


def _write_down(job: Job, command: list[str]) -> None:
    """Write down what the guest is to do."""
    folder = job.folder
    (folder / "command").write_text("".join(word + "\0" for word in command))
    (folder / "environment").write_text(
        "".join(f"{name}={value}\0" for name, value in job.environment.items()))
    (folder / "permissions").write_text("".join(line + "\n" for line in job.board.permissions))
    (folder / "user").write_text(job.board.user)


def _remove_old(runs: pathlib.Path, keep: int = 50) -> None:
    folders = sorted((p for p in runs.iterdir() if p.is_dir() and not p.is_symlink()),
                     key=lambda p: p.name)
    for path in folders[:-keep]:
        shutil.rmtree(path, ignore_errors=True)


def _stop(machine: subprocess.Popen) -> None:
    """End the machine; a user-mode kernel has processes that stand for its address spaces."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(machine.pid, signal.SIGKILL)
    machine.wait()


def _with_pipes(start, log: pathlib.Path, timeout: float, idle: float,
                output: pathlib.Path | None) -> str | None:
    """Run with stdout, stderr and the kernel's console on pipes; say which time ran out. Keeps stdout
    in a file too, if one is named."""
    deadline = time.monotonic() + timeout
    silent_until = time.monotonic() + idle
    err_read, err_write = os.pipe()
    log_read, log_write = os.pipe()
    # What the machine itself has to say comes on fd 2: it is log.
    machine = start(Channels(log=log_write, out=1, err=err_write), stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=log_write, pass_fds=(err_write, log_write),
                    start_new_session=True)
    os.close(err_write)
    os.close(log_write)
    # Appending: some machines write into it themselves.
    with open(log, "ab") as log_file, open(output or os.devnull, "wb") as kept, \
            selectors.DefaultSelector() as selector:
        targets = {machine.stdout.fileno(): (sys.stdout.buffer, kept), err_read: (sys.stderr.buffer,),
                   log_read: (log_file,)}
        for fd in targets:
            selector.register(fd, selectors.EVENT_READ)
        try:
            while targets:
                now = time.monotonic()
                if now >= deadline:
                    return f"ran past {timeout:g} s"
                if now >= silent_until:
                    return f"wrote nothing for {idle:g} s"
                for key, _ in selector.select(min(deadline, silent_until) - now):
                    silent_until = time.monotonic() + idle
                    data = os.read(key.fd, 65536)
                    for file in targets[key.fd]:
                        file.write(data)
                        file.flush()
                    if not data:
                        selector.unregister(key.fd)
                        del targets[key.fd]
            return None
        finally:
            _stop(machine)
            for fd in (err_read, log_read):
                os.close(fd)
            machine.stdout.close()


def _with_terminal(start, log: pathlib.Path) -> None:
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise LabError("'lab shell' needs a terminal; use 'lab run -- COMMAND' in scripts")
    saved = termios.tcgetattr(0)
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
    (log.parent / "window").write_text(f"{rows} {columns}\n")
    with open(log, "ab") as log_file:
        # Same session: the terminal stays the controlling one.
        machine = start(Channels(log=2, terminal=True), stderr=log_file)
        try:
            machine.wait()
        finally:
            machine.kill()
            machine.wait()
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
