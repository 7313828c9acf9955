"""The lab's kernels, from Debian's source packages: a user-mode one, and one for PCs."""

import dataclasses
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import time

import cache
from debian import Apt, LabError

HERE = pathlib.Path(__file__).parent
COMMON = HERE / "kernel.config"
# Without the others the lab runs, with frames lost or complaints in its log.
NEEDED = {"uml-cma"}
# They apply to older kernels too, and do not compile there.
FROM = {"noncoherent-heap": (7, 0)}

# In `version`, before the patches that were left out.
WITHOUT = ", without "

# Raise it when the way of building changes and old builds must not be used.
RECIPE = 1


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One way to build Linux; the entry in the cache has `config`, `version` and the product."""
    entry: str
    what: str
    architecture: str
    product: str
    fragment: pathlib.Path
    patches: tuple[pathlib.Path, ...]
    # How many files it has, about, on Linux 7.3.
    steps: int
    # Which Linux, as "6.12"; the newest if it says nothing.
    series: str = ""

    def of(self, series: str) -> "Kernel":
        """The same kernel of another Linux, beside it in the cache. Where its code is another one, a patch has a
        form for the series, in a folder of that name."""
        if not series:
            return self
        forms = (patch.parent / series / patch.name for patch in self.patches)
        patches = tuple(form if form.exists() else patch for form, patch in zip(forms, self.patches))
        return dataclasses.replace(self, series=series, entry=self.entry + series, what=f"{self.what} {series}",
                                   patches=patches)


def _patches(folder: str) -> tuple[pathlib.Path, ...]:
    return tuple(sorted((HERE / folder).glob("*.patch")))


UML = Kernel("kernel", "user-mode kernel", "um", "linux", HERE / "kernel-uml.config", _patches("patches"), 1500)
# Its patches add drivers and change nothing: what holds here holds on a machine with a kernel of its own.
PC = Kernel("pc-kernel", "kernel for PCs", "x86_64", "vmlinux", HERE / "kernel-pc.config", _patches("patches-pc"), 1990)


def has_patch(kernel: Kernel, folder: pathlib.Path, name: str) -> bool:
    """Whether the kernel in a folder of the cache was built with a patch."""
    _, _, left_out = (folder / "version").read_text(encoding="utf-8").partition(WITHOUT)
    return name in (patch.stem for patch in kernel.patches) and name not in left_out.strip().split(", ")


def _compiler() -> str:
    return subprocess.run(["gcc", "-dumpfullversion", "-dumpmachine"],
                          capture_output=True, text=True, check=True).stdout


def _host() -> str:
    release = platform.freedesktop_os_release()
    return release.get("ID", "") + release.get("VERSION_ID", "")


def key(kernel: Kernel) -> str:
    lines, optional = wanted(kernel)
    # The user-mode kernel is linked against the host's C library, hence the host.
    return cache.key_of(str(RECIPE), *([kernel.series] if kernel.series else []), *lines, "", *sorted(optional), "",
                        *(patch.read_text() for patch in kernel.patches), _compiler(), _host())


def ensure(kernel: Kernel, apt) -> pathlib.Path:
    """Return the kernel's folder in the cache."""
    if platform.machine() != "x86_64":
        raise LabError(f"the lab's kernels are for x86-64, and this is {platform.machine()}")
    return cache.ensure(kernel.entry, key(kernel), lambda folder: _make(kernel, apt(), folder))


def _make(kernel: Kernel, apt: Apt, folder: pathlib.Path) -> None:
    package = apt.kernel_source(kernel.series)
    version = apt.version(package)
    cache.say(f"downloading {package} {version}")
    deb = apt.download(package, folder)
    cache.say("unpacking it")
    tree = folder / "tree"
    tree.mkdir()
    _quiet(["dpkg-deb", "-x", deb, folder / "deb"])
    archive = next((folder / "deb/usr/src").glob("linux-source-*.tar.xz"))
    _quiet(["tar", "-xf", archive, "-C", tree, "--strip-components=1"])
    number = tuple(map(int, package.removeprefix("linux-source-").split(".")))
    left_out = [patch.stem for patch in kernel.patches if not _apply(patch, tree, number)]
    configure(kernel, tree)
    _compile(kernel, tree)
    shutil.copy2(tree / kernel.product, folder / kernel.product)
    _quiet(["strip", "--strip-debug", folder / kernel.product])
    shutil.copy2(tree / ".config", folder / "config")
    remark = f"{WITHOUT}{', '.join(left_out)}" if left_out else ""
    (folder / "version").write_text(f"{package} {version}{remark}\n", encoding="utf-8")
    shutil.rmtree(tree)
    shutil.rmtree(folder / "deb")
    deb.unlink()


def _apply(patch: pathlib.Path, tree: pathlib.Path, number: tuple[int, ...]) -> bool:
    """Apply a patch; False where this kernel has other code in its place."""
    command = ["patch", "-p1", "-s", "-d", str(tree), "-i", str(patch.resolve())]
    too_old = number < FROM.get(patch.stem, number)
    if not too_old and subprocess.run([*command, "--dry-run"], capture_output=True, check=False).returncode == 0:
        _quiet(command)
        return True
    if patch.stem in NEEDED:
        raise LabError(f"{patch.name} does not apply to this kernel, and the lab needs it")
    cache.say(f"{patch.name} does not apply to this kernel and is left out")
    return False


def wanted(kernel: Kernel) -> tuple[list[str], set[str]]:
    """The lines of the configuration, and those that may be missing."""
    lines, optional = [], set()
    for line in (COMMON.read_text() + kernel.fragment.read_text()).splitlines():
        setting, _, remark = line.partition("\t")
        if setting.startswith("CONFIG_"):
            lines.append(setting)
            if "where it exists" in remark:
                optional.add(setting)
    return lines, optional


def configure(kernel: Kernel, tree: pathlib.Path) -> None:
    lines, optional = wanted(kernel)
    fragment = tree / "lab.config"
    fragment.write_text("\n".join(lines) + "\n", encoding="utf-8")
    _quiet(["make", "-C", tree, f"ARCH={kernel.architecture}", f"KCONFIG_ALLCONFIG={fragment}",
            "allnoconfig"])
    result = set((tree / ".config").read_text().splitlines())
    dropped = [line for line in lines if line not in result and line not in optional]
    if dropped:
        raise LabError("Kconfig dropped " + ", ".join(dropped) + "; this kernel needs another "
                       f"fragment (tests/lab/{COMMON.name}, {kernel.fragment.name})")


def _compile(kernel: Kernel, tree: pathlib.Path) -> None:
    """Build, saying now and then how far it is."""
    jobs = str(len(os.sched_getaffinity(0)))
    log = tree / "build.log"
    steps, said = 0, time.monotonic()
    with open(log, "w", encoding="utf-8") as out:
        build = subprocess.Popen(["make", "-C", str(tree), f"ARCH={kernel.architecture}", f"-j{jobs}",
                                  kernel.product], text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
        try:
            for line in build.stdout:
                out.write(line)
                if re.match(r"\s+(CC|AS|AR|LD)\s", line):
                    steps += 1
                if time.monotonic() - said > 15:
                    said = time.monotonic()
                    cache.say(f"building the {kernel.what}: {steps} steps of about {kernel.steps:,}")
            status = build.wait()
        except BaseException:
            build.terminate()
            build.wait()
            raise
    if status != 0:
        tail = "".join(log.read_text().splitlines(keepends=True)[-25:])
        print(tail, file=sys.stderr)
        raise LabError(f"the {kernel.what} does not build; the end of its log is above")


def _quiet(command: list) -> None:
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr).strip()[-2000:]}")
