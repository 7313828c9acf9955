"""Tests of the lab's own parts that need no kernel."""

import dataclasses
import multiprocessing
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import board  # noqa: E402
import cache  # noqa: E402
import debian  # noqa: E402
import debian_root  # noqa: E402
import expected  # noqa: E402
import integration  # noqa: E402
import job as jobs  # noqa: E402
import kernel  # noqa: E402
import kernel_log  # noqa: E402
import lab  # noqa: E402
import machine  # noqa: E402
import privilege  # noqa: E402
import qemu  # noqa: E402
import uml  # noqa: E402
from debian import LabError  # noqa: E402


class KernelLog(unittest.TestCase):
    def test_clean_logs_are_clean(self):
        self.assertEqual(kernel_log.complaints("""\
DMA-API: preallocated 65536 debug entries
DMA-API: debugging enabled by kernel config
vivid-000: V4L2 capture device registered as video0
debug: DEBUG is no BUGGY word
"""), [])

    def test_complaints_are_found(self):
        for line in ("WARNING: kernel/dma/debug.c:1180 at check_sync+0x634/0x910",
                     "BUG: unable to handle page fault for address: 0000",
                     "Oops: general protection fault",
                     "Kernel panic - not syncing: Attempted to kill init!",
                     "DMA-API: misc udmabuf: device driver syncs DMA memory",
                     "INFO: task allocinfo:82 blocked for more than 120 seconds.",
                     "allocinfo[82]: segfault at 20 ip 00005500"):
            self.assertEqual(kernel_log.complaints(f"before\n[    1.2] {line}\nafter"), [f"[    1.2] {line}"])

    def test_an_announced_complaint_is_none(self):
        log = "lab: expect: BUG: provoked\nBUG: provoked by a test\nlab: expected\n"
        self.assertEqual(kernel_log.complaints(log), [])

    def test_another_one_still_is(self):
        log = "lab: expect: BUG: provoked\nBUG: provoked\nWARNING: x\nlab: expected\nBUG: provoked\n"
        self.assertEqual(kernel_log.complaints(log), ["WARNING: x", "BUG: provoked"])

    def test_what_is_known_fails_nothing_and_hides_nothing(self):
        log = ("------------[ cut here ]------------\nDMA-API: misc udmabuf: segment too long\n"
               "WARNING: kernel/dma/debug.c:1231 at debug_dma_map_sg\n---[ end trace ]---\n")
        self.assertEqual(len(kernel_log.complaints(log)), 2)
        self.assertEqual(kernel_log.complaints(log, ("DMA-API: misc udmabuf: segment",)), [])
        other = log.replace("misc udmabuf", "vgem vgem")
        self.assertEqual(len(kernel_log.complaints(log + other, ("DMA-API: misc udmabuf: segment",))), 2)
        self.assertEqual(kernel_log.complaints(log + "WARNING: x\n", ("DMA-API: misc udmabuf: segment",)),
                         ["WARNING: x"])

    def test_an_announcement_that_is_not_met_is_a_failure(self):
        self.assertEqual(len(kernel_log.complaints("lab: expect: BUG\nlab: expected\n")), 1)


class Boards(unittest.TestCase):
    def test_all_boards_load_and_have_a_device_tree(self):
        self.assertIn(board.DEFAULT, board.names())
        for name in board.names():
            loaded = board.load(name)
            self.assertTrue(loaded.summary)
            self.assertIn("/dts-v1/;", board.device_tree(loaded))
            board.size_of(loaded.memory)

    def test_regions_become_nodes(self):
        tree = board.device_tree(board.parse("x", """
summary = "x"
[[region]]
name = "camera@0"
size = "5G"
default = true
"""))
        self.assertIn("camera@0 {", tree)
        self.assertIn("size = <0x1 0x40000000>;", tree)
        self.assertIn("linux,cma-default;", tree)

    def test_devices_stand_beside_the_memory(self):
        tree = board.device_tree(board.parse("x", "summary = 'x'\ndevices = 'spi { };'"))
        self.assertRegex(tree, r"(?s)reserved-memory \{.*\t};\nspi \{ };\};\n$")
        with tempfile.TemporaryDirectory() as folder:
            board.compile_device_tree(tree, pathlib.Path(folder) / "board.dtb")

    def test_mistakes_are_named(self):
        for text, word in (("summary = 1 2", "line 1"), ("sumary = 'x'", "sumary"), ("memory = '1G'", "summary"),
                           ("summary = 'x'\nmachine = 'pdp11'", "uml, qemu"),
                           ("summary = 'x'\nmachine = 'qemu'\n[[region]]\nname = 'a'\nsize = '1M'", "device tree"),
                           ("summary = 'x'\nmachine = 'qemu'\ndevices = 'spi { };'", "device tree"),
                           ("summary = 'x'\nkernel = 'new'", "6.12"), ("summary = 'x'\nkernel = 6.12", "6.12"),
                           ("summary = 'x'\nqemu_devices = ['edu']", "qemu_devices"),
                           ("summary = 'x'\nlow_memory = '1G'", "low_memory"),
                           ("summary = 'x'\nmachine = 'qemu'\nlow_memory = '12Q'", "12Q"),
                           ("summary = 'x'\n[[region]]\nname = 'a'\nsize = '12Q'", "12Q")):
            with self.assertRaisesRegex(LabError, word):
                board.parse("x", text)
        for name in ("nosuch", "../boards/bare", ""):
            with self.assertRaisesRegex(LabError, "the boards are"):
                board.load(name)


