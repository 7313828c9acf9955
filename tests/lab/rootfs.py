"""The lab's root file system: Debian packages, unpacked but never configured.

Maintainer scripts need root and a chroot; the few results of theirs that the
lab needs are written here instead. So an ordinary user can build it.
"""

import os
import pathlib
import shutil
import subprocess

import cache
from debian import PREFERENCES, RELEASE, Apt, LabError

RECIPE = 1

PACKAGES = """
    base-files base-passwd bash busybox-static coreutils dash diffutils findutils gawk grep gzip
    hostname jq kmod libc-bin mawk mount procps sed strace tar util-linux
    libdrm2 libgbm1 libpng16-16t64 libstdc++6
    drm-info v4l-utils
    libgl1-mesa-dri mesa-vulkan-drivers vulkan-tools vulkan-validationlayers
""".split()

# The ordinary user of boards that have one, in the groups that a desktop gives.
USER = "user"
PASSWD = "user:x:1000:1000:An ordinary user:/home/user:/bin/bash\n"
GROUPS = "render:x:992:user\nkvm:x:993:user\nuser:x:1000:\n"

FIRST_INIT = """\
#!/bin/bash
# Started by the lab's kernel: the rest of the start is in the project's tests/lab.
mount -t proc proc /proc
printf -v lab '%b' "${LAB_FOLDER//%/\\\\x}"
if [ -n "$LAB_9P" ]; then
    mount -t 9p -o "$LAB_9P,cache=loose" lab /lab
else
    mount -t hostfs -o "hostfs=$lab" none /lab
fi && exec /bin/bash /lab/guest-init
echo "lab: cannot mount $lab" >"$LAB_ERR"
exec busybox poweroff -f
"""


def key() -> str:
    return cache.key_of(str(RECIPE), RELEASE, PREFERENCES, " ".join(PACKAGES),
                        PASSWD, GROUPS, FIRST_INIT)


def ensure(apt) -> pathlib.Path:
    """Return the folder with `root` and `version`."""
    return cache.ensure("rootfs", key(), lambda folder: _make(apt(), folder))


def _make(apt: Apt, folder: pathlib.Path) -> None:
    cache.say(f"downloading {len(PACKAGES)} packages of {RELEASE} and what they need")
    files = apt.download_closure(PACKAGES)
    cache.say(f"unpacking {len(files)} packages")
    root = folder / "root"
    root.mkdir(mode=0o755)
    for file in sorted(files, key=lambda f: not f.name.startswith("base-files_")):
        done = subprocess.run(["dpkg-deb", "-x", str(file), str(root)],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"{file.name} cannot be unpacked: {done.stderr.strip()}")
    _finish(root)
    mesa = apt.version("mesa-vulkan-drivers")
    (folder / "version").write_text(f"Debian {RELEASE}, Mesa {mesa}\n", encoding="utf-8")


def _finish(root: pathlib.Path) -> None:
    master = root / "usr/share/base-passwd"
    groups = (master / "group.master").read_text().replace("video:*:44:", f"video:*:44:{USER}")
    (root / "etc/passwd").write_text((master / "passwd.master").read_text() + PASSWD)
    (root / "etc/group").write_text(groups + GROUPS)
    (root / "etc/hostname").write_text("lab\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost lab\n")
    for name in ("lab", "home/user", "root", "mnt", "proc", "sys", "dev", "run", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    first = root / "lab-init"
    first.write_text(FIRST_INIT)
    first.chmod(0o755)
    # Nothing in the lab reads them, and they are a quarter of the whole.
    for name in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"):
        shutil.rmtree(root / name, ignore_errors=True)
    # Some packages hold folders that only root may enter; the lab's kernel runs
    # as the person who built this.
    for path, folders, _ in os.walk(root):
        for name in folders:
            full = os.path.join(path, name)
            if not os.path.islink(full):
                os.chmod(full, os.stat(full).st_mode | 0o700)
