"""Every benchmark prints one table and writes one `runs/bench/NAME.json` through this."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path("runs/bench")


def write_figures(
    name: str,
    figures: Mapping[str, Any],
    peers: Mapping[str, Any],
    rows: Sequence[tuple[str, str, str, str]],
) -> Path:
    """Print `rows` (figure, ours, limit or peer, verdict) and write the JSON beside them.

    figures, peers: the numbers by key; the keys an issue asks for are read by others.
    """
    table = Table("figure", "ours", "limit or peer", "holds", title=f"bench-{name}")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    result = {"figures": dict(figures), "peers": dict(peers), "machine": machine(), "commit": commit()}
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    partial = path.with_suffix(".json.partial")
    partial.write_text(json.dumps(result, indent=2) + "\n")
    partial.replace(path)
    print(f"written: {path}")
    return path


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "load_1min": os.getloadavg()[0],
    }


def commit() -> str:
    """The commit the figures belong to, with `-dirty` when the tree had changes."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True
    )
    return described.stdout.strip() or "unknown"
