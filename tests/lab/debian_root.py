"""Whole Debian systems in folders: other compilers to build with, and fresh machines to start on.

mmdebstrap makes a bare system once, as an archive. From that come

- the build root of a release: with what scripts/deps installs for the build and the tests, kept
  in the cache, read-only, with the project at its own path;
- a fresh machine: thrown away afterwards, with nothing but apt, empty package lists and a clone
  of the project.

bubblewrap runs commands in them. Its mounts end with the command, so nothing has to be undone.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import cache
import debian
from debian import LabError
from privilege import as_root, remove

RELEASES = ("bookworm", "trixie")
# Roots to build in. After a dash comes another architecture than this machine's, for which the
# packages of that name (scripts/deps) build.
ROOTS = (*RELEASES, "trixie-i386")

# Raise it when the way of making changes and old roots must not be used.
RECIPE = 2

# What a build root has, in the words of scripts/deps.
GROUPS = ("build", "test", "check")


def _architecture(name: str) -> str:
    return name.partition("-")[2]


def _groups(name: str) -> tuple[str, ...]:
    return (_architecture(name),) if _architecture(name) else GROUPS


def _build_entry(name: str) -> str:
    """What the cache calls a build root: no name may begin with another one."""
    return "-".join(["build", *reversed(name.split("-"))])


# Nobody reads it there, and it is a tenth of the whole.
LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*")

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What programs there see of this environment: the beginnings of names. A fresh machine knows
# only how to reach others.
NETWORK = ("http_proxy", "https_proxy", "no_proxy")
SETTINGS = (*NETWORK, "CC", "CXX", "CCACHE_", "COMMONBUF_", "GTEST_", "ASAN_", "UBSAN_")


def why_not() -> str | None:
    """Why no root can be entered on this machine; None where it can."""
    for program in ("bwrap", "mmdebstrap"):
        if shutil.which(program) is None:
            return f"{program} is missing; scripts/deps root installs it"
    # Where no user namespace is to be had, unshare leaves a process behind that waits for its ids
    # without an end: so that is asked without ids first.
    first = ["unshare", "--user", "true"] if os.geteuid() != 0 else ["true"]
    for command in (first, [*as_root(), *_bubble("try"), "--ro-bind", "/", "/", *_devices(), "true"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
            advice = "" if os.geteuid() == 0 else "; an ordinary user needs user namespaces and a line in /etc/subuid"
            return f"no namespaces here ({said}){advice}"
    return None


def in_build_root(name: str, project: pathlib.Path, command: list[str], directory: pathlib.Path) -> int:
    """Run a command in a build root; its exit status."""
    root = _build_root(name, project)
    ccache = cache.root() / "ccache"
    ccache.mkdir(parents=True, exist_ok=True)
    environment = _environment(name, SETTINGS) | {"CCACHE_DIR": str(ccache)}
    return _run(name, _read_only(root), [*_bind(project), *_bind(ccache)], environment, directory, command)


def in_fresh_root(release: str, project: pathlib.Path, command: list[str], share_cache: bool) -> int:
    """Run a command on a fresh machine, in a clone of the project; its exit status.

    The clone has what is not committed too. What it wrote to out/ is in the project's
    out/fresh/RELEASE/ afterwards.
    """
    archive = _bare(release)
    kept = project / "out/fresh" / release
    if kept.exists():
        shutil.rmtree(kept)
    home = pathlib.Path("/root/commonbuf")
    environment = _environment(release)
    more = []
    if share_cache:
        environment["XDG_CACHE_HOME"] = str(cache.root().parent)
        more = _bind(cache.root())
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(tempfile.mkdtemp(prefix=f"fresh-{release}-", dir=cache.root()))
        stack.callback(remove, folder)
        root, clone = folder / "root", folder / "project"
        _unpack(archive, root)
        _clone(project, clone)
        try:
            return _run(release, _writable(root), [*_names(), "--bind", str(clone), str(home), *more], environment, home,
                        command)
        finally:
            if (clone / "out").exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(clone / "out", kept)


def bare_key(release: str) -> str:
    return cache.key_of(str(RECIPE), release, *LEFT_OUT)


def build_key(name: str, project: pathlib.Path) -> str:
    groups = _groups(name)
    return cache.key_of(str(RECIPE), bare_key(name.partition("-")[0]), " ".join(groups), _packages(project, groups))


def remove_old(project: pathlib.Path | None) -> int:
    """Remove the roots of other versions, without a project all; how many there were."""
    count = 0
    for release in RELEASES:
        count += cache.remove_others(f"debian-{release}", bare_key(release) if project else "")
    for name in ROOTS:
        count += cache.remove_others(_build_entry(name), build_key(name, project) if project else "")
    return count


def _packages(project: pathlib.Path, groups: tuple[str, ...]) -> str:
    return subprocess.run([project / "scripts/deps", "--list", *groups],
                          capture_output=True, text=True, check=True).stdout


def _bare(release: str) -> pathlib.Path:
    """The archive of a system that has only what Debian calls essential, and apt."""
    return cache.ensure(f"debian-{release}", bare_key(release), lambda folder: _make_bare(release, folder)) / "root.tar"


def _make_bare(release: str, folder: pathlib.Path) -> None:
    if not debian.KEYRING.exists():
        raise LabError(f"{debian.KEYRING} is missing; install the package debian-archive-keyring")
    mirror = debian.mirror()
    cache.say(f"making a bare Debian {release} from {mirror}")
    command = ["mmdebstrap", "--variant=apt", "--format=tar", f"--keyring={debian.KEYRING}",
               # Nobody's data: it need not survive a loss of power.
               "--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
               *(f"--aptopt={line}" for line in debian.proxies())]
    if mirror.startswith("https:"):
        command.append("--include=ca-certificates")
    _must([*command, release, str(folder / "root.tar"), mirror], f"a bare Debian {release} cannot be made")


def _build_root(name: str, project: pathlib.Path) -> pathlib.Path:
    def make(folder: pathlib.Path) -> None:
        root = folder / "root"
        _unpack(_bare(name.partition("-")[0]), root)
        cache.say(f"installing in it what the build and the tests need ({' '.join(_groups(name))})")
        commands = [["scripts/deps", "--quiet", *_groups(name)]]
        if _architecture(name):
            commands.insert(0, ["dpkg", "--add-architecture", _architecture(name)])
        for command in commands:
            if _run(name, _writable(root), [*_names(), *_bind(project)], _environment(name), project, command) != 0:
                raise LabError(f"the packages of the Debian {name} root cannot be installed")
        _must([*as_root(), "find", str(root / "var/cache/apt/archives"), str(root / "var/lib/apt/lists"),
               "-type", "f", "-delete"], "apt's files cannot be removed")

    return cache.ensure(_build_entry(name), build_key(name, project), make) / "root"


def _unpack(archive: pathlib.Path, root: pathlib.Path) -> None:
    root.mkdir()
    _must([*as_root(), "tar", "-xpf", str(archive), "--numeric-owner", "--exclude=./dev/*", "-C", str(root)],
          f"{archive} cannot be unpacked")


def _clone(project: pathlib.Path, clone: pathlib.Path) -> None:
    _must(["git", "clone", "--quiet", "--no-hardlinks", str(project), str(clone)], f"{project} cannot be cloned")
    changed = subprocess.run(["git", "-C", str(project), "ls-files", "-z", "--modified", "--others",
                              "--exclude-standard"], capture_output=True, text=True, check=True).stdout
    for name in filter(None, changed.split("\0")):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        if (project / name).exists():
            shutil.copy2(project / name, clone / name)
        else:
            (clone / name).unlink(missing_ok=True)


def _bubble(release: str) -> list[str]:
    return ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", release,
            "--cap-add", "ALL"]


def _devices() -> list[str]:
    """The devices of this machine, which tests look for; everything else is the root's own."""
    return ["--dev-bind", "/dev", "/dev", "--ro-bind", "/sys", "/sys", "--proc", "/proc",
            "--perms", "1777", "--tmpfs", "/tmp", "--tmpfs", "/run"]


