"""A Result or Status that is dropped makes both compilers warn; one that is looked at does not."""

import pathlib
import re
import subprocess
import unittest

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent

PROGRAM = """#include <commonbuf/result.hpp>
commonbuf::Result<int> number();
commonbuf::Status step();
void program()
{
%s
}
"""
FIRST_LINE = 6

# One statement a line.
DROPPED = [
    "number();",
    "step();",
    "number().and_then([](int value) { return commonbuf::Result<int>(value); });",
    "number().map([](int value) { return value + 1; });",
]
USED = [
    "if (!number() || !step()) return;",
    "const auto all = number(); if (!all) return;",
    "static_cast<void>(step());",
]


def warned_lines(compiler, statements):
    """The statements that the compiler warns of, without any option that asks for warnings."""
    done = subprocess.run([compiler, "-std=c++20", "-I", PROJECT / "include", "-fsyntax-only", "-x", "c++", "-"],
                          input=PROGRAM % "\n".join(statements), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{compiler} does not compile the program: {done.stderr}")
    lines = {int(line) for line in re.findall(r"^<stdin>:(\d+):\d+: warning: .*nodiscard", done.stderr, re.MULTILINE)}
    return [statements[line - FIRST_LINE] for line in sorted(lines)]


class Nodiscard(unittest.TestCase):
    COMPILERS = ("g++", "clang++")

    def test_a_dropped_result_warns(self):
        for compiler in self.COMPILERS:
            with self.subTest(compiler=compiler):
                self.assertEqual(warned_lines(compiler, DROPPED), DROPPED)

    def test_a_used_result_does_not_warn(self):
        for compiler in self.COMPILERS:
            with self.subTest(compiler=compiler):
                self.assertEqual(warned_lines(compiler, USED), [])


if __name__ == "__main__":
    unittest.main()
