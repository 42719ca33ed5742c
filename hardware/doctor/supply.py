"""Is the servos' supply within what they are set to bear, and does it reach the last of them?"""

from collections.abc import Iterator

from hardware.doctor.finding import Finding
from hardware.doctor.servos import Seen

UNIT_V = 0.1  # of every voltage register, in both families
DROP_V = 0.5  # along the cables, with the torque off: more is a bad plug


def check_supply(seen: list[Seen]) -> Iterator[Finding]:
    """Each against its own limits, then the difference between them."""
    volts = {servo.name: servo.read("voltage") * UNIT_V for servo in seen}
    wrong = False
    for servo in seen:
        low, high = (servo.read(f"{end}_voltage") * UNIT_V for end in ("min", "max"))
        here = volts[servo.name]
        if not low <= here <= high:
            wrong = True
            yield Finding(
                "wrong",
                "supply",
                f"{servo.name} has {here:.1f} V, it is set to bear {low:.1f} to {high:.1f} V",
                "use the supply that the arm's servos are made for (5 to 7.4 V, or 12 V), and check its plug",
            )
    if seen and not wrong:
        lowest, highest = min(volts, key=lambda n: volts[n]), max(volts, key=lambda n: volts[n])
        if volts[highest] - volts[lowest] > DROP_V + 1e-9:
            said = f"{volts[highest]:.1f} V at {highest}, {volts[lowest]:.1f} V at {lowest}"
            yield Finding("warning", "supply", said, f"plug in or replace the cables before {lowest}")
        else:
            yield Finding("ok", "supply", f"{volts[lowest]:.1f} to {volts[highest]:.1f} V")
