"""What scripts/ promise, on a machine of which only the answers of a few programs are made up."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent

# Each says in `calls` that it was called.
PROGRAMS = {
    "apt-get": 'case " $* " in *" update "*) touch "$WORLD/lists" ;; esac',
    # Knows packages once the lists are read, if there is a mirror.
    "apt-cache": '[ -e "$WORLD/lists" ] && [ ! -e "$WORLD/no-mirror" ] || exit 100; echo "  Depends: clang-14"',
    "dpkg-query": 'for word; do grep -qxF "$word" "$WORLD/installed" && echo "installed $word"; done; true',
    "clang": "exit 127",
    "meson": '[ "$1" = setup ] && mkdir -p build && touch build/build.ninja',
    "ninja": 'cat "$WORLD/ninja-says" 2>/dev/null; true',
    "sudo": 'exec "$@"',
}


class World(unittest.TestCase):
    """A copy of the scripts on a machine of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.world = pathlib.Path(folder.name)
        self.project = self.world / "project"
        for part in ("scripts", "tests/lab", "tests/oracle", "tests/checks"):
            shutil.copytree(PROJECT / part, self.project / part, ignore=shutil.ignore_patterns("__pycache__"))
        bin_folder = self.world / "bin"
        bin_folder.mkdir()
        for name, answer in PROGRAMS.items():
            program = bin_folder / name
            program.write_text(f'#!/bin/bash\necho "{name} $*" >>"$WORLD/calls"\n{answer}\n')
            program.chmod(0o755)
        (self.world / "installed").write_text("")
        self.environment = {
            "PATH": f"{bin_folder}:{os.environ['PATH']}", "WORLD": str(self.world), "HOME": str(self.world / "home"),
            "PYTHONDONTWRITEBYTECODE": "1"}

    def run_script(self, *words):
        return subprocess.run([str(self.project / words[0]), *words[1:]], env=self.environment, cwd=self.project,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)

    def calls(self, name):
        path = self.world / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.split()[0] == name]

    def install(self, *groups):
        listed = self.run_script("scripts/deps", "--list", *groups)
        with open(self.world / "installed", "a", encoding="utf-8") as file:
            file.write(listed.stdout)


class Help(World):
    COMMANDS = [[f"scripts/{path.name}"] for path in sorted((PROJECT / "scripts").iterdir())] + [
        ["scripts/lab", verb] for verb in ("setup", "boards", "clean", "run", "shell", "tests", "root")] + [
        ["scripts/test", "--host"], ["scripts/oracle", "--short"], ["scripts/lab", "run", "--board", "bare"]]

    def test_help_comes_at_once_and_does_nothing(self):
        before = sorted(self.world.rglob("*"))
        for command in self.COMMANDS:
            for word in ("--help", "-h") if len(command) == 1 else ("--help",):
                with self.subTest(command=[*command, word]):
                    done = self.run_script(*command, word)
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertIn(command[0], done.stdout)
                    self.assertEqual(sorted(self.world.rglob("*")), before)

    def test_the_help_of_what_runs_in_the_lab_is_that_programs(self):
        (self.project / "scripts/deps").write_text("#!/bin/bash\necho deps >&2\nexit 1\n")
        done = self.run_script("scripts/lab", "run", "--", "allocinfo", "--help")
        self.assertEqual(done.returncode, 125)
        self.assertIn("deps", done.stderr)

    def test_a_word_that_is_none_gets_the_usage(self):
        for command in (["scripts/test", "--hots"], ["scripts/deps", "bulid"], ["scripts/deps"],
                        ["scripts/build", "--no-test"]):
            with self.subTest(command=command):
                done = self.run_script(*command)
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"{command[0]} [", done.stderr)
                self.assertEqual(self.calls("apt-get"), [])


