"""The rules of docs/architecture.md that a reader relies on, held against the tree."""

import pathlib
import re
import unittest

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent

ARCHITECTURE = PROJECT / "docs/architecture.md"


def read_rooms():
    """The table of rooms in docs/architecture.md, from the top of the house to its ground."""
    rows = re.findall(r"^\| `([\w/]+)` \|[^|]*\|([^|]*)\|$", ARCHITECTURE.read_text(), re.MULTILINE)
    return {room: set(re.findall(r"`([\w/]+)`", below)) for room, below in rows}


ROOMS = read_rooms()
PURE = ("base", "format", "negotiate", "explain")

INCLUDE = re.compile(r'^\s*#include\s+(["<])([^">]+)[">]', re.MULTILINE)
SYSTEM_CALL = re.compile(r"(?<![\w:])::(open|openat|close|ioctl|mmap|munmap|mprotect|read|write|poll|ppoll|eventfd|timerfd_create|timerfd_settime|sigaction|"
                         r"lseek|fstat|stat|fcntl|dup|memfd_create|ftruncate|readlink|opendir|"
                         r"syscall|socketpair|fork|clone|waitpid|kill)\(")


def sources(*folders):
    for folder in folders:
        for path in sorted((PROJECT / folder).rglob("*")):
            if path.suffix in (".cpp", ".hpp"):
                yield path


def includes(path):
    return [(kind, name) for kind, name in INCLUDE.findall(path.read_text())]


def room_of(name):
    """The room that a path below src/ is in, or None."""
    return next((room for room in ROOMS if name.startswith(room + "/")), None)


class Rooms(unittest.TestCase):
    def test_the_table_is_there(self):
        self.assertGreater(len(ROOMS), 10, "docs/architecture.md has no table of rooms")

    def test_every_source_is_in_a_room(self):
        for path in sources("src"):
            name = str(path.relative_to(PROJECT / "src"))
            self.assertIsNotNone(room_of(name), f"src/{name} is in no room")

    def test_every_room_is_there(self):
        for room in ROOMS:
            self.assertTrue((PROJECT / "src" / room).is_dir(), f"src/{room} does not exist")

    def test_no_room_points_back_up(self):
        above = []
        for room, below in ROOMS.items():
            above.append(room)
            for other in below:
                self.assertIn(other, ROOMS, f"{room} may include {other}, which is no room")
                self.assertNotIn(other, above, f"{room} may include {other}, which stands above it")

    def test_rooms_include_only_what_they_may(self):
        wrong = []
        for path in sources("src"):
            name = str(path.relative_to(PROJECT / "src"))
            room = room_of(name)
            for kind, target in includes(path):
                if kind == '"' and room_of(target) not in ROOMS.get(room, set()) | {room}:
                    wrong.append(f"{name} includes {target}")
        self.assertEqual(wrong, [])

    def test_pure_rooms_make_no_system_call(self):
        forbidden = re.compile(r"sys/|unistd\.h|fcntl\.h|poll\.h|linux/(?!videodev2\.h)")
        for path in sources(*(f"src/{room}" for room in PURE)):
            for _, target in includes(path):
                self.assertIsNone(forbidden.match(target), f"{path.name} includes {target}")

    def test_system_calls_go_through_one_door(self):
        for path in sources("src"):
            if path.is_relative_to(PROJECT / "src/os"):
                continue
            found = SYSTEM_CALL.search(path.read_text())
            self.assertIsNone(found, f"{path}: {found and found[0]} goes past src/os")


    def test_the_environment_is_not_asked_by_privileged_programs(self):
        for path in sources("src"):
            found = re.search(r"(?<!secure_)getenv\(", path.read_text())
            self.assertIsNone(found, f"{path} asks with getenv(): use secure_getenv()")


class Boundary(unittest.TestCase):
    def test_public_headers_see_no_private_ones(self):
        for path in sources("include"):
            for kind, target in includes(path):
                self.assertEqual(kind, "<", f"{path.name} includes {target}")

    def test_users_see_the_public_headers_alone(self):
        for path in sources("tools", "examples", "tests/integration", "tests/replay"):
            for kind, target in includes(path):
                # fmt, compiled once, and how files are written: both without anything of the library; what the
                # build makes beside these sources
                if kind == '"' and target not in ("text.hpp", "own_file.hpp", "boards.hpp"):
                    here = (path.parent / target).exists()
                    # A shader beside it, compiled: hue_comp.h is made of hue.comp.
                    here = here or (path.parent / target.replace("_comp.h", ".comp")).exists()
                    self.assertTrue(here, f"{path} reaches into the library with {target}")


class Decisions(unittest.TestCase):
    def setUp(self):
        text = ARCHITECTURE.read_text()
        text = text[text.index("## Decisions"):]
        self.each = re.split(r"^\d+\. ", text[:text.index("\n## ", 1)], flags=re.MULTILINE)[1:]

    def test_each_says_where_it_is_kept(self):
        self.assertGreater(len(self.each), 10)
        for decision in self.each:
            files = re.findall(r"`((?:src|include|docs)/[\w/.-]+)`", decision)
            self.assertTrue(files, f"no file: {decision}")
            for file in files:
                self.assertTrue((PROJECT / file).exists(), f"{file} does not exist")

    def test_the_tests_that_pin_them_exist(self):
        known = set()
        for path in sources("tests/unit", "tests/integration", "tests/property", "tests/replay"):
            for suite, name in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", path.read_text(), re.MULTILINE):
                known.add(f"{suite}.{name}")
        for decision in self.each:
            for name in re.findall(r"`([A-Z]\w+\.[A-Z]\w+)`", decision):
                self.assertTrue(name in known, f"there is no test {name}, which is to pin: {decision}")


class Files(unittest.TestCase):
    def test_every_source_names_its_licence(self):
        for path in sources("include", "src", "tools", "examples", "tests"):
            self.assertTrue(path.read_text().startswith("// SPDX-License-Identifier: MIT"), path)

    def test_the_readmes_example_is_the_one_that_is_compiled(self):
        readme = (PROJECT / "README.md").read_text()
        blocks = re.findall(r"```cpp\n(.*?)```", readme, re.DOTALL)
        self.assertEqual(len(blocks), 1)
        compiled = (PROJECT / "examples/readme.cpp").read_text().split("\n", 1)[1].strip()
        self.assertEqual(blocks[0].strip(), compiled)


if __name__ == "__main__":
    unittest.main()