class ExpectedTests(unittest.TestCase):
    """Which tests of `integration` must run."""

    NAMES = ["A.One", "A.Two", "B.One", "B.Two", "C.Only"]

    def expected(self, text="", *more):
        lines = [line for part in (text, *more) for line in expected.parse(part, "x.tests")]
        return expected.Expected(self.NAMES, lines, ["x.tests"])

    def outcomes(self, skipped=(), missing=(), reason="no camera"):
        return {name: expected.Outcome(expected.SKIPPED, reason) if name in skipped else expected.Outcome(expected.RAN)
                for name in self.NAMES if name not in missing}

    def differences(self, text, selected=lambda _: True, **outcomes):
        return expected.differences(self.expected(text), self.outcomes(**outcomes), selected)

    def test_all_must_run_that_no_list_excuses(self):
        self.assertEqual(self.differences(""), [])
        self.assertEqual(self.differences("", skipped=["A.One"], missing=["C.Only"]),
                         ["A.One: must run, and skipped: no camera", "C.Only: must run, and never started"])
        self.assertEqual(self.differences("skip A.* no camera", skipped=["A.One", "A.Two"]), [])
        self.assertEqual(self.differences("skip A.* no camera", missing=["A.One", "A.Two"]), [])

    def test_what_does_not_apply_and_ran_is_told(self):
        self.assertEqual(self.differences("skip A.* no camera", skipped=["A.One"]),
                         ["A.Two: ran, but does not apply, says x.tests (no camera)"])

    def test_a_flaky_one_may_skip_but_must_start(self):
        flaky, lost = "flake A.One lost one", {"skipped": ["A.One"], "reason": "vkms lost one, for once"}
        self.assertEqual(self.differences(flaky), [])
        self.assertEqual(self.differences(flaky, **lost), [])
        self.assertEqual(self.differences(flaky, missing=["A.One"]), ["A.One: must run, and never started"])
        self.assertEqual(expected.flakes(self.expected(flaky), self.outcomes(**lost)), ["A.One"])

    def test_a_flaky_one_may_skip_only_for_its_reason(self):
        flaky = "flake A.One lost one"
        self.assertEqual(self.differences(flaky, skipped=["A.One"], reason="no camera"),
                         ["A.One: must run, and skipped: no camera (it may for: lost one)"])
        self.assertEqual(expected.flakes(self.expected(flaky), self.outcomes(skipped=["A.One"])), [])

    def test_only_what_was_asked_for_must_run(self):
        self.assertEqual(self.differences("", selected=lambda name: name != "C.Only", missing=["C.Only"]), [])

    def test_a_test_of_no_list_is_told(self):
        found = expected.differences(self.expected(), self.outcomes() | {"D.New": expected.Outcome(expected.RAN)},
                                     lambda _: True)
        self.assertEqual(found, ["D.New: is not in all.tests"])

    def test_the_last_line_counts(self):
        both = self.expected("skip A.* no camera\nrun A.Two", "skip A.Two not in this build")
        self.assertEqual([both.of(name).word for name in self.NAMES], ["skip", "skip", "run", "run", "run"])
        self.assertEqual(self.expected("skip A.* no camera\nrun A.Two").of("A.Two").word, "run")

    def test_mistakes_are_named(self):
        for text, word in (("skp A.One reason", "skp"), ("skip", "x.tests:1"), ("# x\nskip A.One", "x.tests:2.*no reason"),
                           ("flake A.One", "no reason")):
            with self.assertRaisesRegex(LabError, word):
                expected.parse(text, "x.tests")
        with self.assertRaisesRegex(LabError, "bare"):
            expected.read(expected.of_board("nosuch"))

    def test_patterns_are_googletests(self):
        for pattern, name, is_one in (("A.*", "A.One", True), ("A.?ne", "A.One", True), ("A.O", "A.One", False),
                                      ("[A].*", "A.One", False), ("*/0", "All/X.Y/0", True), ("A*", "AxOne", True),
                                      ("A.*", "AxOne", False)):
            self.assertEqual(expected.matches(pattern, name), is_one, (pattern, name))

    def test_a_list_written_anew_is_right(self):
        for text, skipped in (("", []), ("", ["A.One", "A.Two", "B.One"]), ("skip A.* old\nrun A.Two", ["A.One"]),
                              ("skip A.* old", ["A.Two"]), ("skip B.One x\nflake C.Only y", ["C.Only"])):
            with self.subTest(text=text, skipped=skipped):
                outcomes = self.outcomes(skipped=skipped)
                anew = expected.updated(text, self.expected(), outcomes)
                self.assertEqual(expected.differences(self.expected(anew), outcomes, lambda _: True), [])

    def test_what_people_wrote_and_is_right_stays(self):
        text = "# why\nskip  A.*  their words\nflake B.One  luck\nskip  Gone.*  forgotten\n"
        self.assertEqual(expected.updated(text, self.expected(), self.outcomes(skipped=["A.One", "A.Two", "B.Two"])),
                         "# why\nskip  A.*  their words\nflake B.One  luck\nskip  B.Two  no camera\n")

    def test_a_suite_that_skips_for_one_reason_is_one_line(self):
        self.assertEqual(expected.updated("", self.expected(), self.outcomes(skipped=["A.One", "A.Two", "C.Only"])),
                         "skip  A.*  no camera\nskip  C.Only  no camera\n")

    def test_what_most_of_a_suite_does_is_one_line_with_exceptions(self):
        names = ["A.One", "A.Three", "A.Two", "B.One"]
        base = expected.Expected(names, [], [])
        outcomes = {name: expected.Outcome(expected.RAN) for name in ("A.Three", "B.One")}
        outcomes |= {name: expected.Outcome(expected.SKIPPED, "no camera") for name in ("A.One", "A.Two")}
        anew = expected.updated("", base, outcomes)
        self.assertEqual(anew, "skip  A.*  no camera\nrun   A.Three\n")
        self.assertEqual(expected.updated(anew, base, outcomes), anew)
        flaky = "flake A.Three  luck\n"
        self.assertEqual(expected.updated(flaky, base, outcomes), flaky + "skip  A.One  no camera\nskip  A.Two  no camera\n")

    def test_a_variant_says_what_is_different_from_the_board(self):
        board_list = self.expected("skip A.* no camera")
        self.assertEqual(expected.updated("", board_list, self.outcomes(skipped=["A.One", "B.One"])),
                         "run   A.Two\nskip  B.One  no camera\n")


