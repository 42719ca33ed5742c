"""Feetech's protocol 0 (STS and SMS series, e.g. STS3215): FF FF ID LEN CODE payload CHECKSUM.

Source: Feetech, "Communication protocol user manual" (magnetic encoder series), sections 1.1-1.3.
Every packet is graded against scservo_sdk in tests/hardware/test_feetech_codec.py.
"""

from collections.abc import Mapping, Sequence

from hardware.buses.errors import BusError
from hardware.buses.frames import Decoded, Frame, Reply

HEADER = b"\xff\xff"
PING, READ, WRITE, REG_WRITE, ACTION, REBOOT, SYNC_READ, SYNC_WRITE = 1, 2, 3, 4, 5, 8, 0x82, 0x83
ERRORS = {1: "voltage", 2: "angle sensor", 4: "overheated", 8: "over-current", 32: "overload"}
OVERHEAD = 6  # header, id, length, code, checksum
LONGEST = 250  # payload that the length byte can say: 252 less code and checksum


def checksum(body: bytes) -> int:
    """Of everything between header and checksum."""
    return ~sum(body) & 0xFF


class FeetechCodec:
    """The `Codec` of STS and SMS servos. An answer's `code` is its error byte."""

    name = "feetech"
    broadcast = 0xFE
    highest_id = 0xFC
    baud_rates = (1_000_000, 500_000, 250_000, 128_000, 115_200, 57_600, 38_400, 19_200)
    ping_length = 0
    error_in_payload = 0
    model_register = (3, 2)

    def encode(self, frame: Frame) -> bytes:
        if len(frame.payload) > LONGEST:
            raise BusError(
                f"feetech: expected a payload of at most {LONGEST} bytes, got {len(frame.payload)}"
            )
        body = bytes((frame.servo, len(frame.payload) + 2, frame.code)) + frame.payload
        return HEADER + body + bytes((checksum(body),))

    def decode(self, data: bytes, longest: int, final: bool) -> Decoded:
        frames: list[Frame] = []
        taken = at = 0  # bytes of frames; where to look next
        end = len(data)
        while (start := data.find(HEADER, at)) >= 0:
            at = start + 1
            if start + 4 > end:
                if final:
                    continue
                return Decoded(tuple(frames), data[start:], start - taken)
            servo, length = data[start + 2], data[start + 3]
            if servo == 0xFF or not 2 <= length <= longest + 2:  # FF FF FF: the header begins one later
                continue
            stop = start + 4 + length
            if stop > end:
                if final:
                    continue
                return Decoded(tuple(frames), data[start:], start - taken)
            if data[stop - 1] == checksum(data[start + 2 : stop - 1]):
                frames.append(Frame(servo, data[start + 4], data[start + 5 : stop - 1]))
                taken += stop - start
                at = stop
        # a header may be half here
        rest = b"" if final or not data.endswith(b"\xff", at) else data[-1:]
        return Decoded(tuple(frames), rest, end - taken - len(rest))

    def ping(self, servo: int) -> Frame:
        return Frame(servo, PING)

    def reboot(self, servo: int) -> Frame:
        return Frame(servo, REBOOT)

    def read(self, servo: int, address: int, length: int) -> Frame:
        return Frame(servo, READ, bytes((address, length)))

    def write(self, servo: int, address: int, data: bytes) -> Frame:
        return Frame(servo, WRITE, bytes((address,)) + data)

    def sync_read(self, servos: Sequence[int], address: int, length: int) -> Frame:
        return Frame(self.broadcast, SYNC_READ, bytes((address, length, *servos)))

    def fast_sync_read(self, servos: Sequence[int], address: int, length: int) -> None:
        """Feetech has none."""

    def fast_reply_size(self, servos: int, length: int) -> int:
        return servos * self.reply_size(length)

    def sync_write(self, address: int, data: Mapping[int, bytes]) -> Frame:
        length = len(next(iter(data.values())))
        words = b"".join(bytes((servo,)) + values for servo, values in data.items())
        return Frame(self.broadcast, SYNC_WRITE, bytes((address, length)) + words)

    def reply_size(self, length: int) -> int:
        return OVERHEAD + length

    def replies(self, frame: Frame, length: int) -> tuple[Reply, ...]:
        if len(frame.payload) != length:
            return ()
        return (Reply(frame.servo, frame.code, frame.payload),)

    def error_words(self, error: int) -> tuple[str, ...]:
        return tuple(ERRORS.get(1 << bit, f"bit {bit}") for bit in range(8) if error & 1 << bit)
