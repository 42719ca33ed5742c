"""Dynamixel protocol 2.0 (X series, e.g. XL330, XL430): FF FF FD 00 ID LEN(2) CODE payload CRC(2).

FF FF FD in code and payload is stuffed to FF FF FD FD, which the length and the CRC count.
Source: ROBOTIS e-manual, "DYNAMIXEL Protocol 2.0". Every packet is graded against dynamixel_sdk in
tests/hardware/test_dynamixel_codec.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from hardware.buses.errors import BusError
from hardware.buses.frames import Decoded, Frame, Reply

HEADER = b"\xff\xff\xfd\x00"
PING, READ, WRITE, REG_WRITE, ACTION, FACTORY_RESET, REBOOT = 1, 2, 3, 4, 5, 6, 8
STATUS, SYNC_READ, SYNC_WRITE, FAST_SYNC_READ = 0x55, 0x82, 0x83, 0x8A
ALERT = 0x80
ERRORS = {
    1: "instruction failed",
    2: "unknown instruction",
    3: "wrong CRC",
    4: "value out of range",
    5: "wrong data length",
    6: "value beyond a limit",
    7: "register not accessible",
}
PREFIX = 7  # header, id, length
OVERHEAD = PREFIX + 4  # and code, error, CRC
LONGEST = 0xFFFF - 3
STUFFED, PLAIN = b"\xff\xff\xfd\xfd", b"\xff\xff\xfd"


def _crc_of(byte: int) -> int:
    crc = byte << 8
    for _ in range(8):
        crc = (crc << 1) ^ (0x8005 if crc & 0x8000 else 0)
    return crc & 0xFFFF


_CRC = tuple(_crc_of(byte) for byte in range(256))


def crc16(data: Iterable[int], start: int = 0) -> int:
    """Polynomial 0x8005, not reflected, from `start` on."""
    crc = start
    for byte in data:
        crc = (crc << 8 & 0xFF00) ^ _CRC[crc >> 8 ^ byte]
    return crc


def _word(value: int) -> bytes:
    return value.to_bytes(2, "little")


class DynamixelCodec:
    """The `Codec` of protocol 2.0. An answer's code is STATUS and its payload starts with the error byte."""

    name = "dynamixel"
    broadcast = 0xFE
    highest_id = 0xFC
    baud_rates = (1_000_000, 57_600, 115_200, 2_000_000, 3_000_000, 4_000_000, 9_600)
    ping_length = 3
    error_in_payload = 1
    model_register = (0, 2)

    def encode(self, frame: Frame) -> bytes:
        body = bytes((frame.code,)) + frame.payload
        if not _is_fast_answer(frame.servo, frame.code):
            body = body.replace(PLAIN, STUFFED)
        if len(body) + 2 > LONGEST:
            raise BusError(f"dynamixel: expected a payload of at most {LONGEST} bytes, got {len(body)}")
        data = HEADER + bytes((frame.servo,)) + _word(len(body) + 2) + body
        return data + _word(crc16(data))

    def decode(self, data: bytes, longest: int, final: bool) -> Decoded:
        frames: list[Frame] = []
        taken = at = 0  # bytes of frames; where to look next
        end = len(data)
        longest_body = longest + longest // 3 + 3  # every third byte may be followed by a stuffed one
        while (start := data.find(HEADER, at)) >= 0:
            at = start + 1
            whole = start + PREFIX <= end
            length = int.from_bytes(data[start + 5 : start + PREFIX], "little") if whole else 3
            if length < 3 or length > longest_body or (whole and data[start + 4] > self.broadcast):
                continue
            stop = start + PREFIX + length
            if not whole or stop > end:
                if final:
                    continue
                return Decoded(tuple(frames), data[start:], start - taken)
            if int.from_bytes(data[stop - 2 : stop], "little") == crc16(data[start : stop - 2]):
                frames.append(_frame(data[start + 4], data[start + PREFIX : stop - 2]))
                taken += stop - start
                at = stop
        rest = b"" if final else _half_header(data[at:])
        return Decoded(tuple(frames), rest, end - taken - len(rest))

    def ping(self, servo: int) -> Frame:
        return Frame(servo, PING)

    def reboot(self, servo: int) -> Frame:
        return Frame(servo, REBOOT)

    def read(self, servo: int, address: int, length: int) -> Frame:
        return Frame(servo, READ, _word(address) + _word(length))

    def write(self, servo: int, address: int, data: bytes) -> Frame:
        return Frame(servo, WRITE, _word(address) + data)

    def sync_read(self, servos: Sequence[int], address: int, length: int) -> Frame:
        return Frame(self.broadcast, SYNC_READ, _word(address) + _word(length) + bytes(servos))

    def fast_sync_read(self, servos: Sequence[int], address: int, length: int) -> Frame:
        """Firmware from 45 (XL430) or 46 (XL330) on."""
        return Frame(self.broadcast, FAST_SYNC_READ, _word(address) + _word(length) + bytes(servos))

    def sync_write(self, address: int, data: Mapping[int, bytes]) -> Frame:
        length = len(next(iter(data.values())))
        words = b"".join(bytes((servo,)) + values for servo, values in data.items())
        return Frame(self.broadcast, SYNC_WRITE, _word(address) + _word(length) + words)

    def reply_size(self, length: int) -> int:
        return OVERHEAD + length

    def fast_reply_size(self, servos: int, length: int) -> int:
        return PREFIX + 1 + servos * (length + 4)

    def replies(self, frame: Frame, length: int) -> tuple[Reply, ...]:
        if frame.code != STATUS or not frame.payload:
            return ()
        if frame.servo == self.broadcast:
            return _fast_replies(frame.payload, length)
        error, data = frame.payload[0], frame.payload[1:]
        if len(data) != length and not (error & ~ALERT and not data):
            return ()
        return (Reply(frame.servo, error, data),)

    def error_words(self, error: int) -> tuple[str, ...]:
        words = ("hardware alert",) if error & ALERT else ()
        number = error & ~ALERT
        return (*words, ERRORS.get(number, f"error {number}")) if number else words


def _is_fast_answer(servo: int, code: int) -> bool:
    """The answers in one packet are found by their place and are not stuffed."""
    return servo == DynamixelCodec.broadcast and code == STATUS


def _frame(servo: int, body: bytes) -> Frame:
    if not _is_fast_answer(servo, body[0]):
        body = body.replace(STUFFED, PLAIN)
    return Frame(servo, body[0], body[1:])


def _fast_replies(payload: bytes, length: int) -> tuple[Reply, ...]:
    """One block a servo: error, id, data, CRC of the packet so far (the last one is the packet's own)."""
    size = length + 4
    if (len(payload) + 2) % size:
        return ()
    blocks = [payload[i : i + size] for i in range(0, len(payload), size)]
    return tuple(Reply(block[1], block[0], block[2 : 2 + length]) for block in blocks)


def fast_payload(replies: Sequence[Reply]) -> bytes:
    """The payload of the one packet that carries `replies`, the inverse of what `replies` reads."""
    size = sum(len(reply.data) + 4 for reply in replies)
    header = HEADER + bytes((DynamixelCodec.broadcast,)) + _word(size + 1) + bytes((STATUS,))

    def add(packet: bytes, reply: Reply) -> bytes:
        packet += bytes((reply.error, reply.servo)) + reply.data
        return packet + _word(crc16(packet))

    return reduce(add, replies, header)[len(header) : -2]


def _half_header(data: bytes) -> bytes:
    """The longest end of `data` that may be the start of a header."""
    for size in (3, 2, 1):
        if data.endswith(HEADER[:size]):
            return data[-size:]
    return b""
