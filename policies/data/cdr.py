"""The few ROS messages that learning needs, parsed from CDR bytes with struct and numpy.

Twenty times faster than a general decoder, and without ROS. Little-endian CDR version 1 with
a 4-byte encapsulation header, as every ROS 2 middleware writes it; alignment counts from byte 4.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.control.clock import NS
from policies.errors import DatasetError

Bytes = bytes | memoryview


class Reader:
    """Walks through one serialised message. `DatasetError` where it ends too early."""

    def __init__(self, data: Bytes) -> None:
        if len(data) < 4 or data[0] != 0 or data[1] not in (0, 1):
            raise DatasetError(f"expected a CDR message, got bytes that begin with {bytes(data[:4]).hex()}")
        self._data = data
        self._order = "<" if data[1] == 1 else ">"
        self._at = 4

    def number(self, kind: str, size: int) -> int | float:
        """One number of a struct format `kind` and its `size`."""
        self._align(size)
        value: int | float = struct.unpack_from(self._order + kind, self._data, self._take(size))[0]
        return value

    def count(self) -> int:
        return int(self.number("I", 4))

    def text(self) -> str:
        length = self.count()
        start = self._take(length)
        return bytes(self._data[start : start + max(0, length - 1)]).decode("utf-8", "replace")

    def doubles(self) -> NDArray[np.float64]:
        """A sequence of float64."""
        length = self.count()
        if length == 0:
            return np.zeros(0)
        self._align(8)
        start = self._take(8 * length)
        return np.frombuffer(self._data, self._order + "f8", length, start).astype(np.float64)

    def octets(self) -> memoryview:
        """A sequence of uint8, not copied."""
        length = self.count()
        start = self._take(length)
        return memoryview(self._data)[start : start + length]

    def stamp_ns(self) -> int:
        """builtin_interfaces/Time as nanoseconds."""
        seconds = int(self.number("i", 4))
        return seconds * NS + self.count()

    def header(self) -> tuple[int, str]:
        """std_msgs/Header: (stamp in ns, frame_id)."""
        return self.stamp_ns(), self.text()

    def aligned(self, size: int) -> int:
        """Where the next value of `size` bytes begins."""
        self._align(size)
        return self._at

    def _align(self, size: int) -> None:
        self._at += -(self._at - 4) % size

    def _take(self, size: int) -> int:
        start = self._at
        if start + size > len(self._data):
            raise DatasetError(f"message cut short: {start + size} bytes expected, got {len(self._data)}")
        self._at += size
        return start


@dataclass(frozen=True)
class Joints:
    """sensor_msgs/JointState; the arrays are (n,) or empty."""

    stamp_ns: int
    names: tuple[str, ...]
    position: NDArray[np.float64]
    velocity: NDArray[np.float64]
    effort: NDArray[np.float64]


@dataclass(frozen=True)
class Trajectory:
    """trajectory_msgs/JointTrajectory: its key stamp and the points' positions (H, n)."""

    stamp_ns: int
    names: tuple[str, ...]
    positions: NDArray[np.float64]


def stamp_ns(data: Bytes) -> int:
    """The stamp of any message that begins with a std_msgs/Header."""
    return Reader(data).stamp_ns()


def joints(data: Bytes) -> Joints:
    reader = Reader(data)
    stamp, _ = reader.header()
    names = tuple(reader.text() for _ in range(reader.count()))
    return Joints(stamp, names, reader.doubles(), reader.doubles(), reader.doubles())


def compressed_image(data: Bytes) -> tuple[int, str, memoryview]:
    """sensor_msgs/CompressedImage: (stamp in ns, format, the encoded picture)."""
    reader = Reader(data)
    stamp, _ = reader.header()
    return stamp, reader.text(), reader.octets()


def trajectory(data: Bytes) -> Trajectory:
    reader = Reader(data)
    stamp, _ = reader.header()
    names = tuple(reader.text() for _ in range(reader.count()))
    rows = []
    for _ in range(reader.count()):
        rows.append(reader.doubles())
        for _ in ("velocities", "accelerations", "effort"):
            reader.doubles()
        reader.stamp_ns()  # time_from_start, a Duration of the same layout
    width = len(rows[0]) if rows else len(names)
    return Trajectory(stamp, names, np.array(rows).reshape(len(rows), width))


def string(data: Bytes) -> str:
    """std_msgs/String."""
    return Reader(data).text()


def boolean(data: Bytes) -> bool:
    """std_msgs/Bool."""
    return bool(Reader(data).number("B", 1))


def stamps_ns(payloads: Sequence[Bytes]) -> NDArray[np.int64]:
    """The header stamps (N,) of serialised messages."""
    return np.array([stamp_ns(p) for p in payloads], dtype=np.int64)


def joint_series(
    payloads: Sequence[Bytes],
) -> tuple[NDArray[np.int64], tuple[str, ...], NDArray[np.float64]]:
    """Many JointStates of one topic at once: stamps (N,), names, positions (N, n).

    A publisher's messages differ in their numbers only, so one layout serves them all and they
    are read as one array. `DatasetError` when they name different joints.
    """
    first = joints(payloads[0])
    start = len(payloads[0]) - _tail(payloads[0], first)
    width = len(first.position)
    size = len(payloads[0])
    if all(len(p) == size for p in payloads):
        rows = np.frombuffer(b"".join(payloads), np.uint8).reshape(len(payloads), size)
        same = rows[:, 12:start] == rows[0, 12:start]
        if rows[0, 1] == 1 and same.all():
            seconds = rows[:, 4:8].copy().view("<i4")[:, 0].astype(np.int64)
            nanoseconds = rows[:, 8:12].copy().view("<u4")[:, 0].astype(np.int64)
            positions = rows[:, start : start + 8 * width].copy().view("<f8")
            return seconds * NS + nanoseconds, first.names, positions
    each = [joints(p) for p in payloads]
    if any(m.names != first.names or len(m.position) != width for m in each):
        raise DatasetError(f"expected one set of joints, {' '.join(first.names)}, got several in one topic")
    stamps = np.array([m.stamp_ns for m in each], dtype=np.int64)
    return stamps, first.names, np.array([m.position for m in each]).reshape(len(each), width)


def _tail(payload: Bytes, message: Joints) -> int:
    """Bytes from the first position to the end of a JointState."""
    reader = Reader(payload)
    reader.header()
    for _ in range(reader.count()):
        reader.text()
    reader.count()
    return len(payload) - reader.aligned(8) if len(message.position) else 0
