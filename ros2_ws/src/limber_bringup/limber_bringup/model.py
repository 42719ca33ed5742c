"""What a launch file becomes: elements with their place, then arguments and processes ready to start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limber_bringup.errors import LaunchError


@dataclass(frozen=True)
class Place:
    """Where in a launch file something stands."""

    file: Path
    line: int

    def error(self, message: str) -> LaunchError:
        return LaunchError(f"{self.file}:{self.line}: {message}")


@dataclass(frozen=True)
class Element:
    """One tag of a launch file, already checked against the tags and attributes that exist."""

    tag: str
    attributes: Mapping[str, str]
    children: tuple["Element", ...]
    place: Place

    def named(self, tag: str) -> tuple["Element", ...]:
        return tuple(child for child in self.children if child.tag == tag)


@dataclass(frozen=True)
class Argument:
    """One launch argument; `default` (before substitution) is None where it must be given."""

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...]
    conditional: bool
    place: Place


@dataclass(frozen=True)
class Process:
    """One program to start, with everything looked up and substituted.

    `parameters` are ROS parameter files and name-value tables, in the order in which they apply.
    Times in seconds; `respawn_max_retries` below zero means without end.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    place: Place
    ros_arguments: tuple[str, ...] | None = None
    node: str | None = None
    parameters: tuple[Path | Mapping[str, Any], ...] = ()
    cwd: Path | None = None
    output: str = "log"
    shutdown_on_exit: bool = False
    respawn: bool = False
    respawn_delay: float = 0.0
    respawn_max_retries: int = -1
    sigterm_timeout: float = 5.0
    sigkill_timeout: float = 5.0
    delay: float = 0.0


@dataclass(frozen=True)
class Plan:
    """A launch file with its arguments given: what it takes and what it would start, in order."""

    file: Path
    arguments: tuple[Argument, ...]
    processes: tuple[Process, ...] = field(default=())
