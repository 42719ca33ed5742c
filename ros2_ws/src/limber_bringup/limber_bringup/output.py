"""Where the lines of the started processes go: the screen, prefixed and coloured, and a log file."""

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)  # ANSI foregrounds, red kept for errors
_LEVELS = {"WARNING": 33, "ERROR": 31}


class Output:
    """Prints `[process-1] line`, each process in a colour of its own where a terminal shows it."""

    def __init__(self, stream: TextIO, log_folder: Path) -> None:
        self._stream: TextIO | None = stream
        self._log_folder = log_folder
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR")
        self._colours: dict[str, int] = {}
        self._log: TextIO | None = None

    def line(self, process: str, text: str, *, screen: bool, log: bool) -> None:
        """One line that a process wrote."""
        colour = self._colours.setdefault(process, _COLOURS[len(self._colours) % len(_COLOURS)])
        if screen:
            self._print(f"{self._paint(f'[{process}]', colour)} {text}")
        if log:
            self._write_log(f"[{process}] {text}")

    def say(self, level: str, about: str, text: str) -> None:
        """One line of the runner's own, in the words of `ros2 launch`."""
        line = f"[{level}] [{about}]: {text}"
        self._print(self._paint(line, _LEVELS[level]) if level in _LEVELS else line)
        if self._log is not None:
            self._write_log(line)

    def close(self) -> None:
        if self._log is not None:
            self._log.close()

    def _paint(self, text: str, colour: int) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._coloured else text

    def _print(self, line: str) -> None:
        if self._stream is None:
            return
        try:
            print(line, file=self._stream, flush=True)
        except (BrokenPipeError, ValueError):  # the reader has gone; the processes are still to be ended
            self._stream = None

    def _write_log(self, line: str) -> None:
        if self._log is None:
            self._log_folder.mkdir(parents=True, exist_ok=True)
            name = time.strftime("launch-%Y-%m-%d-%H-%M-%S") + f"-{os.getpid()}.log"
            self._log = open(self._log_folder / name, "w", buffering=1)  # noqa: SIM115 -- closed in close()
        print(line, file=self._log)


def log_folder(environment: Mapping[str, str]) -> Path:
    """Where ROS 2 keeps logs: ROS_LOG_DIR, else ROS_HOME/log, else ~/.ros/log."""
    if environment.get("ROS_LOG_DIR"):
        return Path(environment["ROS_LOG_DIR"]).expanduser()
    if environment.get("ROS_HOME"):
        return Path(environment["ROS_HOME"]).expanduser() / "log"
    if environment.get("HOME"):
        return Path(environment["HOME"]) / ".ros" / "log"
    return Path(tempfile.gettempdir()) / f"ros-log-{os.getuid()}"
