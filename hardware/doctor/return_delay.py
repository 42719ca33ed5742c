"""Do the servos answer at once? As delivered they wait 0.5 ms each, half a period for six of them."""

from collections.abc import Iterator

from hardware.doctor.finding import Finding
from hardware.doctor.servos import Seen, listed

UNIT_US = 2  # of the register, in both families


def check_return_delay(seen: list[Seen]) -> Iterator[Finding]:
    """0 is wanted."""
    slow = [f"{s.name} {UNIT_US * delay} us" for s in seen if (delay := s.read("return_delay"))]
    if slow:
        mend = "run this again with --mend: it writes 0 to their EEPROM, torque off"
        yield Finding("warning", "return delay", f"expected 0, got {listed(slow)}", mend)
    elif seen:
        yield Finding("ok", "return delay", "0 in all")
