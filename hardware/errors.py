"""The root of limber's errors, and this room's branch of it.

Every error a person can cause derives from `LimberError`; its message is one line that says
what was expected, what came, and what is valid. Command lines print it and exit with 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class LimberError(Exception):
    """Something the person at the keyboard can mend; the message says how."""


class HardwareError(LimberError):
    """A fault of this room: specs, robots, the control loop."""


class SpecError(HardwareError):
    """A robot spec that cannot be right; the message names file and line."""


class CommandError(HardwareError):
    """An action, chunk or correction that is refused: wrong names, wrong length or not finite."""


def unknown(kind: str, got: str, valid: Iterable[str]) -> str:
    """One line for a name that is not in a table, with the nearest valid name suggested."""
    names = sorted(valid)
    near = get_close_matches(got, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown {kind} {got!r}{hint}; valid: {', '.join(names) or 'none'}"
