"""Which tests of `integration` must run on a board: lists that people keep, as kernel CI does.

all.tests names every test. Each of them must run on each board, except those of which the board's
own list, boards/NAME.tests, says something else. Its lines are

    skip   PATTERN  REASON    does not apply there
    flake  PATTERN  REASON    may skip there, by chance, saying REASON
    run    PATTERN            must run there all the same

`*` and `?` in a pattern are wild, and the last line that matches a test counts. A list in
variants/ has lines of the same form, for a board that somebody has changed or a build that lacks
something; they count after the board's.
"""

import dataclasses
import pathlib
import re
import textwrap

from debian import LabError

HERE = pathlib.Path(__file__).parent
ALL = HERE / "all.tests"
VARIANTS = HERE / "variants"
WORDS = ("run", "flake", "skip")


def of_board(name: str) -> pathlib.Path:
    return HERE / "boards" / f"{name}.tests"


def paths(board: str, variants: list[str]) -> list[pathlib.Path]:
    """The lists that count, in their order."""
    return [of_board(board), *(VARIANTS / f"{name}.tests" for name in variants)]


def matches(pattern: str, name: str) -> bool:
    """As GoogleTest matches: a bracket is only a bracket."""
    wild = {"*": ".*", "?": "."}
    return re.fullmatch("".join(wild.get(c, re.escape(c)) for c in pattern), name) is not None


@dataclasses.dataclass(frozen=True)
class Line:
    word: str
    pattern: str
    reason: str = ""
    list_name: str = ""

    def text(self) -> str:
        return f"{self.word:<5} {self.pattern}  {self.reason}".rstrip()


MUST_RUN = Line("run", "*", list_name=ALL.name)


def parse(text: str, list_name: str) -> list[Line]:
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        word, pattern, reason = [*line.split(None, 2), "", ""][:3]
        if word not in WORDS or not pattern:
            raise LabError(f"{list_name}:{number}: {line!r} is no line of such a list; "
                           f"write {', '.join(WORDS)}, a test and the reason")
        if word != "run" and not reason:
            raise LabError(f"{list_name}:{number}: {word} {pattern} has no reason")
        lines.append(Line(word, pattern, reason.strip(), list_name))
    return lines


def read_names() -> list[str]:
    return [line for line in ALL.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def read(path: pathlib.Path) -> list[Line]:
    try:
        return parse(path.read_text(encoding="utf-8"), str(path.relative_to(HERE)))
    except FileNotFoundError as error:
        there = ", ".join(sorted(each.stem for each in path.parent.glob("*.tests")))
        raise LabError(f"there is no list {path.relative_to(HERE)}; of such lists there are: {there}") from error


@dataclasses.dataclass(frozen=True)
class Expected:
    names: list[str]
    lines: list[Line]
    # For people: where all this is written down.
    lists: list[str]

    def of(self, name: str) -> Line:
        return next((line for line in reversed(self.lines) if matches(line.pattern, name)), MUST_RUN)


def load(board: str, variants: list[str]) -> Expected:
    lists = paths(board, variants)
    lines = [line for path in lists for line in read(path)]
    return Expected(read_names(), lines, [ALL.name, *(str(path.relative_to(HERE)) for path in lists)])


# What became of a test.
RAN, SKIPPED = "ran", "skipped"


@dataclasses.dataclass(frozen=True)
class Outcome:
    what: str
    # Why it skipped, in its own words.
    reason: str = ""


def _may_skip(line: Line, outcome: Outcome) -> bool:
    return line.word == "flake" and outcome.what == SKIPPED and line.reason in outcome.reason


def _agrees(line: Line, outcome: Outcome) -> bool:
    return _may_skip(line, outcome) or (outcome.what == SKIPPED) == (line.word == "skip")


def _shortened(reason: str) -> str:
    return textwrap.shorten(reason, 100, placeholder=" ...") or "the test does not say why"


def differences(expected: Expected, outcomes: dict[str, Outcome], selected) -> list[str]:
    """What was not as listed, of the tests that selected(name) is true for: "NAME: what"."""
    found = []
    for name in filter(selected, expected.names):
        line, outcome = expected.of(name), outcomes.get(name)
        if line.word == "skip":
            if outcome and outcome.what == RAN:
                found.append(f"{name}: ran, but does not apply, says {line.list_name} ({line.reason})")
        elif outcome is None:
            found.append(f"{name}: must run, and never started")
        elif not _agrees(line, outcome):
            but = f" (it may for: {line.reason})" if line.word == "flake" else ""
            found.append(f"{name}: must run, and skipped: {_shortened(outcome.reason)}{but}")
    known = set(expected.names)
    found += [f"{name}: is not in {ALL.name}" for name in sorted(outcomes) if name not in known]
    return found


def flakes(expected: Expected, outcomes: dict[str, Outcome]) -> list[str]:
    """The tests that skipped and may."""
    return [name for name, outcome in outcomes.items()
            if _may_skip(expected.of(name), outcome)]


def updated(text: str, base: Expected, outcomes: dict[str, Outcome]) -> str:
    """A list anew: lines and comments that are still right stay, and what is different from
    the lists before it is added."""
    old = Expected(base.names, parse(text, ""), [])
    wrong = [old.of(name) for name, outcome in outcomes.items() if not _agrees(old.of(name), outcome)]
    kept, lines = [], []
    for written in text.splitlines():
        line = next(iter(parse(written, "")), None)
        if line and (line in wrong or not any(matches(line.pattern, name) for name in base.names)):
            continue
        if line:
            lines.append(line)
        kept.append(written)
    added: list[Line] = []
    while True:
        so_far = Expected(base.names, base.lines + lines + added, [])
        next_one = next((name for name in base.names
                         if name in outcomes and not _agrees(so_far.of(name), outcomes[name])), None)
        if next_one is None:
            return "".join(line + "\n" for line in [*kept, *(line.text() for line in added)])
        added.append(_line_for(next_one, outcomes, so_far))


def _line_for(name: str, outcomes: dict[str, Outcome], so_far: Expected) -> Line:
    """A line that sets a test right; if most of its suite skipped for the same reason, one for the suite."""
    outcome = outcomes[name]
    if outcome.what == RAN:
        return Line("run", name)
    everyone = name.split(".")[0] + ".*"
    suite = [other for other in so_far.names if matches(everyone, other)]
    alike = [other for other in suite if outcomes.get(other) == outcome]
    one_line = 2 <= len(alike) > len(suite) / 2 and all(so_far.of(other).word == "run" for other in suite)
    return Line("skip", everyone if one_line else name, _shortened(outcome.reason))


def write_names(names: list[str]) -> None:
    ALL.write_text("# Every test of `integration`. On each board each of them must run, except as its list says.\n"
                   "# scripts/lab tests --update writes this.\n" + "".join(name + "\n" for name in names),
                   encoding="utf-8")


def update(lists: list[pathlib.Path], outcomes: dict[str, Outcome]) -> None:
    """Write the last of some lists anew."""
    before = [line for path in lists[:-1] for line in read(path)]
    text = updated(lists[-1].read_text(encoding="utf-8"), Expected(read_names(), before, []), outcomes)
    lists[-1].write_text(text, encoding="utf-8")
