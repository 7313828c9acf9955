"""The cache of everything that is slow to make: kernels, root file systems, packages.

An entry is a folder named after the hash of its inputs. It is made under a
temporary name and renamed when it is whole, so that an interrupted set-up never
leaves half an entry, and made under a lock, so that two set-ups at once share
the work instead of breaking each other.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import sys
import time

from privilege import remove


def root() -> pathlib.Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "commonbuf"


def say(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr, flush=True)


def key_of(*inputs: str) -> str:
    digest = hashlib.sha256()
    for text in inputs:
        data = text.encode()
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def lock(name: str):
    folder = root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / name, "w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another set-up is making the {name}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def entry(kind: str, key: str) -> pathlib.Path:
    return root() / f"{kind}-{key}"


def ensure(kind: str, key: str, make) -> pathlib.Path:
    """Return the entry, calling make(folder) first when it is missing."""
    final = entry(kind, key)
    if final.is_dir():
        return final
    with lock(kind):
        if final.is_dir():
            return final
        partial = final.with_name(final.name + ".partial")
        if partial.exists():
            say(f"removing what an interrupted set-up left of the {kind}")
            remove(partial)
        partial.mkdir(parents=True)
        started = time.monotonic()
        make(partial)
        partial.rename(final)
        say(f"{kind} ready after {time.monotonic() - started:.0f} s")
    return final


def remove_others(kind: str, key: str) -> int:
    """Remove the entries of other keys, returning how many there were."""
    with lock(kind):
        others = [p for p in root().glob(f"{kind}-*") if p != entry(kind, key)]
        for path in others:
            say(f"removing {path}")
            remove(path)
    return len(others)
