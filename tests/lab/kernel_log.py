"""Reads a kernel log and finds what nobody should see in it.

A test that provokes a complaint on purpose says so beforehand, by writing
    lab: expect: REGULAR EXPRESSION
to /dev/kmsg, and afterwards
    lab: expected
Between the two, complaints that match are no failure, but one must appear.

What the kernel of a board is known to complain of for good, the board's file says.
"""

import re

COMPLAINT = re.compile(
    r"WARNING:|\bBUG\b|\bOops\b|Kernel panic|DMA-API: (?!preallocated|debugging enabled)"
    r"|INFO: task .* blocked for more than|refcount_t:|UBSAN:|KASAN:|unreferenced object"
    r"|general protection|segfault at|possible (circular|recursive) locking")

# The last words of a machine that nobody powered off.
_EXPECT = re.compile(r"lab: expect: (.*)$")
_EXPECTED = re.compile(r"lab: expected\s*$")


# A warning has two lines that complain, the reason and the place, after this mark.
_CUT_HERE = "[ cut here ]"


def complaints(text: str, known: tuple[str, ...] = ()) -> list[str]:
    """The lines that fail a run, and the expectations that nothing met."""
    found = []
    expected, met = None, False
    passed_over = False
    for line in text.splitlines():
        line = line.rstrip("\r")
        if _CUT_HERE in line:
            passed_over = False
        elif any(re.search(pattern, line) for pattern in known):
            passed_over = True
            continue
        elif passed_over and "WARNING:" in line:
            passed_over = False
            continue
        start = _EXPECT.search(line)
        if start:
            expected, met = start[1].strip(), False
        elif _EXPECTED.search(line):
            if expected is not None and not met:
                found.append(f"a test expected {expected!r}, and it did not come")
            expected = None
        elif COMPLAINT.search(line):
            if expected is not None and re.search(expected, line):
                met = True
            else:
                found.append(line)
    return found
