"""Is any servo hot, measured by the limit at which it lets go?"""

from collections.abc import Iterator

from hardware.doctor.finding import Finding
from hardware.doctor.servos import Seen

MARGIN_C = 15  # below the limit; a stalled servo gains that within a minute


def check_temperature(seen: list[Seen]) -> Iterator[Finding]:
    """Each against its own limit."""
    hottest, hot = 0, False
    for servo in seen:
        here, limit = servo.read("temperature"), servo.read("max_temperature")
        hottest = max(hottest, here)
        if here >= limit - MARGIN_C:
            hot = True
            yield Finding(
                "wrong" if here >= limit else "warning",
                "temperature",
                f"{servo.name} has {here} deg C, it lets go at {limit}",
                "let it cool; then look for what the joint carries or pushes against",
            )
    if seen and not hot:
        yield Finding("ok", "temperature", f"{hottest} deg C at most")