class Packages(World):
    def test_nothing_is_done_when_all_are_there(self):
        self.install("build", "test")
        done = self.run_script("scripts/deps", "--quiet", "build", "test")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(self.calls("apt-get"), [])

    def test_a_machine_whose_apt_has_no_lists(self):
        done = self.run_script("scripts/deps", "check")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len([c for c in self.calls("apt-get") if "update" in c]), 1)
        self.assertTrue(self.calls("apt-get")[-1].endswith("libclang-rt-14-dev"), self.calls("apt-get"))

    def test_a_machine_without_a_mirror_is_told(self):
        (self.world / "no-mirror").touch()
        done = self.run_script("scripts/deps", "check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("apt knows no package clang", done.stderr)

    def test_only_what_is_missing_is_installed(self):
        self.install("build")
        self.assertEqual(self.run_script("scripts/deps", "build", "lab-pc").returncode, 0)
        self.assertEqual(self.calls("apt-get")[-1], "apt-get install -y --no-install-recommends qemu-system-x86")


class Building(World):
    def setUp(self):
        super().setUp()
        self.install("build", "test")

    def build(self, *words):
        done = self.run_script("scripts/build", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_what_tests_need_is_left_out_when_told(self):
        (self.world / "installed").write_text("")
        self.install("build")
        self.build("--no-tests", "build", "--", "tools/allocinfo/allocinfo")
        self.assertEqual(self.calls("apt-get"), [])
        self.assertEqual(self.calls("ninja"), ["ninja -C build tools/allocinfo/allocinfo"])

    def test_32_bits_have_packages_and_a_compiler_of_their_own(self):
        (self.world / "installed").write_text("")
        self.install("i386")
        self.build("--i386", "build", "-Dwerror=true")
        self.assertEqual(self.calls("apt-get"), [])
        self.assertEqual(self.calls("meson"), ["meson setup --cross-file tests/checks/i386.ini build -Dwerror=true"])
        self.assertTrue((PROJECT / "tests/checks/i386.ini").exists())

    def test_meson_looks_again_when_there_are_more_packages(self):
        self.build("--no-tests")
        self.build("--no-tests")
        self.assertEqual(self.calls("meson"), ["meson setup build"])
        self.build()
        self.build()
        self.build("--no-tests")
        self.assertEqual(self.calls("meson"), ["meson setup build", "meson setup --reconfigure build"])

    def test_it_says_how_far_it_is_and_what_compilers_say(self):
        (self.world / "ninja-says").write_text("ninja: Entering directory `build'\n[1/2] Compiling a\na.cpp: warning: x\n"
                                               "[2/2] Compiling b\n")
        done = self.build()
        self.assertIn("build: step 1/2 of build", done.stderr)
        self.assertEqual(done.stdout, "a.cpp: warning: x\n")

    def test_nothing_to_do_is_nothing_to_say(self):
        self.build()
        (self.world / "ninja-says").write_text("ninja: Entering directory `build'\nninja: no work to do.\n")
        done = self.build()
        self.assertEqual((done.stdout, done.stderr), ("", ""))

    def test_a_build_that_fails_fails(self):
        (self.world / "bin/ninja").write_text("#!/bin/bash\necho '[1/1] x'\nexit 1\n")
        self.assertEqual(self.run_script("scripts/build").returncode, 1)


class Counting(World):
    """What scripts/test makes of a GoogleTest program that ran in the lab."""

    REPORT = """{"testsuites": [{"testsuite": [{"result": "COMPLETED"}, {"result": "SKIPPED"}, {"result": "SKIPPED"},
        {"result": "COMPLETED", "failures": [{}]}]}]}"""

    def counted(self, status, *said, report=REPORT):
        program = self.world / "program"
        lines = "".join(f"echo '{line}' >&2\n" for line in said)
        write = f"cat >\"${{1#*json:}}\" <<'END'\n{report}\nEND\n" if report else ""
        program.write_text(f"#!/bin/bash\n{write}{lines}exit {status}\n")
        program.chmod(0o755)
        parts = "".join(f"/^{name}() *{{/,/}}$/p;" if name == "file" else f"/^{name}() *{{/,/^}}/p;"
                        for name in ("count", "file", "failed_tests", "gtest"))
        (self.project / "out/test").mkdir(parents=True, exist_ok=True)
        script = f"set -uo pipefail; project=$PWD; eval \"$(sed -n '{parts}' scripts/test)\"; gtest x {program}"
        done = subprocess.run(["bash", "-c", script], env=self.environment, cwd=self.project, capture_output=True,
                              text=True, timeout=30, check=False)
        failed = self.project / "out/test/x.failed"
        return done.stdout.strip(), failed.read_text() if failed.exists() else "", done.stderr

    def test_tests_that_are_not_as_listed_count_as_failures_by_name(self):
        said = ["lab: not as listed: A.B: must run, and skipped: no camera", "lab: not as listed: C.D: must run, and never started"]
        count, failed, errors = self.counted(122, *said, report=self.REPORT.replace(', "failures": [{}]', ""))
        self.assertEqual((count, errors), ("x: 2 passed, 2 failed, 1 skipped", ""))
        self.assertEqual(failed, "".join(line + "\n" for line in said))

    def test_they_count_beside_those_that_failed(self):
        self.assertEqual(self.counted(1)[0], "x: 1 passed, 1 failed, 2 skipped")
        count, failed, _ = self.counted(1, "lab: not as listed: A.B: must run, and skipped: no camera")
        self.assertEqual(count, "x: 1 passed, 2 failed, 1 skipped")
        self.assertIn("A.B", failed)

    def test_a_program_without_a_report_is_a_failure(self):
        self.assertEqual(self.counted(0, report="")[0], "x (no report, status 0): 0 passed, 1 failed, 0 skipped")


class Demo(World):
    """What it leaves behind, whatever came of the run."""

    LAB = """#!/bin/bash
echo "lab $*" >>"$WORLD/calls"
[ "$1" = run ] || exit 0
[ -e "$WORLD/dies" ] || echo '[]' >out/demo/trace.json
exit "$(cat "$WORLD/status")"
"""

    def demo(self, status):
        (self.world / "status").write_text(str(status))
        for path, text in (("scripts/lab", self.LAB), ("scripts/build", '#!/bin/bash\necho "build $*" >>"$WORLD/calls"\n'),
                           ("build/tools/allocinfo/allocinfo", '#!/bin/bash\necho "<svg/>" >"$4"\n')):
            program = self.project / path
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(text)
            program.chmod(0o755)
        return self.run_script("scripts/demo")

    def test_it_builds_only_what_it_runs(self):
        self.assertEqual(self.demo(0).returncode, 0)
        self.assertEqual(self.calls("build"), ["build --no-tests build -- tools/allocinfo/allocinfo examples/pipeline"])
        self.assertEqual(self.calls("lab")[0], "lab setup --board camera-soc")

    def test_a_run_that_failed_has_its_timeline_and_last_line_too(self):
        for status in (0, 1, 123):
            with self.subTest(status=status):
                done = self.demo(status)
                self.assertEqual(done.returncode, status)
                self.assertEqual((self.project / "out/demo/timeline.svg").read_text(), "<svg/>\n")
                self.assertTrue(done.stdout.splitlines()[-1].startswith("out/demo/: "))

    def test_it_is_tried_once_whatever_comes_of_it(self):
        for status in (0, 1, 124):
            with self.subTest(status=status):
                (self.world / "calls").unlink(missing_ok=True)
                self.assertEqual(self.demo(status).returncode, status)
                self.assertEqual(len([c for c in self.calls("lab") if c.startswith("lab run")]), 1)
        for script in ("scripts/test", "tests/checks/first-hour"):
            text = (PROJECT / script).read_text()
            started = [line for line in text.splitlines() if "scripts/demo" in line and not line.startswith("#")]
            self.assertEqual(len(started), 1, f"{script} starts it more than once")
            self.assertNotIn("||", started[0])

    def test_a_run_that_died_early_says_so(self):
        (self.world / "dies").touch()
        done = self.demo(125)
        self.assertEqual(done.returncode, 125)
        self.assertIn("demo: failed with status 125", done.stdout)


if __name__ == "__main__":
    unittest.main()
