"""include/commonbuf/README.md names every public header, and each type that it names is there."""

import pathlib
import re
import unittest

HEADERS = pathlib.Path(__file__).resolve().parent.parent.parent / "include/commonbuf"


class Headers(unittest.TestCase):
    def test_the_table_names_every_header_and_its_types(self):
        table = re.findall(r"^\| `([\w/]+\.hpp)` \| ([^|]*)\|", (HEADERS / "README.md").read_text(), re.MULTILINE)
        there = {str(path.relative_to(HEADERS)) for path in HEADERS.rglob("*.hpp")}
        self.assertEqual({header for header, _ in table}, there)
        for header, types in table:
            text = (HEADERS / header).read_text()
            for name in re.findall(r"`(\w+)`", types):
                with self.subTest(header=header, type=name):
                    self.assertRegex(text, rf"(class|struct|enum class)( COMMONBUF_API| \[\[nodiscard\]\])? {name}\b|using {name} =")


if __name__ == "__main__":
    unittest.main()
