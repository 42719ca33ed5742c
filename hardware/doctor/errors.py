"""Does a servo report an error, or hold torque?"""

from collections.abc import Iterator

from hardware.doctor.finding import Finding
from hardware.doctor.servos import Seen, listed


def check_errors(seen: list[Seen]) -> Iterator[Finding]:
    """The error bits of an answer, and who has its torque on."""
    shown = 0
    for servo in seen:
        register = servo.model.register("torque_enable")
        reply = servo.bus.read(servo.spec.id, register.address, register.size)
        words = servo.bus.codec.error_words(reply.error) if reply else ()
        if words:
            shown += 1
            yield Finding(
                "wrong",
                "errors",
                f"{servo.name} reports: {listed(list(words))}",
                "support the arm, switch the servos' supply off and on; if it stays: the checks beside this",
            )
    if seen and not shown:
        yield Finding("ok", "errors", "none reported")
    held = [servo.name for servo in seen if servo.read("torque_enable")]
    if held:
        yield Finding(
            "warning",
            "torque",
            f"is on in {listed(held)}; a program that ended without parking left it so",
            "support the arm, then switch the servos' supply off and on",
        )
    elif seen:
        yield Finding("ok", "torque", "off in all")