def _bind(path: pathlib.Path) -> list[str]:
    return ["--bind", str(path), str(path)]


def _names() -> list[str]:
    """How this machine finds others, for those that download."""
    return [word for file in ("/etc/resolv.conf", "/etc/hosts") if os.path.exists(file)
            for word in ("--ro-bind", os.path.realpath(file), file)]


def _writable(root: pathlib.Path) -> list[str]:
    return ["--bind", str(root), "/"]


def _read_only(root: pathlib.Path) -> list[str]:
    """Everything of a root, in a folder where mount points can be made."""
    words = []
    for path in sorted(root.iterdir()):
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), f"/{path.name}"]
        elif path.name not in ("dev", "proc", "root", "run", "sys", "tmp"):
            words += ["--ro-bind", str(path), f"/{path.name}"]
    return [*words, "--tmpfs", "/root"]


def _environment(release: str, passed_on: tuple[str, ...] = NETWORK) -> dict[str, str]:
    """What a command finds, with a mark of where it is."""
    passed = {name: value for name, value in os.environ.items() if name.startswith(passed_on)}
    return passed | {"HOME": "/root", "USER": "root", "PATH": PATH, "LANG": "C.UTF-8",
                     "TERM": os.environ.get("TERM", "dumb"), "COMMONBUF_ROOT": release}


def _run(release: str, root: list[str], mounts: list[str], environment: dict[str, str], directory: pathlib.Path,
         command: list[str]) -> int:
    variables = [word for name, value in environment.items() for word in ("--setenv", name, value)]
    # The last one wins: the project may be in /tmp, and the cache in /root.
    return subprocess.run([*as_root(), *_bubble(release), *root, *_devices(), *mounts, "--clearenv", *variables,
                           "--chdir", str(directory), "--", *command], check=False).returncode


def _must(command: list[str], problem: str) -> None:
    status = subprocess.run(command, check=False).returncode
    if status != 0:
        raise LabError(f"{problem}: {command[0]} ended with status {status}")
