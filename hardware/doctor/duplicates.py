"""Do two servos answer to one id?

Both answer at once. What differs between them (position, load, voltage) collides on the wire, so that
the answer is garbled, or comes twice where one of them is slower. Hence the raw bytes are looked at.
"""

import time

from hardware.buses.bus import Bus
from hardware.buses.errors import PortError
from hardware.servos.model import ServoModel

ASKED = 6
LISTEN_S = 0.02  # a return delay, and an answer at the slowest rate that arms use
GARBLED_MOST = 2  # of those asked; noise spoils one now and then


def answers_twice(bus: Bus, model: ServoModel, servo: int) -> bool:
    """Whether more than one servo seems to answer to `servo`. `PortError` where the port is gone."""
    address, length = model.feedback
    request = bus.codec.encode(bus.codec.read(servo, address, length))
    twice = garbled = 0
    for _ in range(ASKED):
        data = _raw_answer(bus, request, bus.codec.reply_size(length))
        decoded = bus.codec.decode(data.removeprefix(request), length + 8, True)
        replies = [r for f in decoded.frames for r in bus.codec.replies(f, length) if r.servo == servo]
        twice += len(replies) > 1
        garbled += not replies and bool(data)
    return twice > 1 or garbled > GARBLED_MOST


def _raw_answer(bus: Bus, request: bytes, size: int) -> bytes:
    """All that comes within the time in which two servos would have answered."""
    if not bus.port.is_open:
        raise PortError(bus.trouble or f"port {bus.port.path!r} is not open")
    bus.port.drain()
    bus.port.write(request)
    until_s = time.monotonic() + 2 * bus.port.wire_s(len(request) + size) + LISTEN_S
    return bus.port.read(4096, until_s)
