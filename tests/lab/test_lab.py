"""Tests of the lab's own parts that need no kernel."""

import multiprocessing
import os
import pathlib
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
                           ("summary = 'x'\n[[region]]\nname = 'a'\nsize = '12Q'", "12Q")):
            with self.assertRaisesRegex(LabError, word):
                board.parse("x", text)
        for name in ("nosuch", "../boards/bare", ""):
            with self.assertRaisesRegex(LabError, "the boards are"):
                board.load(name)


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
                mock.patch.object(machine, "run", side_effect=lambda *_: 5):
            for name in ("bare", "pc"):
                options = lab.parser().parse_args(["run", "--board", name, "--", "true"])
                self.assertEqual(options.call(options), 5)
        self.assertEqual(order, [("lab",), "build", "ready", ("lab", "lab-pc"), "build", "ready"])

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