class ListsOfTests(unittest.TestCase):
    """Those that the project has."""

    def test_every_test_of_the_sources_is_in_all_tests(self):
        declared = set()
        for path in (lab.PROJECT / "tests/integration").glob("*.cpp"):
            for suite, name in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", path.read_text(), re.MULTILINE):
                declared.add(f"{suite}.{name}")
        # Those with a parameter have the names of their instances around theirs.
        names = {re.sub(r"^\w+/|/\w+$", "", name) for name in expected.read_names()}
        hint = "; scripts/lab tests --update writes the list anew"
        self.assertEqual(sorted(declared - names), [], "not in tests/lab/all.tests" + hint)
        self.assertEqual(sorted(names - declared), [], "in tests/lab/all.tests only" + hint)

    def test_every_board_has_one_and_every_line_stands_for_tests(self):
        names = expected.read_names()
        paths = [expected.of_board(name) for name in board.names()] + list(expected.VARIANTS.glob("*.tests"))
        self.assertGreater(len(paths), len(board.names()))
        for path in paths:
            for line in expected.read(path):
                self.assertTrue(any(expected.matches(line.pattern, name) for name in names),
                                f"{path.name}: {line.pattern} is no test")


OUTPUT = """\
[ RUN      ] A.One
../tests/integration/a.cpp:3: Skipped
no camera here:
\x1b[0;32m none\x1b[m

[  SKIPPED ] A.One (3 ms)
[ RUN      ] A.Two
words of the test[       OK ] A.Two (0 ms)
[ RUN      ] A.Three
[  SKIPPED ] A.Three (1 ms)
[  SKIPPED ] 2 tests, listed below:
[  SKIPPED ] A.One
"""

REPORT = """{"tests": 4, "testsuites": [{"name": "A", "testsuite": [
    {"name": "One", "status": "RUN", "result": "SKIPPED"},
    {"name": "Two", "status": "RUN", "result": "COMPLETED"},
    {"name": "Three", "status": "RUN", "result": "SKIPPED", "failures": [{"failure": "x"}]},
    {"name": "DISABLED_Four", "status": "NOTRUN", "result": "SUPPRESSED"}]}]}"""


