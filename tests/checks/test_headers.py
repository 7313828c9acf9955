"""include/commonbuf/README.md names every public header, and each type that it names is there."""

import pathlib
import re
import unittest

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
HEADERS = PROJECT / "include/commonbuf"


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

    def test_functions_are_implemented_in_the_source_of_the_same_name(self):
        for header in sorted(HEADERS.rglob("*.hpp")):
            name = header.relative_to(HEADERS)
            if "COMMONBUF_API " not in header.read_text() or name.name == "export.hpp":
                continue
            # A header of a backend has its source in the room of that backend.
            folder = f"src/backends/{name.parent}" if name.parent.name else "src"
            with self.subTest(header=str(name)):
                self.assertTrue(list((PROJECT / folder).rglob(name.stem + ".cpp")), f"{folder} has no {name.stem}.cpp")


if __name__ == "__main__":
    unittest.main()
