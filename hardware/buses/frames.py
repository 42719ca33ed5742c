"""What both servo protocols have in common: a frame on the wire, and what a codec must offer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Frame:
    """One packet without its framing. `code` is an instruction; in a Feetech answer, its error byte."""

    servo: int
    code: int
    payload: bytes = b""


@dataclass(frozen=True)
class Decoded:
    """What was found in received bytes: whole frames in order, an unfinished tail, bytes of neither."""

    frames: tuple[Frame, ...]
    rest: bytes
    noise: int


@dataclass(frozen=True)
class Reply:
    """A servo's answer. `error` is the protocol's error byte, 0 for none; `Codec.error_words` tells it."""

    servo: int
    error: int
    data: bytes


class Codec(Protocol):
    """Frames to bytes and back, for one protocol. Pure: no port, no time, no state.

    Requests are frames whose `encode` is written; `replies` gives what a received frame answers.
    """

    @property
    def name(self) -> str: ...

    @property
    def broadcast(self) -> int: ...

    @property
    def highest_id(self) -> int: ...

    @property
    def baud_rates(self) -> Sequence[int]:
        """Rates in bit/s that servos of this protocol can be set to, likeliest first."""

    @property
    def ping_length(self) -> int:
        """Bytes of data in the answer to a ping."""

    @property
    def error_in_payload(self) -> int:
        """Bytes of an answer's payload before its data."""

    @property
    def model_register(self) -> tuple[int, int]:
        """Address and length of the model number, the same in every servo of this protocol."""

    def encode(self, frame: Frame) -> bytes:
        """The bytes of a frame; `BusError` when it has more than the protocol's length can say."""

    def decode(self, data: bytes, longest: int, final: bool) -> Decoded:
        """The frames in `data`, whatever it is: noise is skipped, and nothing raised.

        longest: bytes that a payload expected here has at most; what says it is longer is noise.
        final: no more bytes will come, so that an unfinished frame is noise too.
        """

    def ping(self, servo: int) -> Frame: ...

    def reboot(self, servo: int) -> Frame: ...

    def read(self, servo: int, address: int, length: int) -> Frame: ...

    def write(self, servo: int, address: int, data: bytes) -> Frame: ...

    def sync_read(self, servos: Sequence[int], address: int, length: int) -> Frame: ...

    def fast_sync_read(self, servos: Sequence[int], address: int, length: int) -> Frame | None:
        """A sync read that all answer in one packet; None where the protocol has none."""

    def fast_reply_size(self, servos: int, length: int) -> int:
        """Bytes on the wire of that one packet."""

    def sync_write(self, address: int, data: Mapping[int, bytes]) -> Frame:
        """`data`: servo -> bytes, all of one length."""

    def reply_size(self, length: int) -> int:
        """Bytes on the wire of an answer with `length` bytes of data (without stuffing)."""

    def replies(self, frame: Frame, length: int) -> tuple[Reply, ...]:
        """What `frame` says in answer to a request for `length` bytes; () where it is no answer to one."""

    def error_words(self, error: int) -> tuple[str, ...]:
        """The error byte in words; () for none."""
