"""The oracle's truth must not be the library's own: it shares nothing with it but the system's headers."""

import pathlib
import re
import sys
import unittest

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
ORACLE = PROJECT / "tests/oracle"

sys.path.insert(0, str(ORACLE))
import oracle  # noqa: E402

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
# C++'s own headers have no dot and no slash.
SYSTEM = re.compile(r"linux/|sys/|vulkan/vulkan_core\.h$|drm(_fourcc|_mode)?\.h$|gbm\.h$|(dlfcn|fcntl|poll|unistd)\.h$|[a-z_]+$")


class Truth(unittest.TestCase):
    def setUp(self):
        self.files = sorted(ORACLE.glob("truth*.[ch]pp"))

    def test_it_is_there(self):
        self.assertGreater(len(self.files), 10)

    def test_it_includes_only_itself_and_the_system(self):
        for path in self.files:
            for kind, name in INCLUDE.findall(path.read_text()):
                if kind == '"':
                    self.assertTrue(name.startswith("truth") and (ORACLE / name).exists(), f"{path.name} includes {name}")
                else:
                    self.assertRegex(name, SYSTEM, f"{path.name} includes {name}")

    def test_it_does_not_name_the_library(self):
        for path in self.files:
            self.assertNotRegex(path.read_text(), r"commonbuf|\bcb::", path.name)

    def test_it_is_built_without_the_library(self):
        build = (ORACLE / "meson.build").read_text()
        truth = build[build.index("static_library("):build.index("executable(")]
        for word in ("commonbuf", "allocinfo", "include_directories", "text_dep"):
            self.assertNotIn(word, truth)
        built = set(re.findall(r"'(truth\w*\.cpp)'", truth))
        self.assertEqual(built, {path.name for path in self.files if path.suffix == ".cpp"})


class Report(unittest.TestCase):
    def cell(self, verdict, truth):
        return {"verdict": verdict, "truth": truth}

    def test_a_truth_that_knows_nothing_is_not_enough(self):
        nothing = [self.cell("accepted", "unknown")] * 500
        self.assertFalse(oracle.are_enough(nothing, 300))
        self.assertFalse(oracle.are_enough(nothing + [self.cell("accepted", "works")] * 299, 300))

    def test_nor_is_one_that_always_says_the_same(self):
        works = [self.cell("accepted", "works")] * 500
        self.assertFalse(oracle.are_enough(works, 300))
        self.assertTrue(oracle.are_enough(works + [self.cell("refused", "fails")], 300))

    def test_what_is_false(self):
        for verdict, truth, false in (("proved", "fails", True), ("verified", "fails", True), ("refused", "works", True),
                                      ("accepted", "fails", False), ("refused", "fails", False),
                                      ("refused", "unknown", False), ("proved", "works", False)):
            self.assertEqual(oracle.is_false(self.cell(verdict, truth)), false, (verdict, truth))


if __name__ == "__main__":
    unittest.main()
