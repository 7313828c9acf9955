"""Debian packages for the lab, from the mirror that this machine's apt uses.

A private apt (its own lists, its own empty package database) resolves and
downloads; nothing is installed on the host and no privilege is needed.
"""

import os
import pathlib
import re
import subprocess

import cache

RELEASE = "trixie"
KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# Mesa before 26.1 lacks the dma-buf and sync-fd features that the tests need.
PREFERENCES = f"""\
Package: src:mesa
Pin: release n={RELEASE}-backports
Pin-Priority: 990
"""


class LabError(Exception):
    """Something that the person at the keyboard has to know or do."""


def mirror() -> str:
    """The address of the Debian archive in this machine's apt configuration."""
    out = subprocess.run(
        ["apt-get", "indextargets", "--format",
         "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(LABEL)", "Created-By: Packages"],
        capture_output=True, text=True, check=False).stdout
    rows = [line.split("|") for line in out.splitlines()]
    debian = [uri for uri, _, component, label in rows
              if component == "main" and label == "Debian"]
    # Before the first `apt-get update` no label is known: go by the suite.
    likely = [uri for uri, release, component, _ in rows
              if component == "main" and "security" not in release + uri
              and re.match(r"(bookworm|trixie|stable|testing|oldstable)$", release)]
    for uri in debian + likely:
        return uri
    raise LabError("apt on this machine knows no Debian archive with the component main; "
                   "add one to /etc/apt/sources.list and run 'apt-get update'")


def proxies() -> list[str]:
    """The lines of this machine's apt configuration that say how to reach mirrors."""
    out = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    return re.findall(r'^(Acquire::https?::Proxy\S* ".+";)$', out, re.MULTILINE)


class Apt:
    def __init__(self) -> None:
        self.folder = cache.root() / "apt"
        self.environment = dict(os.environ, APT_CONFIG=str(self.folder / "apt.conf"), LC_ALL="C")

    def prepare(self) -> None:
        """Write the private configuration and fetch the package lists."""
        if not KEYRING.exists():
            raise LabError(f"{KEYRING} is missing; install the package debian-archive-keyring")
        for name in ("lists/partial", "archives/partial", "preferences.d"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        uri = mirror()
        suites = (RELEASE, f"{RELEASE}-updates", f"{RELEASE}-backports")
        self._write("sources.list", "".join(
            f"deb [signed-by={KEYRING}] {uri} {suite} main\n" for suite in suites))
        self._write("preferences.d/mesa", PREFERENCES)
        self._write("status", "")
        self._write("apt.conf", f"""\
Dir::Etc::sourcelist "{self.folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "{self.folder}/preferences.d";
Dir::State::lists "{self.folder}/lists";
Dir::State::status "{self.folder}/status";
Dir::State::extended_states "{self.folder}/extended_states";
Dir::Cache "{self.folder}";
Dir::Cache::archives "{self.folder}/archives";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "";
APT::Install-Recommends "false";
""")
        cache.say(f"reading the package lists of {RELEASE} and {RELEASE}-backports")
        self._run(["apt-get", "-q", "update"], "the package lists cannot be read")

    def kernel_source(self, series: str = "") -> str:
        """The name of the linux-source package of a series, or of the newest there is."""
        names = self._run(["apt-cache", "pkgnames", "linux-source-"], "no package names").split()
        found = []
        for name in names:
            match = re.fullmatch(r"linux-source-(\d+)\.(\d+)", name)
            if match and series in ("", f"{match[1]}.{match[2]}"):
                found.append((int(match[1]), int(match[2]), name))
        if not found:
            raise LabError(f"the Debian archive has no package linux-source-{series or '*'} in {RELEASE}")
        return max(found)[2]

    def version(self, package: str) -> str:
        out = self._run(["apt-cache", "policy", package], f"no package {package}")
        match = re.search(r"Candidate: (\S+)", out)
        if not match or match[1] == "(none)":
            raise LabError(f"the Debian archive has no package {package} in {RELEASE}")
        return match[1]

    def download(self, package: str, folder: pathlib.Path) -> pathlib.Path:
        """Download one package without what it depends on; return the file."""
        self._run(["apt-get", "-q", "download", package], f"{package} cannot be downloaded", folder)
        return next(folder.glob(f"{package}_*.deb"))

    def download_closure(self, packages: list[str]) -> list[pathlib.Path]:
        """Download packages and all that they depend on; return the files."""
        self._run(["apt-get", "-q", "-y", "--download-only", "install", *packages],
                  "the packages of the root file system cannot be downloaded")
        uris = self._run(["apt-get", "-qq", "--print-uris", "--reinstall", "install", *packages],
                         "the packages of the root file system cannot be listed")
        if uris.strip():
            raise LabError("apt left packages of the root file system behind:\n" + uris)
        plan = self._run(["apt-get", "-q", "--simulate", "install", *packages],
                         "the packages of the root file system cannot be resolved")
        files = []
        for name, version in re.findall(r"^Inst (\S+) \((\S+) ", plan, re.MULTILINE):
            escaped = version.replace(":", "%3a")
            files += (self.folder / "archives").glob(f"{name}_{escaped}_*.deb")
        return files

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def _run(self, command: list[str], problem: str, folder: pathlib.Path | None = None) -> str:
        done = subprocess.run(command, env=self.environment, cwd=folder,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"{problem}: {' '.join(command)} says:\n{done.stderr.strip()}")
        return done.stdout
