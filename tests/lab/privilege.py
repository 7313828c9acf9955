"""Root for those who have it, and root of a user namespace for all others."""

import os
import pathlib
import shutil
import subprocess


def as_root() -> list[str]:
    """The words in front of a command that needs to be root.

    With the ids that /etc/subuid and /etc/subgid give to this user, since packages give
    files to owners other than root.
    """
    if os.geteuid() == 0:
        return []
    return ["unshare", "--user", "--map-root-user", "--map-auto", "--"]


def remove(folder: pathlib.Path) -> None:
    """Remove a folder, whoever owns what is in it."""
    try:
        shutil.rmtree(folder)
    except PermissionError:
        subprocess.run([*as_root(), "rm", "-rf", str(folder)], check=True)
