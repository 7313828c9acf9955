"""The tests that docs/rules.md names exist."""

import pathlib
import re
import unittest

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent


def sources(suffix):
    return "\n".join(path.read_text() for path in sorted((PROJECT / "tests").rglob(f"*{suffix}")))


class TheRules(unittest.TestCase):
    TEXT = (PROJECT / "docs" / "rules.md").read_text()

    def test_each_test_of_google_test_exists(self):
        named = set(re.findall(r"`([A-Z]\w+\.[A-Z]\w+)`", self.TEXT))
        there = {".".join(names) for names in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", sources(".cpp"), re.MULTILINE)}
        self.assertGreater(len(named), 100)
        self.assertEqual(named - there, set())

    def test_each_test_of_python_exists(self):
        named = set(re.findall(r"`(test_[a-z0-9_]+)`", self.TEXT))
        there = set(re.findall(r"^    def (test_\w+)\(", sources(".py"), re.MULTILINE))
        self.assertGreater(len(named), 10)
        self.assertEqual(named - there, set())

    def test_each_suite_exists(self):
        named = set(re.findall(r"`([A-Z]\w+)\.\*", self.TEXT))
        there = set(re.findall(r"^TEST(?:_F|_P)?\((\w+),", sources(".cpp"), re.MULTILINE))
        self.assertEqual(named - there, set())


if __name__ == "__main__":
    unittest.main()
