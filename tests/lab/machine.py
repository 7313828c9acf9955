"""Starts a board, passes a command's output through and keeps the kernel's log."""

import contextlib
import dataclasses
import datetime
import fcntl
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

import board as boards
import kernel_log
from cache import say
from debian import LabError

HERE = pathlib.Path(__file__).parent

# Exit statuses beside the command's own, after timeout(1) and env(1).
KERNEL_COMPLAINED = 123
TIMED_OUT = 124
LAB_FAILED = 125


@dataclasses.dataclass
class Job:
    board: boards.Board
    command: list[str]
    project: pathlib.Path
    directory: pathlib.Path
    environment: dict[str, str]
    kernel_args: list[str]
    timeout: float
    device_tree: pathlib.Path | None = None
    interactive: bool = False


def run(job: Job, kernel: pathlib.Path, rootfs: pathlib.Path) -> int:
    folder = _prepare(job)
    arguments = _arguments(job, folder, rootfs)
    log = folder / "kernel.log"
    status = folder / "status"
    started = time.monotonic()
    if job.interactive:
        timed_out = _with_terminal(kernel, arguments, log)
    else:
        timed_out = _with_pipes(kernel, arguments, log, job.timeout)
    (folder / "seconds").write_text(f"{time.monotonic() - started:.2f}\n")
    return _verdict(job, status, log, timed_out)


def _verdict(job: Job, status: pathlib.Path, log: pathlib.Path, timed_out: bool) -> int:
    text = log.read_text(encoding="utf-8", errors="replace")
    found = kernel_log.complaints(text)
    if found:
        say(f"the kernel complained ({len(found)} lines, the log is {log}):")
        for line in found[:20]:
            print(f"    {line}", file=sys.stderr)
    if timed_out:
        say(f"the command ran past {job.timeout:g} s and was stopped; the kernel's log is {log}")
        return TIMED_OUT
    if not status.exists():
        say(f"the machine ended before the command did; the end of its log ({log}):")
        print("".join(f"    {line}\n" for line in text.splitlines()[-15:]), file=sys.stderr)
        return LAB_FAILED
    code = int(status.read_text())
    return KERNEL_COMPLAINED if found and code == 0 else code


def _prepare(job: Job) -> pathlib.Path:
    """Make the folder of this run and write down what the guest is to do."""
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
    (folder / "command").write_text("".join(word + "\0" for word in job.command))
    (folder / "environment").write_text(
        "".join(f"{name}={value}\0" for name, value in job.environment.items()))
    (folder / "permissions").write_text("".join(line + "\n" for line in job.board.permissions))
    (folder / "user").write_text(job.board.user)
    source = job.device_tree.read_text() if job.device_tree else boards.device_tree(job.board)
    boards.compile_device_tree(source, folder / "board.dtb")
    latest = runs / "latest"
    with contextlib.suppress(OSError):
        latest.unlink(missing_ok=True)
        latest.symlink_to(folder.name)
    return folder


def _remove_old(runs: pathlib.Path, keep: int = 50) -> None:
    folders = sorted((p for p in runs.iterdir() if p.is_dir() and not p.is_symlink()),
                     key=lambda p: p.name)
    for path in folders[:-keep]:
        shutil.rmtree(path, ignore_errors=True)


def _encoded(path: pathlib.Path) -> str:
    """A path as one word of a kernel command line, for bash's printf %b."""
    return "".join(c if c.isalnum() and c.isascii() or c in "/._-" else
                   "".join(f"%{byte:02x}" for byte in c.encode()) for c in str(path))


def _arguments(job: Job, folder: pathlib.Path, rootfs: pathlib.Path) -> list[str]:
    arguments = [
        f"mem={job.board.memory}", "seccomp=on", "ncpus=2",
        "rootfstype=hostfs", f"rootflags={rootfs / 'root'}", "ro", "init=/lab-init", "panic=-1",
        f"dtb={folder / 'board.dtb'}",
        f"LAB_FOLDER={_encoded(HERE)}", f"LAB_PROJECT={_encoded(job.project)}",
        f"LAB_RUN={_encoded(folder)}", f"LAB_DIRECTORY={_encoded(job.directory)}",
    ]
    if job.interactive:
        arguments.append("LAB_SHELL=1")
    elif sys.stdout.isatty():
        arguments.append("LAB_TERMINAL=1")
    return arguments + list(job.board.kernel_args) + job.kernel_args


def _environment(memory: str) -> dict[str, str]:
    """The kernel keeps its memory in a file; give it a place with room."""
    environment = dict(os.environ)
    if "TMPDIR" not in environment:
        need = boards.size_of(memory)
        try:
            if shutil.disk_usage("/dev/shm").free < need:
                environment["TMPDIR"] = "/var/tmp"
        except OSError:
            environment["TMPDIR"] = "/var/tmp"
    return environment


def _start(kernel: pathlib.Path, arguments: list[str], channels: list[str], **files):
    memory = arguments[0].removeprefix("mem=")
    return subprocess.Popen([kernel / "linux", *arguments, *channels],
                            env=_environment(memory), start_new_session=True, **files)


def _stop(machine: subprocess.Popen) -> None:
    """End the kernel and the processes that stand for its address spaces."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(machine.pid, signal.SIGKILL)
    machine.wait()


def _with_pipes(kernel: pathlib.Path, arguments: list[str], log: pathlib.Path,
                timeout: float) -> bool:
    """Run with stdout, stderr and the kernel's console on pipes; say whether time ran out."""
    deadline = time.monotonic() + timeout
    err_read, err_write = os.pipe()
    log_read, log_write = os.pipe()
    channels = [f"con0=null,fd:{log_write}", "con1=null,fd:1", f"con2=null,fd:{err_write}"]
    # The kernel's own first words (checks of the host) come on fd 2: they are log.
    machine = _start(kernel, arguments, channels, stdin=subprocess.DEVNULL,
                     stdout=subprocess.PIPE, stderr=log_write, pass_fds=(err_write, log_write))
    os.close(err_write)
    os.close(log_write)
    with open(log, "wb") as log_file, selectors.DefaultSelector() as selector:
        targets = {machine.stdout.fileno(): sys.stdout.buffer, err_read: sys.stderr.buffer,
                   log_read: log_file}
        for fd in targets:
            selector.register(fd, selectors.EVENT_READ)
        try:
            while targets:
                left = deadline - time.monotonic()
                if left <= 0:
                    return True
                for key, _ in selector.select(left):
                    data = os.read(key.fd, 65536)
                    if data:
                        targets[key.fd].write(data)
                        targets[key.fd].flush()
                    else:
                        selector.unregister(key.fd)
                        del targets[key.fd]
            return False
        finally:
            _stop(machine)
            for fd in (err_read, log_read):
                os.close(fd)
            machine.stdout.close()


def _with_terminal(kernel: pathlib.Path, arguments: list[str], log: pathlib.Path) -> bool:
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise LabError("'lab shell' needs a terminal; use 'lab run -- COMMAND' in scripts")
    saved = termios.tcgetattr(0)
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
    (log.parent / "window").write_text(f"{rows} {columns}\n")
    with open(log, "wb") as log_file:
        # Same session: the terminal stays the controlling one.
        machine = subprocess.Popen(
            [kernel / "linux", *arguments, "con0=null,fd:2", "con1=fd:0,fd:1", "con2=null"],
            env=_environment(arguments[0].removeprefix("mem=")), stderr=log_file)
        try:
            machine.wait()
        finally:
            machine.kill()
            machine.wait()
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
    return False
