"""LeRobot's own command lines as processes, as a person types them, and what they leave behind."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support.ros_process import environment

BIN = Path(sys.executable).parent
PATIENCE_S = 100.0  # LeRobot's imports alone take 6 s of an idle core
RECORD = {
    "dataset.repo_id": "limber/test",
    "dataset.single_task": "wave",
    "dataset.fps": 20,
    "dataset.num_episodes": 2,
    "dataset.episode_time_s": 2,
    "dataset.reset_time_s": 0.5,
    "dataset.push_to_hub": "false",
    "play_sounds": "false",
}


class LeRobotCommand:
    """`lerobot-<name> --option=value ...` with a LeRobot home and temporary files in `folder`."""

    def __init__(
        self, name: str, folder: Path, options: Mapping[str, object], terminal: int | None = None
    ) -> None:
        """`terminal`: the end of a pseudo-terminal that becomes its standard input."""
        folder.mkdir(exist_ok=True)
        self.folder = folder
        options = {"robot.type": "limber", "teleop.type": "limber", "display_data": "false", **options}
        if name == "record":
            options = {**RECORD, "dataset.root": folder / "dataset", **options}
        self._process = subprocess.Popen(
            [str(BIN / f"lerobot-{name}"), *(f"--{key}={value}" for key, value in options.items())],
            env={**environment(), "HF_LEROBOT_HOME": str(folder / "home"), "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=None if terminal is None else lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def wait(self) -> tuple[int, str]:
        """Exit code and output, once it has ended of itself."""
        output, _ = self._process.communicate(timeout=PATIENCE_S)
        return self._process.returncode, output

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Exit code and output after one signal."""
        self._process.send_signal(number)
        return self.wait()

    def said_until(self, end: str) -> str:
        """What is printed up to the line that holds `end`."""
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if end in line:
                return said
        raise AssertionError(f"expected {end!r}, the command ended: {said}")

    def left_running(self) -> list[str]:
        """Command lines of processes that it started and that have not ended."""
        found = []
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            try:
                if f"TMPDIR={self.folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:  # ended meanwhile, or another user's
                continue
        return found

    def close(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()  # what ends with it looks for its process id, and may keep its output open
        if self._process.stdout:
            self._process.stdout.close()


@contextmanager
def lerobot_command(
    name: str, folder: Path, terminal: int | None = None, **options: object
) -> Iterator[LeRobotCommand]:
    """The command for the length of a block; `robot__spec=...` is typed `--robot.spec=...`."""
    typed = {key.replace("__", "."): value for key, value in options.items()}
    command = LeRobotCommand(name, folder, typed, terminal)
    try:
        yield command
    finally:
        command.close()
