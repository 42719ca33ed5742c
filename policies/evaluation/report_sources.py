"""What a report says beside the episodes: the training curve, the machine, the commit."""

import json
import os
import platform
import subprocess
from pathlib import Path

import numpy as np

from policies.evaluation.report import TrainingCurve


def read_curve(checkpoint: Path) -> TrainingCurve | None:
    """The loss curve of the run that `checkpoint` belongs to (its `loss.json`); None if there is none."""
    folder = checkpoint.resolve()
    places = [place / "loss.json" for place in (folder, folder.parent, folder.parent.parent)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        return None
    try:
        rows = json.loads(found.read_text())
        return TrainingCurve(
            steps=np.array([row["step"] for row in rows], dtype=np.float64),
            loss=np.array([row["loss"] for row in rows], dtype=np.float64),
            held_out=np.array([row["held_out"] for row in rows], dtype=np.float64),
            minutes=float(rows[-1]["minutes"]),
        )
    except (ValueError, KeyError, IndexError, TypeError):
        return None  # a damaged curve is no reason to lose a report


def machine() -> dict[str, str]:
    """The machine and interpreter of this process."""
    return {
        "machine": f"{platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "processor": _processor(),
        "python": platform.python_version(),
    }


def commit() -> str:
    """The commit of the working folder, `-dirty` when it has changes; empty outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
