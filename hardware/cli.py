"""What every command line of limber shares: errors become one line and exit code 2."""

import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from typing import TypeVar

from hardware.errors import LimberError

T = TypeVar("T")


def run_command(command: Callable[[], None]) -> None:
    """Run `command`; a `LimberError` is printed as one line and exits 2, Ctrl-C exits 130."""
    try:
        command()
    except LimberError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parse(command: type[T], prog: str, arguments: Sequence[str] | None = None) -> T:
    """The `command` that `arguments` (default: this process's) describe; `LimberError` when they do not.

    `--help` prints and exits, as tyro does it.
    """
    import tyro

    box = io.StringIO()
    try:
        with redirect_stderr(box):
            return tyro.cli(command, prog=prog, args=arguments)
    except SystemExit as end:
        if end.code != 2:
            raise
    raise LimberError(f"{_essence(box.getvalue())} ({prog} --help tells more)")


def _essence(box: str) -> str:
    """What tyro says in a box of many lines, in one: without the frame, the help texts and the footer."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", box)
    # "│ text │", or "  text" where the terminal has no such characters
    rows = [row[2:].rstrip("│ ") for row in plain.splitlines() if row[:2] in ("│ ", "  ")]
    sections: list[list[str]] = [[]]
    for row in rows:
        if set(row) in ({"─"}, {"-"}):
            sections.append([])
        elif not row.startswith(" " * 8):  # the help text of a missing or a similar option
            sections[-1].append(row)
    said = []
    for section in filter(None, sections):
        if section[0].startswith("Argument helptext"):
            section = ["expected", *section[1:2]]
        elif "" in section:  # then follows what each type of a union had to say
            section = section[: section.index("")]
        said.append(" ".join(row.strip() for row in section).rstrip("."))
    return "; ".join(text for text in said if not text.startswith("For full helptext")) or " ".join(
        plain.split()
    )
