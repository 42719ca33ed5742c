"""Records episodes into a folder of raw logs: without ROS, and never in the way of who feeds it.

`put` only appends to a bounded queue; a thread writes, flushes and watches the disk.
"""

import json
import math
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from hardware.spec import RobotSpec
from policies.data.frame_count import FrameCount
from policies.data.raw_log import RESERVE_BYTES, Channel, DiskFullError, RawLogWriter
from policies.data.recorder_folder import RecordingFolder
from policies.errors import PolicyError

POLL_S = 0.01  # how often the writer thread looks at the queue
DISK_POLL_S = 0.2
QUEUE_BYTES = 64 * 1024 * 1024  # what may wait for the disk: over a second of four 640x480 cameras
JPEG_RATIO = 0.25  # JPEG of quality 95 to raw pixels, upper end of what the cameras gave
JOINT_BYTES = 1500  # a control period's joint state, sent action and their framing

Message = tuple[Channel, bytes, int, int]  # channel, serialised message, log time, publish time


@dataclass(frozen=True)
class RecorderStatus:
    """What the recorder does now; `reason` says why it is not recording when that is a fault.

    By camera: frames in the episode, frames missing from it by their stamps, and frames lost
    since the start by the publisher's own counter.
    """

    state: str  # idle or recording
    index: int  # of the running or the next episode
    saved: int  # episodes saved since the start
    task: str
    messages: int
    size_bytes: int
    dropped: int  # messages that found the queue full, since the start
    reason: str = ""
    frames: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Recorder:
    """One MCAP an episode in `folder`; see `RawLogWriter` for what a crash leaves.

    `min_free_bytes` always stays free: recording never begins without room for `max_episode_s`
    beside it (`DiskFullError`), and ends, the file closed whole, when the disk gets fuller.
    `on_change` is called, from any thread, when the state changes by itself.
    Raises `PolicyError` for a folder of another robot or of something else.
    """

    def __init__(
        self,
        folder: Path,
        spec: RobotSpec,
        *,
        operator: str = "",
        calibration_hash: str = "",
        min_free_bytes: int = 500_000_000,
        max_episode_s: float = 60.0,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.spec = spec
        self.folder = RecordingFolder(folder, spec)
        self.recovered, self.lost = self.folder.recover()
        self._operator = operator
        self._calibration_hash = calibration_hash
        self._min_free_bytes = min_free_bytes
        self._max_episode_s = max_episode_s
        # kept aside to close a file whole: the most a summary takes, less on a small disk
        self._reserve_bytes = min(RESERVE_BYTES, max(RESERVE_BYTES // 16, min_free_bytes))
        self._on_change = on_change
        self._rate = estimated_rate(spec)
        self._queue: deque[Message] = deque()
        self._put_bytes = self._taken_bytes = 0  # two, as a sum that two threads change would drift
        self._latched: dict[str, Message] = {}
        self._cameras = {c.name: FrameCount(c.fps) for c in spec.cameras}
        self._writer: RawLogWriter | None = None
        self._lock = threading.Lock()  # the writer, and everything about the running episode
        self._index = self.folder.next_index()
        self._saved = self._dropped = 0
        self._task = self._reason = ""
        self._started = self._disk_seen = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    # -- episodes ---------------------------------------------------------------------------

    def start(self, task: str) -> int:
        """Begin episode `index`, which is returned. `DiskFullError` when there is no room for it."""
        with self._lock:
            if self._writer is not None:
                raise PolicyError(f"expected no running episode, episode {self._index} is being recorded")
            self._check_room()
            for _ in self._waiting():  # what came too late for the episode before
                pass
            info = {
                "task": task,
                "operator": self._operator,
                "index": str(self._index),
                "robot": json.dumps(self.spec.to_dict()),
                "robot_hash": self.spec.hash,
                "calibration_hash": self._calibration_hash,
                "limber_version": version("limber"),
                "started": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            }
            path = self.folder.episode_path(self._index)
            try:
                writer = RawLogWriter(path, info, reserve_bytes=self._reserve_bytes)
            except DiskFullError as error:
                self._reason = f"disk full: {error}"
                raise
            now = time.time_ns()
            for channel, data, _, published in self._latched.values():
                writer.write(channel, data, now, published)
            for count in self._cameras.values():
                count.begin()
            self._task, self._reason, self._started = task, "", time.monotonic()
            self._writer = writer
            return self._index

    def put(
        self,
        channel: Channel,
        data: bytes,
        log_time_ns: int,
        publish_time_ns: int,
        *,
        latched: bool = False,
        camera: str = "",
        stamp_ns: int = 0,
    ) -> None:
        """Record one message if an episode runs; a `latched` one is also repeated in later episodes.

        Always called from the same thread.
        For a picture, `camera` and its `stamp_ns` let lost frames be counted.
        """
        message = (channel, data, log_time_ns, publish_time_ns)
        if latched:
            self._latched[channel.topic] = message
        recorded = self._writer is not None and self._queued_bytes + len(data) <= QUEUE_BYTES
        if camera in self._cameras:
            self._cameras[camera].heard(stamp_ns, recorded)
        if recorded:
            self._put_bytes += len(data)
            self._queue.append(message)
        elif self._writer is not None:
            self._dropped += 1

    def published(self, camera: str, count: int, until_ns: int) -> None:
        """The camera's own counter, and the stamp of the last frame in it; lost frames follow from it."""
        if camera in self._cameras:
            self._cameras[camera].published(count, until_ns)

    def save(self, success: bool | None, extra: Mapping[str, str] | None = None) -> Path:
        """Close the running episode whole and return its file; `success` None: not known.

        `PolicyError` when none runs, or when the disk does not take its end.
        """
        with self._lock:
            return self._close_whole({"ended": "saved", "success": _label(success), **(extra or {})})

    def discard(self) -> int:
        """Remove the running episode; its index is used again."""
        with self._lock:
            self._running().discard()
            self._writer = None
            return self._index

    def close(self) -> None:
        """End recording; a running episode is kept, marked as interrupted."""
        self._ended.set()
        self._thread.join()
        try:
            with self._lock:
                if self._writer is not None:
                    self._close_whole({"ended": "interrupted", "success": _label(None)})
        finally:
            self.folder.unlock()

    @property
    def status(self) -> RecorderStatus:
        writer = self._writer
        return RecorderStatus(
            state="idle" if writer is None else "recording",
            index=self._index,
            saved=self._saved,
            task=self._task,
            messages=0 if writer is None else writer.message_count,
            size_bytes=0 if writer is None else writer.bytes_written,
            dropped=self._dropped,
            reason=self._reason,
            frames={name: c.frames for name, c in self._cameras.items()},
            missing={name: c.missing for name, c in self._cameras.items()},
            lost={name: c.lost for name, c in self._cameras.items()},
        )

    # -- the writer thread ------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ended.wait(POLL_S):
            with self._lock:
                closed = self._writer is not None and not self._go_on()
            if closed:
                self._on_change()

    def _go_on(self) -> bool:
        """Write what waits; False when the episode had to be closed."""
        writer = self._running()
        try:
            self._drain(writer)
            writer.flush_if_due()
        except OSError as error:
            self._cut_short(error)
            return False
        now = time.monotonic()
        if now - self._disk_seen >= DISK_POLL_S or writer.disk_full:
            self._disk_seen = now
            free = 0 if writer.disk_full else self._free()  # then it is the space kept aside that is free
            if writer.disk_full or free < self._min_free_bytes:
                reason = (
                    f"disk full: expected {_at_least(self._min_free_bytes)} to stay free in "
                    f"{self.folder.path}, {_at_most(free)} are; episode {self._index} was closed whole"
                )
                with suppress(PolicyError):  # there the reason says that it was cut short
                    self._close_whole({"ended": "disk full", "success": _label(None)})
                    self._reason = reason
                return False
        return True

    def _drain(self, writer: RawLogWriter) -> None:
        for message in self._waiting():
            writer.write(*message)

    def _waiting(self) -> Iterator[Message]:
        """Take what waits now off the queue; under the lock."""
        for _ in range(len(self._queue)):
            message = self._queue.popleft()
            self._taken_bytes += len(message[1])
            yield message

    @property
    def _queued_bytes(self) -> int:
        return self._put_bytes - self._taken_bytes

    def _close_whole(self, result: Mapping[str, str]) -> Path:
        """The running episode's file, closed and named; `PolicyError` when the disk does not take it."""
        writer = self._running()
        try:
            self._drain(writer)
            self._writer = None  # what is put from here on is not counted as recorded
            counts = {f"frames_{name}": str(c.frames) for name, c in self._cameras.items()}
            counts |= {f"missing_{name}": str(c.missing) for name, c in self._cameras.items()}
            counts |= {f"lost_{name}": str(c.lost) for name, c in self._cameras.items()}
            path = writer.save({**result, **counts, "dropped_messages": str(self._dropped)})
        except OSError as error:
            raise self._cut_short(error) from None
        self._rate = max(self._rate, writer.bytes_written / max(1.0, time.monotonic() - self._started))
        self._index += 1
        self._saved += 1
        return path

    def _cut_short(self, error: OSError) -> PolicyError:
        """Give the episode up: even the space kept aside is gone. What is there is recovered later."""
        self._reason = f"episode {self._index} cut short: {error}"
        self._writer = None
        self._index += 1
        return PolicyError(self._reason)

    def _running(self) -> RawLogWriter:
        if self._writer is None:
            raise PolicyError("expected a running episode, none is being recorded; start one first")
        return self._writer

    def _check_room(self) -> None:
        free = self._free()
        needed = self._min_free_bytes + self._rate * self._max_episode_s
        if free < needed:
            self._reason = (
                f"disk full: expected {_at_least(needed)} free in {self.folder.path} "
                f"({self._max_episode_s:.0f} s at {self._rate / 1e6:.2f} MB/s beside "
                f"{self._min_free_bytes / 1e6:.0f} MB), {_at_most(free)} are"
            )
            raise DiskFullError(self._reason)

    def _free(self) -> int:
        return shutil.disk_usage(self.folder.path).free


def estimated_rate(spec: RobotSpec) -> float:
    """Bytes a second that recording this robot is expected to take."""
    pictures = sum(c.width * c.height * 3 * c.fps for c in spec.cameras)
    return pictures * JPEG_RATIO + JOINT_BYTES * spec.control_hz


def _at_least(size: float) -> str:
    """Bytes in MB, rounded up; with `_at_most` what is needed and what is there never read alike."""
    return f"{math.ceil(size / 1e5) / 10:.1f} MB"


def _at_most(size: float) -> str:
    return f"{math.floor(size / 1e5) / 10:.1f} MB"


def _label(success: bool | None) -> str:
    return "unknown" if success is None else str(success).lower()
