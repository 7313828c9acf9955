"""Tests of the lab's own parts that need no kernel."""

import multiprocessing
import os
import pathlib
import sys
import tempfile
import time
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import board  # noqa: E402
import cache  # noqa: E402
import job as jobs  # noqa: E402
import kernel  # noqa: E402
import kernel_log  # noqa: E402
import lab  # noqa: E402
import machine  # noqa: E402
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

    def test_mistakes_are_named(self):
        for text, word in (("summary = 1 2", "line 1"), ("sumary = 'x'", "sumary"), ("memory = '1G'", "summary"),
                           ("summary = 'x'\nmachine = 'pdp11'", "uml, qemu"),
                           ("summary = 'x'\nmachine = 'qemu'\n[[region]]\nname = 'a'\nsize = '1M'", "device tree"),
                           ("summary = 'x'\n[[region]]\nname = 'a'\nsize = '12Q'", "12Q")):
            with self.assertRaisesRegex(LabError, word):
                board.parse("x", text)
        for name in ("nosuch", "../boards/bare", ""):
            with self.assertRaisesRegex(LabError, "the boards are"):
                board.load(name)


class Paths(unittest.TestCase):
    def test_any_path_is_one_word_that_bash_decodes(self):
        import subprocess
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


class Configuration(unittest.TestCase):
    def test_the_fragments_read(self):
        for each in kernel.ALL:
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

    def test_only_the_user_mode_kernel_is_patched(self):
        self.assertTrue(kernel.UML.patches)
        self.assertFalse(kernel.PC.patches)

    def test_kernels_have_entries_of_their_own_in_the_cache(self):
        # `clean` removes what begins with an entry's name.
        for one in kernel.ALL:
            for other in kernel.ALL:
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


class CommandLine(unittest.TestCase):
    def test_words_after_the_dashes_are_the_commands(self):
        options = lab.parser().parse_args(["run", "--board", "bare", "--kernel-arg", "a=1", "--kernel-arg", "b", "--",
                                           "allocinfo", "--json", "--board", "x"])
        self.assertEqual(options.board, "bare")
        self.assertEqual(options.kernel_arg, ["a=1", "b"])
        self.assertEqual(options.command, ["--", "allocinfo", "--json", "--board", "x"])

    def test_nonsense_is_refused(self):
        for words in ([], ["nosuch"], ["run", "--timeout", "0"], ["run", "--timeout", "x"]):
            with self.assertRaises(SystemExit), mock.patch("sys.stderr"):
                lab.parser().parse_args(words)


if __name__ == "__main__":
    unittest.main()
