"""`python -m policies export-log`: raw MCAP logs to a LeRobotDataset."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from policies.data.export import ExportOptions, export
from policies.progress import Style, progress


@dataclass(frozen=True)
class ExportLog:
    """Resample raw logs to action_hz by their stamps, and report rates, skew, gaps and what was dropped."""

    logs: tyro.conf.Positional[tuple[Path, ...]]
    """Raw logs, or folders of them."""
    out: Path
    """Folder of the LeRobotDataset; must not exist."""
    action: Literal["base", "sent"] = "base"
    """base: the demonstrator's own goal, free of noise added on purpose. sent: what the motors got."""
    keep_failures: bool = False
    """Keep episodes that failed or that nobody labelled; by default they are dropped and counted."""
    trim_idle: bool = True
    """Cut standing still to 0.1 s before the first and 0.5 s after the last movement."""
    image_dtype: Literal["video", "image"] = "video"
    """video: H.264, small. image: PNG, lossless."""
    progress: Style | None = None
    """Default: a bar on a terminal, else a line every 15 s."""

    def run(self) -> None:
        options = ExportOptions(self.action, self.keep_failures, self.trim_idle, self.image_dtype)
        with progress("exporting", self.progress) as advance:
            report = export(self.logs, self.out, options, advance)
        report.print()