class Integration(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        (self.folder / "run").mkdir()
        says = mock.patch.object(integration, "say")
        self.says = says.start()
        self.addCleanup(says.stop)

    def started(self, *command, **environment):
        job = jobs.Job(board.load("bare"), list(command), self.folder, self.folder, environment, [])
        job.folder = self.folder / "run"
        return integration.started_by(job)

    def test_the_program_is_found_in_its_command(self):
        for command in (["integration"], ["/x/build/tests/integration/integration"], ["env", "A=b", "integration"]):
            run = self.started(*command)
            self.assertEqual(run.command, [*command, f"--gtest_output=json:{self.folder}/run/integration.json"])
            self.assertEqual(run.report, self.folder / "run/integration.json")
        for command in (["allocinfo"], ["integration", "--gtest_list_tests"], ["integration", "--help"]):
            self.assertIsNone(self.started(*command), command)

    def test_the_report_may_be_elsewhere_below_the_project(self):
        (self.folder / "mine.json").write_text(REPORT)
        run = self.started("integration", "--gtest_output=json:mine.json")
        self.assertEqual(run.report, self.folder / "mine.json")
        self.assertEqual(run.command, ["integration", "--gtest_output=json:mine.json"])
        self.assertFalse(run.report.exists(), "an old report counts")
        for where in ("json:/tmp/x.json", "xml:x.xml", "json:folder/"):
            with self.assertRaisesRegex(LabError, "ask for json:FILE"):
                self.started("integration", f"--gtest_output={where}")

    def test_filters_are_googletests(self):
        for text, chosen in (("*", "AB"), ("A.*", "A"), ("-A.*", "B"), ("A.*:B.*-B.*", "A"), ("C.*", ""), ("", "")):
            run = self.started("integration", f"--gtest_filter={text}") if text else self.started("integration",
                                                                                                   GTEST_FILTER="C.*")
            self.assertEqual("".join(s for s in "AB" if run.selects(f"{s}.One")), chosen, text)

    def test_what_became_of_each_test_is_read(self):
        report, output = self.folder / "r.json", self.folder / "output"
        report.write_text(REPORT)
        output.write_text(OUTPUT)
        ran = expected.Outcome(expected.RAN)
        self.assertEqual(integration.read(report, output),
                         {"A.One": expected.Outcome(expected.SKIPPED, "no camera here: none"), "A.Two": ran,
                          "A.Three": ran})
        report.write_text('{"testsuites": [')
        self.assertIsNone(integration.read(report, output))
        self.assertIsNone(integration.read(self.folder / "nosuch", output))

    def judged(self, report, status, names=("A.One", "A.Two", "A.Three"), lines=()):
        run = self.started("integration")
        run = dataclasses.replace(run, expected=expected.Expected(list(names), list(lines), ["x"]))
        run.report.write_text(report)
        run.output.write_text(OUTPUT)
        self.says.reset_mock()
        good = run.as_listed(status)
        return good, [call.args[0] for call in self.says.call_args_list]

    def test_each_test_that_is_not_as_listed_is_named(self):
        good, said = self.judged(REPORT, 0)
        self.assertFalse(good)
        self.assertEqual(said[0], "not as listed: A.One: must run, and skipped: no camera here: none")
        self.assertEqual(len(said), 2)
        skip = [expected.Line("skip", "A.One", "no camera", "x")]
        self.assertEqual(self.judged(REPORT, 1, lines=skip), (True, []))
        flaky = [expected.Line("flake", "A.One", "no camera", "x")]
        self.assertEqual(self.judged(REPORT, 0, lines=flaky), (True, ["skipped, as they may now and then: A.One"]))

    def test_no_report_is_no_success(self):
        good, said = self.judged("", 0)
        self.assertFalse(good)
        self.assertIn("not as listed: integration: ended well without", said[0])
        self.assertEqual(self.judged("", 139)[1], ["integration left no report of its tests"])

    def test_names_are_read_from_the_programs_list(self):
        self.assertEqual(integration.listed("Running main() from gtest_main.cc\nB.\n  One\nAll/P.\n  X/0  # GetParam() = 4\n"
                                            "  Y/0  # GetParam() = 4\n"), ["All/P.X/0", "All/P.Y/0", "B.One"])


class Paths(unittest.TestCase):
    def test_any_path_is_one_word_that_bash_decodes(self):
        for path in ("/plain/path-1.2_3", "/with space/%41", "/gr\u00fc\u00df/x;y$(z)"):
            word = jobs.encoded(pathlib.Path(path))
            self.assertRegex(word, r"^[\w/.%-]+$")
            decoded = subprocess.run(["bash", "-c", 'printf -v x "%b" "${1//%/\\\\x}"; printf %s "$x"', "-", word],
                                     capture_output=True, check=True).stdout.decode()
            self.assertEqual(decoded, path)


def _ensure_slowly(folder, log):
    os.environ["XDG_CACHE_HOME"] = folder

    def make(target):
        with open(log, "a", encoding="utf-8") as file:
            file.write("made\n")
        time.sleep(0.3)
        (target / "product").write_text("whole")

    made = cache.ensure("thing", "key", make)
    assert (made / "product").read_text() == "whole"


class Cache(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        patch = mock.patch.dict(os.environ, {"XDG_CACHE_HOME": self.folder.name})
        patch.start()
        self.addCleanup(patch.stop)
        quiet = mock.patch.object(cache, "say")
        quiet.start()
        self.addCleanup(quiet.stop)

    def test_two_at_once_make_it_once(self):
        log = os.path.join(self.folder.name, "log")
        both = [multiprocessing.Process(target=_ensure_slowly, args=(self.folder.name, log)) for _ in range(2)]
        for process in both:
            process.start()
        for process in both:
            process.join()
            self.assertEqual(process.exitcode, 0)
        self.assertEqual(pathlib.Path(log).read_text(), "made\n")

    def test_an_interrupted_one_starts_clean(self):
        def interrupted(folder):
            (folder / "half").write_text("half")
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            cache.ensure("thing", "key", interrupted)
        self.assertFalse(cache.entry("thing", "key").exists())
        made = cache.ensure("thing", "key", lambda folder: (folder / "product").write_text("x"))
        self.assertEqual([p.name for p in made.iterdir()], ["product"])

    def test_keys_depend_on_every_input(self):
        self.assertNotEqual(cache.key_of("a", "bc"), cache.key_of("ab", "c"))
        self.assertEqual(cache.key_of("a", "b"), cache.key_of("a", "b"))

    def test_others_are_removed_and_this_one_is_kept(self):
        for key in ("one", "two"):
            cache.ensure("thing", key, lambda folder: None)
        self.assertEqual(cache.remove_others("thing", "one"), 1)
        self.assertTrue(cache.entry("thing", "one").exists())


def kernels():
    """Those that the boards need."""
    return machine.kernels_of(map(board.load, board.names()))


class KernelSource(unittest.TestCase):
    def source(self, series):
        with mock.patch.object(debian.Apt, "_run", return_value="linux-source-7.10\nlinux-source-6.12\nlinux-source-7.9\n"
                                                                "linux-source-6.1\nlinux-source-rt\n"):
            return debian.Apt().kernel_source(series)

    def test_the_newest_unless_a_series_is_asked_for(self):
        self.assertEqual(self.source(""), "linux-source-7.10")
        self.assertEqual(self.source("6.1"), "linux-source-6.1")
        with self.assertRaisesRegex(LabError, "linux-source-5.4 in"):
            self.source("5.4")


class Patches(unittest.TestCase):
    def test_those_for_newer_kernels_are_not_even_tried(self):
        patch = next(each for each in kernel.UML.patches if each.stem == "noncoherent-heap")
        with mock.patch("subprocess.run") as run, mock.patch.object(kernel, "_quiet") as apply, \
                mock.patch.object(cache, "say"):
            run.return_value.returncode = 0
            self.assertFalse(kernel._apply(patch, pathlib.Path("/tree"), (6, 12)))
            apply.assert_not_called()
            self.assertTrue(kernel._apply(patch, pathlib.Path("/tree"), (7, 0)))
            apply.assert_called()

    def test_what_was_left_out_is_known_afterwards(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for text, there in (("linux-source-7.3 7.3.4-1\n", True), ("x 1, without uml-hz\n", True),
                                ("x 1, without uml-hz, vkms-writeback\n", False)):
                (folder / "version").write_text(text)
                self.assertEqual(kernel.has_patch(kernel.UML, folder, "vkms-writeback"), there, text)
            self.assertFalse(kernel.has_patch(kernel.PC, folder, "vkms-writeback"))

    def test_every_exception_is_a_patch(self):
        stems = {each.stem for each in kernel.UML.patches}
        self.assertLessEqual({*kernel.NEEDED, *kernel.FROM}, stems)

    def test_those_of_the_pc_only_add(self):
        self.assertTrue(kernel.PC.patches)
        for path in kernel.PC.patches:
            body = path.read_text().partition("\n--- ")[2]
            taken_away = [line for line in body.splitlines() if line.startswith("-") and not line.startswith("--- ")]
            self.assertEqual(taken_away, [], path.name)
            # What is not a file of their own only names it to the build.
            changed = [line.split()[1] for line in body.splitlines() if line.startswith("@@ -") and "@@ -0,0" not in line]
            files = [line.split()[1] for line in body.splitlines() if line.startswith("+++ ")]
            self.assertTrue(files)
            self.assertEqual(len(changed), sum(name.endswith(("/Kconfig", "/Makefile")) for name in files), path.name)


class Configuration(unittest.TestCase):
    def test_the_fragments_read(self):
        for each in kernels():
            lines, optional = kernel.wanted(each)
            self.assertIn("CONFIG_VIDEO_VIVID=y", lines)
            self.assertLess(optional, set(lines))
            symbols = [line.split("=")[0] for line in lines]
            self.assertEqual(len(symbols), len(set(symbols)))

    def test_each_kernel_adds_its_own(self):
        lines, optional = kernel.wanted(kernel.UML)
        self.assertIn('CONFIG_CON_CHAN="null"', lines)
        self.assertIn("CONFIG_FD_CHAN=y", optional)
        self.assertNotIn("CONFIG_DRM_VIRTIO_GPU=y", lines)
        lines, _ = kernel.wanted(kernel.PC)
        self.assertIn("CONFIG_DRM_VIRTIO_GPU=y", lines)
        self.assertNotIn("CONFIG_HOSTFS=y", lines)

    def test_a_board_may_ask_for_a_series(self):
        older = machine.kernel_of(board.load("older-soc"))
        self.assertEqual((older.series, older.product), ("6.12", kernel.UML.product))
        self.assertNotEqual(kernel.key(older), kernel.key(kernel.UML))
        # Some patches have a form of their own for it.
        self.assertEqual([each.stem for each in older.patches], [each.stem for each in kernel.UML.patches])
        own = [each for each in older.patches if each.parent.name == "6.12"]
        self.assertEqual(sorted(own), sorted((kernel.HERE / "patches/6.12").iterdir()))
        self.assertEqual(machine.kernel_of(board.load("bare")), kernel.UML)

    def test_each_kernel_is_made_once(self):
        self.assertEqual(machine.kernels_of(map(board.load, ("bare", "older-soc", "pc", "small-cma", "pc-limits"))),
                         [kernel.UML, kernel.UML.of("6.12"), kernel.PC])

    def test_kernels_have_entries_of_their_own_in_the_cache(self):
        # `clean` removes what begins with an entry's name.
        self.assertGreater(len(kernels()), 2)
        for one in kernels():
            for other in kernels():
                self.assertTrue(one is other or not other.entry.startswith(one.entry + "-"))


class Starting(unittest.TestCase):
    """The command lines of both kinds of machine."""

    def setUp(self):
        self.folder = pathlib.Path("/project/out/lab/x")
        which = mock.patch("shutil.which", return_value="/usr/bin/qemu")
        which.start()
        self.addCleanup(which.stop)

    def job(self, name, **more):
        return jobs.Job(board=board.load(name), command=["true"], project=pathlib.Path("/project"),
                        directory=pathlib.Path("/project"), environment={}, kernel_args=["last=1"], **more)

    def command(self, name, channels, **more):
        job = self.job(name, **more)
        return machine.KINDS[job.board.machine].command(job, self.folder, pathlib.Path("/kernel"),
                                                        pathlib.Path("/root,fs"), channels)

    def test_every_board_says_what_starts_it(self):
        for name in board.names():
            self.assertIn(board.load(name).machine, machine.KINDS)

    def test_outputs_go_to_their_channels(self):
        channels = jobs.Channels(log=7, out=1, err=6)
        words = self.command("small-cma", channels)
        self.assertEqual(words[0], "/kernel/linux")
        for word in ("con0=null,fd:7", "con1=null,fd:1", "con2=null,fd:6"):
            self.assertIn(word, words)
        words = self.command("pc", channels)
        for word in ("file,id=log,path=/project/out/lab/x/kernel.log,append=on", "file,id=out,path=/dev/fd/1,append=on",
                     "file,id=err,path=/dev/fd/6,append=on"):
            self.assertIn(word, words)

    def test_a_terminal_is_passed_through(self):
        channels = jobs.Channels(log=2, terminal=True)
        self.assertIn("con1=fd:0,fd:1", self.command("small-cma", channels, interactive=True))
        words = self.command("pc", channels, interactive=True)
        self.assertIn("stdio,id=out,signal=off", words)
        self.assertIn(" LAB_SHELL=1 ", words[words.index("-append") + 1])

    def test_the_last_word_is_the_jobs(self):
        words = self.command("pc", jobs.Channels(log=3))
        line = words[words.index("-append") + 1].split()
        self.assertIn("init=/lab-init", line)
        self.assertLess(line.index("cma=64M"), line.index("last=1"))
        words = self.command("small-cma", jobs.Channels(log=3))
        self.assertLess(words.index("cma=8M"), words.index("last=1"))

    def test_a_comma_in_a_folder_is_no_end_of_an_option(self):
        words = self.command("pc", jobs.Channels(log=3))
        self.assertTrue(any("path=/root,,fs,security_model" in word for word in words))

    def test_a_pc_has_what_its_board_says(self):
        words = self.command("pc-limits", jobs.Channels(log=3))
        devices = [words[i + 1] for i, word in enumerate(words) if word == "-device"]
        self.assertLess(devices.index("intel-iommu"), devices.index("lsi53c895a"))
        self.assertIn("virtio-gpu-pci", devices)
        self.assertEqual(words[words.index("-machine") + 1], f"q35,max-ram-below-4g={512 << 20}")
        words = self.command("pc", jobs.Channels(log=3))
        self.assertNotIn("intel-iommu", words)
        self.assertEqual(words[words.index("-machine") + 1], "q35")

    def test_what_a_pc_cannot_do_is_refused(self):
        with self.assertRaisesRegex(LabError, "no device tree"):
            qemu.check(self.job("pc", device_tree=pathlib.Path("x.dts")))
        uml.check(self.job("small-cma", device_tree=pathlib.Path("x.dts")))
        long = self.job("pc")
        long.kernel_args = ["x" * 3000]
        with self.assertRaisesRegex(LabError, "a PC reads"):
            qemu.kernel_line(long, self.folder)
        with mock.patch("shutil.which", return_value=None), self.assertRaisesRegex(LabError, "qemu-system-x86"):
            qemu.check(self.job("pc"))


def _git(folder, *words):
    subprocess.run(["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x", *words], check=True,
                   capture_output=True)


class DebianRoots(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def entered_with(self, call, *arguments, **more):
        """The words that start a command in a root."""
        with mock.patch("subprocess.run") as run, mock.patch.dict(os.environ, more):
            run.return_value.returncode = 3
            self.assertEqual(call(*arguments), 3)
        return [str(word) for word in run.call_args.args[0]]

    def test_only_the_superuser_needs_no_namespace(self):
        with mock.patch("os.geteuid", return_value=0):
            self.assertEqual(privilege.as_root(), [])
        with mock.patch("os.geteuid", return_value=1000):
            self.assertEqual(privilege.as_root()[:2], ["unshare", "--user"])

    def test_the_build_root_is_not_written_to(self):
        for name in ("usr", "etc", "dev", "root"):
            (self.path / name).mkdir()
        (self.path / "bin").symlink_to("usr/bin")
        words = debian_root._read_only(self.path)
        self.assertIn(("--ro-bind", str(self.path / "etc"), "/etc"), list(zip(words, words[1:], words[2:])))
        self.assertIn(("--symlink", "usr/bin", "/bin"), list(zip(words, words[1:], words[2:])))
        self.assertNotIn("--bind", words)
        for name in ("/dev", "/root"):
            self.assertNotIn(str(self.path) + name, words)

    def test_the_build_root_sees_the_project_and_the_compilers_cache(self):
        with mock.patch.object(debian_root, "_build_root", return_value=self.path), \
                mock.patch.object(cache, "root", return_value=self.path / "cache"):
            words = self.entered_with(debian_root.in_build_root, "trixie", pathlib.Path("/project"), ["true"],
                                      pathlib.Path("/project/out"), CXX="c++", COMMONBUF_CASES="7")
        text = " ".join(words)
        for part in ("--bind /project /project", f"--setenv CCACHE_DIR {self.path}/cache/ccache", "--setenv CXX c++",
                     "--setenv COMMONBUF_CASES 7", "--setenv COMMONBUF_ROOT trixie", "--chdir /project/out"):
            self.assertIn(part, text)
        self.assertEqual(words[-2:], ["--", "true"])
        self.assertLess(text.index("--tmpfs /tmp"), text.index("--bind /project"))

    def test_a_fresh_machine_knows_nothing_of_this_one(self):
        with mock.patch.dict(os.environ, {"COMMONBUF_BUILD": "/b", "CXX": "c++", "http_proxy": "http://p:1"}):
            found = debian_root._environment("trixie")
        self.assertEqual(found["http_proxy"], "http://p:1")
        self.assertNotIn("COMMONBUF_BUILD", found)
        self.assertNotIn("CXX", found)

    def test_a_clone_has_what_is_not_committed(self):
        project, clone = self.path / "project", self.path / "clone"
        project.mkdir()
        _git(project, "init", "-q")
        for name in ("kept", "changed", "gone", ".gitignore"):
            (project / name).write_text("ignored\n")
        _git(project, "add", ".")
        _git(project, "commit", "-qm", "x")
        (project / "changed").write_text("new")
        (project / "gone").unlink()
        (project / "folder").mkdir()
        (project / "folder/added").write_text("added")
        (project / "ignored").write_text("")
        debian_root._clone(project, clone)
        self.assertEqual(sorted(p.name for p in clone.iterdir() if p.name != ".git"),
                         [".gitignore", "changed", "folder", "kept"])
        self.assertEqual((clone / "changed").read_text(), "new")
        self.assertEqual((clone / "folder/added").read_text(), "added")

    def test_keys_change_with_the_packages(self):
        with mock.patch.object(debian_root, "_packages", side_effect=["a", "b", "a"]):
            keys = [debian_root.build_key("trixie", self.path) for _ in range(3)]
        self.assertNotEqual(keys[0], keys[1])
        self.assertEqual(keys[0], keys[2])
        self.assertNotEqual(debian_root.bare_key("trixie"), debian_root.bare_key("bookworm"))

    def test_a_root_for_another_architecture_knows_it_before_its_packages_come(self):
        commands = []
        with mock.patch.object(debian_root, "_bare", side_effect=lambda release: self.path / release), \
                mock.patch.object(debian_root, "_unpack") as unpack, mock.patch.object(debian_root, "_must"), \
                mock.patch.object(cache, "say"), \
                mock.patch.object(cache, "ensure", side_effect=lambda kind, key, make: make(self.path) or self.path), \
                mock.patch.object(debian_root, "_run", side_effect=lambda *words: commands.append(words[-1]) or 0):
            debian_root._build_root("trixie-i386", lab.PROJECT)
        self.assertEqual(unpack.call_args.args[0], self.path / "trixie")
        self.assertEqual(commands, [["dpkg", "--add-architecture", "i386"], ["scripts/deps", "--quiet", "i386"]])

    def test_no_root_is_taken_for_an_old_one_of_another(self):
        entries = [debian_root._build_entry(name) for name in debian_root.ROOTS]
        for entry in entries:
            self.assertFalse(any(other.startswith(f"{entry}-") for other in entries), entry)

    def test_a_fresh_machine_has_this_ones_architecture(self):
        options = lab.parser().parse_args(["root", "--fresh", "trixie-i386"])
        with mock.patch.object(lab, "_install"), mock.patch.object(debian_root, "why_not", return_value=None), \
                self.assertRaisesRegex(LabError, "bookworm, trixie"):
            options.call(options)

    def test_why_no_root_can_be_entered_is_told(self):
        with mock.patch("shutil.which", return_value=None):
            self.assertIn("scripts/deps root", debian_root.why_not())
        with mock.patch("shutil.which", return_value="/usr/bin/x"), mock.patch("subprocess.run") as run:
            run.return_value.returncode = 1
            run.return_value.stderr = "bwrap: No permissions to create new namespace\n"
            with mock.patch("os.geteuid", return_value=1000):
                self.assertRegex(debian_root.why_not(), "No permissions.*/etc/subuid")
            run.return_value.returncode = 0
            self.assertIsNone(debian_root.why_not())

    def test_proxies_are_those_of_this_machines_apt(self):
        with mock.patch("subprocess.run") as run:
            run.return_value.stdout = ('APT "";\nAcquire::http::Proxy "http://p:1";\n'
                                       'Acquire::https::Proxy::host "DIRECT";\nAcquire::Retries "3";\n')
            self.assertEqual(debian.proxies(), ['Acquire::http::Proxy "http://p:1";',
                                                'Acquire::https::Proxy::host "DIRECT";'])

    def test_what_others_own_is_removed_by_their_root(self):
        with mock.patch("shutil.rmtree", side_effect=PermissionError), mock.patch("os.geteuid", return_value=1000), \
                mock.patch("subprocess.run") as run:
            privilege.remove(self.path)
        self.assertEqual(run.call_args.args[0][-3:], ["rm", "-rf", str(self.path)])


class CommandLine(unittest.TestCase):
    def test_words_after_the_dashes_are_the_commands(self):
        options = lab.parser().parse_args(["run", "--board", "bare", "--kernel-arg", "a=1", "--kernel-arg", "b", "--",
                                           "allocinfo", "--json", "--board", "x"])
        self.assertEqual(options.board, "bare")
        self.assertEqual(options.kernel_arg, ["a=1", "b"])
        self.assertEqual(options.command, ["--", "allocinfo", "--json", "--board", "x"])

    def test_packages_and_tools_come_before_the_machine(self):
        order = []
        with mock.patch.object(lab, "_install", side_effect=lambda *groups: order.append(groups)), \
                mock.patch.object(lab, "_build", side_effect=lambda: order.append("build")), \
                mock.patch.object(lab, "_ready", side_effect=lambda board: order.append("ready") or ((), ())), \
                mock.patch.object(kernel, "has_patch", return_value=False), \
                mock.patch.object(machine, "run", side_effect=lambda *_: 5):
            for name in ("bare", "pc"):
                options = lab.parser().parse_args(["run", "--board", name, "--", "true"])
                self.assertEqual(options.call(options), 5)
        self.assertEqual(order, [("lab",), "build", "ready", ("lab", "lab-pc"), "build", "ready"])

    def test_tests_are_told_which_kernel_is_mended(self):
        for there, word in ((True, "1"), (False, None)):
            with mock.patch.object(lab, "_install"), mock.patch.object(lab, "_build"), \
                    mock.patch.object(lab, "_ready", return_value=((), ())), \
                    mock.patch.object(kernel, "has_patch", return_value=there), \
                    mock.patch.dict(os.environ, clear=False) as environment, \
                    mock.patch.object(machine, "run", side_effect=lambda job, *_: job) as run:
                environment.pop("COMMONBUF_PATCHED_KERNEL", None)
                options = lab.parser().parse_args(["run", "--", "true"])
                options.call(options)
                self.assertEqual(run.call_args.args[0].environment.get("COMMONBUF_PATCHED_KERNEL"), word)

    def test_the_tools_of_another_build_are_taken_as_they_are(self):
        with mock.patch("subprocess.run") as run, mock.patch.dict(os.environ, {"COMMONBUF_BUILD": "/x"}):
            lab._build()
        run.assert_not_called()

    def test_a_root_where_none_can_be_entered(self):
        options = lab.parser().parse_args(["root", "--check", "trixie"])
        with mock.patch.object(lab, "_install"), mock.patch.object(cache, "say"), \
                mock.patch.object(debian_root, "why_not", return_value="no namespaces"):
            self.assertEqual(options.call(options), lab.NO_ROOT)

    def test_nonsense_is_refused(self):
        for words in (["root"], ["root", "sarge"], [], ["nosuch"], ["run", "--timeout", "0"], ["run", "--timeout", "x"]):
            with self.assertRaises(SystemExit), mock.patch("sys.stderr"):
                lab.parser().parse_args(words)


if __name__ == "__main__":
    unittest.main()
