"""Why a serial port cannot be opened, and what to do about it."""

import errno
import grp
import os
from pathlib import Path

from serial.tools import list_ports


def explain(path: str, error: Exception) -> str:
    """One line: the port, what was expected, what to do."""
    code = getattr(error, "errno", None)
    if code == errno.ENOENT or not os.path.exists(path):
        there = ", ".join(sorted(p.device for p in list_ports.comports())) or "none"
        return f"port {path!r} is not there (is the adapter plugged in and powered?); ports: {there}"
    if code == errno.EACCES:
        return f"port {path!r} may not be opened by this user: {_permission(path)}"
    owners = holders(path)
    if owners:
        return f"port {path!r} is in use by {', '.join(owners)}; end that first"
    if isinstance(error, ValueError):
        return f"port {path!r}: {error}"
    return f"port {path!r} cannot be opened: {getattr(error, 'strerror', None) or error}"


def _permission(path: str) -> str:
    try:
        group = grp.getgrgid(os.stat(path).st_gid).gr_name
    except (OSError, KeyError):
        return "ask whoever owns it"
    return f"join its group with `sudo usermod -aG {group} $USER`, then log in again"


def holders(path: str) -> list[str]:
    """The processes that have `path` open, as `name (pid)`; those of other users only when root asks."""
    target = os.path.realpath(path)
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            links = [os.readlink(fd) for fd in (process / "fd").iterdir()]
            if target in links:
                found.append(f"{(process / 'comm').read_text().strip()} ({process.name})")
        except OSError:  # ended meanwhile, or another user's
            continue
    return found
