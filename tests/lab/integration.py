"""The program `integration` on a board: which of its tests are asked for, and what became of them.

Whether a test skips is decided by the program, which asks the library that it tests. Whether it
must run is decided here, by the lists of expected.py.
"""

import dataclasses
import json
import pathlib
import re

import expected
from cache import say
from debian import LabError
from expected import RAN, SKIPPED, Expected, Outcome
from job import Job

NAME = "integration"
# With these it runs no test.
_NO_RUN = ("--gtest_list_tests", "--help", "-h")


@dataclasses.dataclass(frozen=True)
class Run:
    """One that a job starts."""
    command: list[str]
    filter: str
    report: pathlib.Path
    output: pathlib.Path
    expected: Expected

    def selects(self, name: str) -> bool:
        positive, _, negative = self.filter.partition("-")
        return _any(positive or "*", name) and not _any(negative, name)

    def as_listed(self, status: int) -> bool:
        """Whether all went as the lists have it. Says what did not, each in a line that scripts/test counts."""
        outcomes = read(self.report, self.output)
        if outcomes is None and status != 0:
            say(f"{NAME} left no report of its tests")
            return False
        if outcomes is None:
            say(f"not as listed: {NAME}: ended well without its report {self.report}")
            return False
        flakes = expected.flakes(self.expected, outcomes)
        if flakes:
            say(f"skipped, as they may now and then: {', '.join(flakes)}")
        found = expected.differences(self.expected, outcomes, self.selects)
        for line in found:
            say(f"not as listed: {line}")
        if found:
            say(f"the lists are {', '.join(self.expected.lists)} in tests/lab; where they are wrong, "
                "'scripts/lab tests --update' writes them anew")
        return not found


def _any(patterns: str, name: str) -> bool:
    return any(expected.matches(pattern, name) for pattern in patterns.split(":"))


def started_by(job: Job) -> Run | None:
    """The run of the tests that a job is, told to write its report into the job's folder unless it is told
    where already; None if the job's command is another one."""
    command = job.command
    at = next((i for i, word in enumerate(command) if pathlib.PurePath(word).name == NAME), None)
    if at is None or any(word in _NO_RUN for word in command[at + 1:]):
        return None
    report = _option(job, at, "output")
    if report is None:
        report = f"json:{job.folder / NAME}.json"
        command = [*command[:at + 1], f"--gtest_output={report}", *command[at + 1:]]
    path = (job.directory / report.removeprefix("json:")).resolve()
    if not report.startswith("json:") or report.endswith("/") or not path.is_relative_to(job.project.resolve()):
        raise LabError(f"the lab reads the report of the tests: ask for json:FILE below {job.project}, not for {report}")
    # One of an earlier run must not count.
    path.unlink(missing_ok=True)
    if path.parent == job.folder:
        # The ordinary user of some boards writes it.
        path.touch()
        path.chmod(0o666)
    return Run(command, _option(job, at, "filter") or "*", path, job.folder / "output",
               expected.load(job.board.name, job.variants))


def _option(job: Job, at: int, name: str) -> str | None:
    """What GoogleTest is told, by the words of a command after its name, or else by the environment."""
    values = [word.split("=", 1)[1] for word in job.command[at + 1:] if word.startswith(f"--gtest_{name}=")]
    return values[-1] if values else job.environment.get(f"GTEST_{name.upper()}")


_TOLD = re.compile(r"\[ +(?:RUN|OK|FAILED|SKIPPED) +\] ")
_SKIPPED = re.compile(r"\[ +SKIPPED +\] ([^\s,]+) \(\d+ ms\)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def reasons(output: str) -> dict[str, str]:
    """Why tests skipped, in the words of their output."""
    found: dict[str, str] = {}
    said: list[str] = []
    for line in _COLOURS.sub("", output).splitlines():
        skipped = _SKIPPED.search(line)
        if skipped:
            found[skipped[1]] = " ".join(said)
        if _TOLD.search(line) or re.search(r":\d+: Skipped$", line):
            said = []
        elif line.strip():
            said.append(line.strip())
    return found


def read(report: pathlib.Path, output: pathlib.Path) -> dict[str, Outcome] | None:
    """What became of each test; None if there is no report."""
    try:
        suites = json.loads(report.read_text(encoding="utf-8", errors="replace"))["testsuites"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    why = reasons(output.read_text(encoding="utf-8", errors="replace")) if output.exists() else {}
    outcomes = {}
    for suite in suites:
        for test in suite["testsuite"]:
            name = f"{suite['name']}.{test['name']}"
            if test["result"] == "COMPLETED" or test.get("failures"):
                outcomes[name] = Outcome(RAN)
            elif test["result"] == "SKIPPED":
                outcomes[name] = Outcome(SKIPPED, why.get(name, ""))
    return outcomes


def listed(text: str) -> list[str]:
    """The names in what --gtest_list_tests prints, sorted."""
    names, suite = [], ""
    for line in text.splitlines():
        word = line.split("#")[0]
        if word.startswith("  "):
            names.append(suite + word.strip())
        elif re.fullmatch(r"\S+\.", word.strip()):
            suite = word.strip()
    return sorted(names)
