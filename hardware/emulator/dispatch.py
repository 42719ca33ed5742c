"""Who answers a frame, and with which bytes: one line, many servos, two protocols."""

from collections.abc import Sequence
from dataclasses import dataclass

from hardware.buses import dynamixel, feetech
from hardware.buses.dynamixel import DynamixelCodec, fast_payload
from hardware.buses.feetech import FeetechCodec
from hardware.buses.frames import Codec, Frame, Reply
from hardware.emulator.dynamixel_servo import DynamixelServo
from hardware.emulator.feetech_servo import FeetechServo
from hardware.emulator.servo import EmulatedServo


@dataclass(frozen=True)
class Answer:
    """Bytes that a servo puts on the wire, after its return delay."""

    servo: int
    data: bytes
    delay_s: float


class FeetechLine:
    """Feetech servos on one line."""

    codec = FeetechCodec()

    def answers(self, servos: Sequence[FeetechServo], frame: Frame) -> list[Answer]:
        """What the servos that hear `frame` put on the wire, in this order."""
        code, payload = frame.code, frame.payload
        if code == feetech.SYNC_READ and len(payload) > 2:
            found = [s for i in payload[2:] for s in servos if s.memory.id == i]
            return [_answer(self.codec, s, s.read(payload[0], payload[1])) for s in found]
        if code == feetech.SYNC_WRITE and len(payload) > 2:
            address, size = payload[0], payload[1] + 1
            for start in range(2, len(payload) - size + 1, size):
                for servo in servos:
                    if servo.memory.id == payload[start]:
                        servo.write(address, payload[start + 1 : start + size])
            return []
        return _each(self.codec, servos, frame)


class DynamixelLine:
    """Dynamixel servos on one line."""

    codec = DynamixelCodec()

    def answers(self, servos: Sequence[DynamixelServo], frame: Frame) -> list[Answer]:
        """What the servos that hear `frame` put on the wire, in this order."""
        code, payload = frame.code, frame.payload
        if frame.code == dynamixel.STATUS:
            return []
        if code in (dynamixel.SYNC_READ, dynamixel.FAST_SYNC_READ) and len(payload) > 4:
            address, length = (int.from_bytes(payload[i : i + 2], "little") for i in (0, 2))
            found = [s for i in payload[4:] for s in servos if s.memory.id == i]
            replies = [s.read(address, length) for s in found]
            if code == dynamixel.SYNC_READ:
                return [_answer(self.codec, s, r) for s, r in zip(found, replies, strict=True)]
            return self._fast(found, replies, len(payload) - 4)
        if code == dynamixel.SYNC_WRITE and len(payload) > 4:
            address, length = (int.from_bytes(payload[i : i + 2], "little") for i in (0, 2))
            for start in range(4, len(payload) - length, length + 1):
                for servo in servos:
                    if servo.memory.id == payload[start]:
                        servo.write(address, payload[start + 1 : start + 1 + length])
            return []
        return _each(self.codec, servos, frame)

    def _fast(self, found: Sequence[DynamixelServo], replies: Sequence[Frame], asked: int) -> list[Answer]:
        """One packet; it breaks off where a servo is missing."""
        if not found:
            return []
        blocks = [Reply(r.servo, r.payload[0], r.payload[1:]) for r in replies]
        data = self.codec.encode(Frame(self.codec.broadcast, dynamixel.STATUS, fast_payload(blocks)))
        if len(found) < asked:
            data = data[:-2]
        return [Answer(found[0].memory.id, data, sum(s.memory.return_delay_s for s in found))]


def _each(codec: Codec, servos: Sequence[EmulatedServo], frame: Frame) -> list[Answer]:
    """What the servo that `frame` is for answers, or all of them to a broadcast."""
    addressed = [s for s in servos if frame.servo in (s.memory.id, codec.broadcast)]
    replies = [(servo, servo.answer(frame)) for servo in addressed]
    return [_answer(codec, servo, reply) for servo, reply in replies if reply]


def _answer(codec: Codec, servo: EmulatedServo, reply: Frame) -> Answer:
    return Answer(reply.servo, codec.encode(reply), servo.memory.return_delay_s)
