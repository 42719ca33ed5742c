"""Is the serial port there, may this user open it, and does somebody else hold it?"""

import grp
import os
import pwd
from collections.abc import Iterator

from hardware.doctor.finding import Finding
from hardware.doctor.machine import Machine


def check_port(machine: Machine, port: str) -> Iterator[Finding]:
    """Existence, rights, holders."""
    if not machine.at(port).exists():
        there = sorted(
            f"/dev/{p.name}" for kind in ("ttyACM*", "ttyUSB*") for p in machine.at("/dev").glob(kind)
        )
        yield Finding(
            "wrong",
            "port",
            f"{port} is not there; ports: {', '.join(there) or 'none'}",
            "plug the adapter in, or name another port with --port; `sudo dmesg --follow` shows what is seen",
        )
        return
    target = machine.real(port)
    yield Finding("ok", "port", port if target == port else f"{port} is {target}")
    yield _rights(machine, port)
    holders = [f"{p.name} ({p.pid})" for p in machine.processes() if target in p.files]
    if holders:
        pids = " ".join(h.rpartition("(")[2].rstrip(")") for h in holders)
        yield Finding("wrong", "holder", f"{port} is held by {', '.join(holders)}", f"kill {pids}")
    else:
        yield Finding("ok", "holder", "nobody whom this user can see holds it")


def _rights(machine: Machine, port: str) -> Finding:
    stat = os.stat(machine.at(port))
    group = _group(stat.st_gid)
    said = f"owner {_user(stat.st_uid)}, group {group}, mode {stat.st_mode & 0o777:o}"
    allowed = (
        machine.user == 0
        or (stat.st_uid == machine.user and stat.st_mode & 0o600 == 0o600)
        or (stat.st_gid in machine.groups and stat.st_mode & 0o060 == 0o060)
        or stat.st_mode & 0o006 == 0o006
    )
    if allowed:
        return Finding("ok", "rights", said)
    said += "; this user may not read and write it"
    if stat.st_mode & 0o060 != 0o060:
        return Finding("wrong", "rights", said, f"sudo chmod g+rw {port}")
    if _is_member(machine.user, group):
        return Finding("wrong", "rights", f"{said} yet, though it joined the group", "log out and in again")
    return Finding("wrong", "rights", said, f"sudo usermod -aG {group} $USER, then log out and in again")


def _is_member(user: int, group: str) -> bool:
    """Whether the user database says so; a session that began before does not know it."""
    try:
        return pwd.getpwuid(user).pw_name in grp.getgrnam(group).gr_mem
    except KeyError:
        return False


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
