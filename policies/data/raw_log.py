"""The raw log: one MCAP file an episode, written as it happens and readable by anybody's tools.

Profile `ros2`, messages as the CDR bytes that travelled, schemas complete. A file is called
`NAME.mcap.partial` until it is saved. Chunks are small and go to the kernel at once, so that a
killed recorder loses at most `FLUSH_S` of the running episode.
"""

import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcap.writer import CompressionType, Writer

from policies.data.schemas import message_definition
from policies.errors import PolicyError

PARTIAL = ".partial"
EPISODE = "limber.episode"  # metadata written at the start
RESULT = "limber.result"  # metadata written at the end
FLUSH_S = 0.2  # a chunk is closed after this time at the latest
CHUNK_BYTES = 256 * 1024  # and at this size
RESERVE_BYTES = 8 * 1024 * 1024  # kept aside, so that a full disk still lets a file be closed whole
FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFullError(PolicyError):
    """No room to begin an episode, or it ran out while one was recorded."""


@dataclass(frozen=True)
class Channel:
    """A topic in a log: its fully resolved name, its ROS type and the offered QoS (may be empty)."""

    topic: str
    type_name: str
    qos: str = ""


class EpisodeFile:
    """An unbuffered file that never tears: when the disk fills, the space kept aside is used.

    `full` then tells that the episode must be closed; what was being written is whole.
    """

    def __init__(self, path: Path, reserve_bytes: int = RESERVE_BYTES) -> None:
        self.path = path
        self.full = False
        self._position = 0
        self._reserve = path.with_name(path.name + ".reserve")
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            self._keep_aside(reserve_bytes)
        except OSError as error:
            os.close(self._fd)
            path.unlink()
            self._reserve.unlink(missing_ok=True)
            if error.errno not in FULL:
                raise
            raise DiskFullError(
                f"expected {reserve_bytes / 1e6:.0f} MB free in {path.parent}, the disk is full"
            ) from None

    def _keep_aside(self, size: int) -> None:
        reserve = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            if size > 0:
                os.posix_fallocate(reserve, 0, size)
        finally:
            os.close(reserve)

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            try:
                written = os.write(self._fd, view)
            except OSError as error:
                if error.errno not in FULL or self.full:
                    raise
                self.full = True
                self._reserve.unlink()
                continue
            view = view[written:]
            self._position += written
        return len(data)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Nothing waits here: every write went to the kernel."""

    def close(self) -> None:
        os.fsync(self._fd)
        os.close(self._fd)
        self._reserve.unlink(missing_ok=True)


class RawLogWriter:
    """Writes one episode to `path` (`.mcap`); nothing bears that name before `save`.

    `info` is kept as text beside the messages: task, operator, robot spec, calibration.
    Raises `PolicyError` when `path` or its partial file exists.
    """

    def __init__(
        self,
        path: Path,
        info: Mapping[str, str],
        *,
        flush_s: float = FLUSH_S,
        chunk_bytes: int = CHUNK_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self.path = path
        self.partial = path.with_name(path.name + PARTIAL)
        for taken in (path, self.partial):
            if taken.exists():
                raise PolicyError(f"expected a new episode file, {taken} exists")
        self.message_count = 0
        self._flush_ns = int(flush_s * 1e9)
        self._flushed_ns = time.monotonic_ns()
        self._file = EpisodeFile(self.partial, reserve_bytes)
        self._schemas: dict[str, int] = {}
        self._channels: dict[Channel, int] = {}
        self._sequence: dict[int, int] = {}
        stream: Any = self._file  # what the writer needs of a stream: write, tell, flush
        # Pictures are compressed already, and an uncompressed chunk costs the recorder no time.
        self._writer = Writer(stream, chunk_size=chunk_bytes, compression=CompressionType.NONE)
        self._writer.start(profile="ros2", library="limber")
        self._writer.add_metadata(EPISODE, dict(info))

    @property
    def bytes_written(self) -> int:
        return self._file.tell()

    @property
    def disk_full(self) -> bool:
        """The disk ran out: the file is whole, and must be saved or discarded now."""
        return self._file.full

    def write(self, channel: Channel, data: bytes, log_time_ns: int, publish_time_ns: int) -> None:
        """Add one serialised message; `log_time_ns` is its arrival, by the wall clock."""
        number = self._channels.get(channel)
        if number is None:
            number = self._register(channel)
        sequence = self._sequence[number]
        self._sequence[number] = sequence + 1
        self._writer.add_message(number, log_time_ns, data, publish_time_ns, sequence)
        self.message_count += 1

    def flush_if_due(self) -> None:
        """Hand the running chunk to the kernel when it is `flush_s` old."""
        now = time.monotonic_ns()
        if now - self._flushed_ns >= self._flush_ns:
            self._flushed_ns = now
            self.flush()

    def flush(self) -> None:
        """Close the running chunk and hand it to the kernel."""
        self._writer.flush()

    def save(self, result: Mapping[str, str]) -> Path:
        """Close the file whole, with `result` inside, and give it its name."""
        self._writer.flush()
        self._writer.add_metadata(RESULT, dict(result))
        self._writer.finish()
        self._file.close()
        self.partial.rename(self.path)
        return self.path

    def discard(self) -> None:
        """Remove what was written."""
        self._file.close()
        self.partial.unlink()

    def _register(self, channel: Channel) -> int:
        schema = self._schemas.get(channel.type_name)
        if schema is None:
            text = message_definition(channel.type_name)
            schema = int(self._writer.register_schema(channel.type_name, "ros2msg", text.encode()))
            self._schemas[channel.type_name] = schema
        metadata = {"offered_qos_profiles": channel.qos}
        number = int(self._writer.register_channel(channel.topic, "cdr", schema, metadata))
        self._channels[channel] = number
        self._sequence[number] = 0
        return number
