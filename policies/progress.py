"""Progress of long work: a bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Style = Literal["bar", "lines", "none"]
LINE_EVERY_S = 15.0
Advance = Callable[[float, str], None]  # (share done 0..1, what to say)


@contextmanager
def progress(title: str, style: Style | None = None) -> Iterator[Advance]:
    """Yields a function to call with the share done and a text, as often as one likes."""
    console = Console()
    style = style or ("bar" if console.is_terminal else "lines")
    if style == "bar":
        with Progress(
            TextColumn(title),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
            console=console,
        ) as bar:
            task = bar.add_task(title, total=1.0, text="")
            yield lambda share, text: bar.update(task, completed=share, text=text)
        return
    last = time.monotonic()

    def line(share: float, text: str) -> None:
        nonlocal last
        if style == "lines" and time.monotonic() - last >= LINE_EVERY_S:
            last = time.monotonic()
            print(f"{title}: {share:.0%} {text}", flush=True)

    yield line
