"""A folder of raw logs: of one robot, written by one recorder at a time."""

import fcntl
import json
import re
from pathlib import Path

from hardware.spec import RobotSpec
from policies.data.raw_log import FULL, DiskFullError
from policies.data.recovery import recover_folder
from policies.errors import DatasetError

DESCRIPTION = "recording.json"
FORMAT = "limber raw log"
VERSION = 1
EPISODE_NAME = re.compile(r"episode_(\d{6})\.")


class RecordingFolder:
    """Opens or makes `path` for the recordings of one robot and locks it.

    `DatasetError` when it holds something else, another robot's recordings, another version's,
    cannot be written, or when another recorder has it open. `DiskFullError` when there is no room.
    """

    def __init__(self, path: Path, spec: RobotSpec) -> None:
        self.path = path
        if path.exists() and not path.is_dir():
            raise DatasetError(f"expected a folder for recordings, {path} is a file")
        description = path / DESCRIPTION
        partial = description.with_suffix(".json.partial")  # one that a crash left means nothing
        if description.is_file():
            _check(description, spec)
        elif path.is_dir() and any(p != partial for p in path.iterdir()):
            raise DatasetError(
                f"expected a new folder or one with {DESCRIPTION}, {path} holds other files; name a new one"
            )
        else:
            text = {"format": FORMAT, "version": VERSION, "robot_hash": spec.hash, "robot": spec.to_dict()}
            try:
                path.mkdir(parents=True, exist_ok=True)
                partial.write_text(json.dumps(text, indent=2) + "\n")
                partial.replace(description)
            except OSError as error:
                if path.is_dir():
                    partial.unlink(missing_ok=True)
                kind = DiskFullError if error.errno in FULL else DatasetError
                raise kind(f"expected a folder to record into, {path}: {error.strerror}") from None
        self._lock = description.open()
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise DatasetError(f"expected {path} to be free, another recorder writes there") from None

    def recover(self) -> tuple[list[Path], list[str]]:
        """Readable copies of recordings that were cut short; see `recover_folder`."""
        return recover_folder(self.path)

    def next_index(self) -> int:
        """One more than the highest episode that was ever begun here."""
        found = [EPISODE_NAME.match(p.name) for p in self.path.iterdir()]
        return max((int(m[1]) + 1 for m in found if m), default=0)

    def episode_path(self, index: int) -> Path:
        return self.path / f"episode_{index:06d}.mcap"

    def unlock(self) -> None:
        self._lock.close()


def _check(description: Path, spec: RobotSpec) -> None:
    try:
        text = json.loads(description.read_text())
        kind, number, robot = text["format"], text["version"], text["robot"]
    except (ValueError, KeyError, TypeError):
        raise DatasetError(f"expected the description of a {FORMAT}, {description} is none") from None
    if kind != FORMAT or number != VERSION:
        raise DatasetError(f"expected {FORMAT} version {VERSION}, {description} is {kind!r} version {number}")
    if text.get("robot_hash") == spec.hash:
        return
    mine = spec.to_dict()
    differing = [key for key in mine if json.dumps(mine[key]) != json.dumps(robot.get(key))]
    raise DatasetError(
        f"expected recordings of robot {spec.name!r} ({spec.hash}) in {description.parent}, they are of "
        f"{robot.get('name')!r} ({text.get('robot_hash')}); different: {', '.join(differing)}"
    )
