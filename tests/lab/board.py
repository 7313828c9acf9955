"""Boards: the machines that the lab pretends to be. One small TOML file each."""

import dataclasses
import pathlib
import re
import subprocess
import tomllib

from debian import LabError

FOLDER = pathlib.Path(__file__).parent / "boards"
DEFAULT = "camera-soc"
MACHINES = ("uml", "qemu")


@dataclasses.dataclass(frozen=True)
class Region:
    """A reusable shared-dma-pool, which the kernel offers as a heap of its name."""
    name: str
    size: int
    default: bool = False


@dataclasses.dataclass(frozen=True)
class Board:
    name: str
    summary: str
    # What runs it: "uml", a user-mode kernel, or "qemu", an emulated PC.
    machine: str
    memory: str
    kernel_args: tuple[str, ...]
    user: str
    permissions: tuple[str, ...]
    regions: tuple[Region, ...]
    # Which Linux, as "6.12"; the newest if it says nothing.
    kernel: str = ""
    # Nodes of its device tree beside the memory.
    devices: str = ""
    # What a PC has beside its GPU, in QEMU's words for -device.
    qemu_devices: tuple[str, ...] = ()
    # How much of a PC's memory lies below 4 GiB; all of it if this says nothing.
    low_memory: str = ""
    # Complaints of its kernel that fail no run, as regular expressions.
    known: tuple[str, ...] = ()


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Board:
    path = FOLDER / f"{name}.toml"
    if not re.fullmatch(r"[a-z0-9-]+", name) or not path.exists():
        raise LabError(f"no board {name!r}; the boards are: {', '.join(names())}")
    return parse(name, path.read_text())


def parse(name: str, text: str) -> Board:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LabError(f"board {name}: {error}") from error
    known = {"summary", "machine", "memory", "kernel_args", "user", "permissions", "region", "devices", "known",
             "kernel", "qemu_devices", "low_memory"}
    unknown = set(data) - known
    if unknown:
        raise LabError(f"board {name}: unknown key {', '.join(sorted(unknown))}; "
                       f"the keys are {', '.join(sorted(known))}")
    try:
        regions = tuple(Region(r["name"], size_of(r["size"]), r.get("default", False))
                        for r in data.get("region", []))
        machine = data.get("machine", MACHINES[0])
        if machine not in MACHINES:
            raise LabError(f"board {name}: no machine {machine!r}; the machines are {', '.join(MACHINES)}")
        if (regions or data.get("devices")) and machine != "uml":
            raise LabError(f"board {name}: regions and devices are a device tree's, which a PC has not")
        if (data.get("qemu_devices") or data.get("low_memory")) and machine != "qemu":
            raise LabError(f"board {name}: qemu_devices and low_memory are a PC's, with machine = \"qemu\"")
        series = data.get("kernel", "")
        if not re.fullmatch(r"(\d+\.\d+)?", str(series)) or not isinstance(series, str):
            raise LabError(f"board {name}: {series!r} is no kernel; write a series, as in kernel = \"6.12\"")
        if data.get("low_memory"):
            size_of(data["low_memory"])
        return Board(name=name, summary=data["summary"], machine=machine, kernel=series,
                     memory=data.get("memory", "1G"), kernel_args=tuple(data.get("kernel_args", [])),
                     user=data.get("user", "root"), permissions=tuple(data.get("permissions", [])),
                     regions=regions, devices=data.get("devices", ""),
                     qemu_devices=tuple(data.get("qemu_devices", [])), low_memory=data.get("low_memory", ""),
                     known=tuple(data.get("known", [])))
    except KeyError as error:
        raise LabError(f"board {name}: the key {error} is missing") from error


def size_of(text: str) -> int:
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    if not match:
        raise LabError(f"{text!r} is no size; write a number followed by K, M or G")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


def device_tree(board: Board) -> str:
    """The board's memory and devices in the kernel's own language."""
    nodes = []
    for region in board.regions:
        default = " linux,cma-default;" if region.default else ""
        high, low = region.size >> 32, region.size & 0xFFFFFFFF
        nodes.append(f"""\
		{region.name} {{
			compatible = "shared-dma-pool";
			reusable;{default}
			size = <{high:#x} {low:#x}>;
		}};
""")
    return f"""\
/dts-v1/;
/ {{
	#address-cells = <2>;
	#size-cells = <2>;
	compatible = "commonbuf,{board.name}";
	model = "{board.name}";
	reserved-memory {{
		#address-cells = <2>;
		#size-cells = <2>;
		ranges;
{"".join(nodes)}	}};
{board.devices.lstrip(chr(10))}}};
"""


def compile_device_tree(source: str, target: pathlib.Path) -> None:
    # -q: unit addresses without "reg" are meant, the kernel places the regions.
    try:
        done = subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", str(target), "-"],
                              input=source, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LabError("dtc is missing; install the package device-tree-compiler") from error
    if done.returncode != 0:
        raise LabError(f"the device tree does not compile: {done.stderr.strip()}")
