"""Where the doctor looks for devices, drivers and processes: this machine, or a file tree like one."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

RULES = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")


@dataclass(frozen=True)
class Process:
    """A running process. `files`: what it has open, as far as this user may see."""

    pid: int
    name: str
    files: frozenset[str]


@dataclass(frozen=True)
class Machine:
    """`root` has /sys, /proc, /dev and /etc under it; `user` and `groups` are whose rights count."""

    root: Path = Path("/")
    user: int = field(default_factory=os.geteuid)
    groups: frozenset[int] = field(default_factory=lambda: frozenset((os.getegid(), *os.getgroups())))

    def at(self, path: str) -> Path:
        """Where a path of the machine lies for this process."""
        return self.root / path.lstrip("/")

    def real(self, path: str) -> str:
        """A path of the machine with its links followed."""
        found = Path(os.path.realpath(self.at(path)))
        root = Path(os.path.realpath(self.root))
        return f"/{found.relative_to(root)}" if found.is_relative_to(root) else str(found)

    def text(self, path: str) -> str:
        """What a file says, without the line's end; empty where it cannot be read."""
        try:
            return self.at(path).read_text().strip()
        except OSError:
            return ""

    def processes(self) -> Iterator[Process]:
        """Everything that runs, but this process."""
        for folder in sorted(self.at("/proc").glob("[0-9]*")):
            if int(folder.name) == os.getpid():
                continue
            try:
                name = (folder / "comm").read_text().strip()
            except OSError:  # ended meanwhile
                continue
            yield Process(int(folder.name), name, frozenset(_links(folder / "fd")))

    def udev_rules(self) -> Iterator[tuple[str, str]]:
        """(file, line) of the rules in force: a file hides those of its name in later folders."""
        seen: set[str] = set()
        for folder in RULES:
            for file in sorted(self.at(folder).glob("*.rules")):
                if file.name in seen:
                    continue
                seen.add(file.name)
                for line in self.text(f"{folder}/{file.name}").replace("\\\n", " ").splitlines():
                    if line.strip() and not line.lstrip().startswith("#"):
                        yield f"{folder}/{file.name}", line

    def usb_devices_above(self, path: str) -> list[str]:
        """The USB device that a path of /sys belongs to, then the hubs between it and its root hub."""
        found: list[str] = []
        here = Path(self.real(path))
        while len(here.parts) > 2:
            if self.at(f"{here}/speed").is_file():
                found.append(str(here))
            here = here.parent
        return found


def _links(folder: Path) -> Iterator[str]:
    try:
        entries = list(folder.iterdir())
    except OSError:  # another user's
        return
    for entry in entries:
        with suppress(OSError):  # closed meanwhile
            yield os.readlink(entry)
