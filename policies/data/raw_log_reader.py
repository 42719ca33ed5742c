"""Reads raw logs fast and in one pass, whole or cut short, ours or any other ROS 2 MCAP file."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Metadata, Schema
from mcap.stream_reader import get_chunk_data_stream
from numpy.typing import NDArray

from policies.errors import DatasetError

MAGIC = b"\x89MCAP0\r\n"
RECORD = struct.Struct("<BQ")  # opcode, length
DAMAGE = (McapError, ValueError, struct.error, EOFError, OverflowError, MemoryError)
"""What reading a record of damaged bytes raises."""
MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time


@dataclass
class TopicLog:
    """All messages of one topic in the order of arrival: serialised, with both times in ns."""

    topic: str
    type_name: str
    qos: str
    log_times: list[int] = field(default_factory=list)
    publish_times: list[int] = field(default_factory=list)
    payloads: list[memoryview] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.payloads)

    @property
    def log_time_array(self) -> NDArray[np.int64]:
        """Arrival times (N,) in ns of the wall clock."""
        return np.array(self.log_times, dtype=np.int64)


@dataclass(frozen=True)
class RawLog:
    """One episode: its topics by name and its metadata records by name.

    `whole` tells whether the file was closed properly; if not, it holds what came before the cut.
    """

    path: Path
    topics: dict[str, TopicLog]
    metadata: dict[str, dict[str, str]]
    whole: bool

    def topic(self, name: str) -> TopicLog | None:
        """The topic with this relative name under whatever namespace it was recorded."""
        found = [t for key, t in self.topics.items() if key == f"/{name}" or key.endswith(f"/{name}")]
        return min(found, key=lambda t: len(t.topic)) if found else None

    @property
    def message_count(self) -> int:
        return sum(len(t) for t in self.topics.values())


def read_raw_log(path: Path, *, allow_cut: bool = False) -> RawLog:
    """Read every message of `path`.

    `DatasetError` for a file that is no MCAP, or that is cut short unless `allow_cut`.
    """
    data = memoryview(path.read_bytes())
    if bytes(data[: len(MAGIC)]) != MAGIC:
        raise DatasetError(f"expected an MCAP file, {path} does not begin like one")
    content = _Content()
    try:
        whole = content.read(data[len(MAGIC) :]) and bytes(data[-len(MAGIC) :]) == MAGIC
    except DAMAGE:  # what came before it is good
        whole = False
    if not whole and not allow_cut:
        raise DatasetError(
            f"expected a whole MCAP file, {path} is cut short or damaged; the recorder recovers it"
        )
    topics: dict[str, TopicLog] = {}
    for log in content.channels.values():
        if log.topic in topics:  # one topic offered with two qualities of service
            for name in ("log_times", "publish_times", "payloads"):
                getattr(topics[log.topic], name).extend(getattr(log, name))
        else:
            topics[log.topic] = log
    return RawLog(path, topics, content.metadata, whole)


def _records(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Each whole record's opcode and content; ends silently where a record is cut."""
    position, end = 0, len(data)
    while position + RECORD.size <= end:
        opcode, length = RECORD.unpack_from(data, position)
        position += RECORD.size
        if position + length > end:
            return
        yield opcode, data[position : position + length]
        position += length


@dataclass
class _Content:
    """What was read so far."""

    schemas: dict[int, str] = field(default_factory=dict)
    channels: dict[int, TopicLog] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)

    def read(self, data: memoryview) -> bool:
        """Take every record; whether the end of the data was there. Raises one of `DAMAGE`."""
        for opcode, body in _records(data):
            if opcode == Opcode.CHUNK:
                chunk = _chunk_records(body)
                if chunk is None:  # damaged: nothing after it can be trusted
                    return False
                for inner, content in _records(chunk):
                    self._take(inner, content)
            elif opcode == Opcode.METADATA:
                record = Metadata.read(_stream(body))
                self.metadata.setdefault(record.name, {}).update(record.metadata)
            elif opcode == Opcode.DATA_END:
                return True
            else:
                self._take(opcode, body)
        return False

    def _take(self, opcode: int, content: memoryview) -> None:
        if opcode == Opcode.MESSAGE:
            number, _, log_time, publish_time = MESSAGE.unpack_from(content)
            log = self.channels.get(number)
            if log is not None:
                log.log_times.append(log_time)
                log.publish_times.append(publish_time)
                log.payloads.append(content[MESSAGE.size :])
        elif opcode == Opcode.SCHEMA:
            schema = Schema.read(_stream(content))
            self.schemas[schema.id] = schema.name
        elif opcode == Opcode.CHANNEL:
            channel = Channel.read(_stream(content))
            qos = channel.metadata.get("offered_qos_profiles", "")
            name = self.schemas.get(channel.schema_id, "")
            self.channels.setdefault(channel.id, TopicLog(channel.topic, name, qos))


def _chunk_records(body: memoryview) -> memoryview | None:
    """A chunk's records, decompressed and checked; None when it is damaged."""
    uncompressed_size, crc = struct.unpack_from("<QI", body, 16)
    (name_length,) = struct.unpack_from("<I", body, 28)
    start = 32 + name_length + 8
    if name_length == 0:
        data = body[start:]
    else:
        try:
            stream, _ = get_chunk_data_stream(Chunk.read(_stream(body)))
            data = memoryview(stream.read(uncompressed_size))
        except (McapError, ValueError, RuntimeError, OSError):
            return None
    if len(data) != uncompressed_size or (crc and zlib.crc32(data) != crc):
        return None
    return data


def _stream(content: memoryview) -> ReadDataStream:
    return ReadDataStream(BytesIO(content))
