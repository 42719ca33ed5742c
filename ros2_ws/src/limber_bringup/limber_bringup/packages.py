"""Find ROS packages and their executables by the ament index, as `ros2 run` does."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from hardware.errors import unknown
from limber_bringup.errors import LaunchError

_MARKERS = Path("share") / "ament_index" / "resource_index" / "packages"


def prefixes(environment: Mapping[str, str]) -> list[Path]:
    """The prefixes that are searched, in order: AMENT_PREFIX_PATH, then this interpreter's own."""
    listed = [Path(p) for p in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    own = Path(sys.prefix)
    return listed if own in listed else [*listed, own]


def find_prefix(package: str, environment: Mapping[str, str]) -> Path:
    """The prefix in which a package is installed; `LaunchError` lists the packages that there are."""
    for prefix in prefixes(environment):
        if (prefix / _MARKERS / package).is_file():
            return prefix
    raise LaunchError(unknown("package", package, sorted(set(_with_executables(environment)))))


def find_executable(package: str, executable: str, environment: Mapping[str, str]) -> Path:
    """`lib/<package>/<executable>` of an installed package; `LaunchError` lists what it does have."""
    folder = find_prefix(package, environment) / "lib" / package
    path = folder / executable
    if path.is_file() and os.access(path, os.X_OK):
        return path
    there = [p.name for p in folder.iterdir() if os.access(p, os.X_OK)] if folder.is_dir() else []
    raise LaunchError(unknown(f"executable of package {package}", executable, there))


def _with_executables(environment: Mapping[str, str]) -> Iterator[str]:
    """Packages that `<node>` can name; the many that only hold messages are left out."""
    for prefix in prefixes(environment):
        markers = prefix / _MARKERS
        if markers.is_dir():
            yield from (m.name for m in markers.iterdir() if (prefix / "lib" / m.name).is_dir())
