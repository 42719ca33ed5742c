"""Does every servo of the spec answer, once, at the spec's rate, and is it of its model?"""

from collections.abc import Iterator

from hardware.arms.servo_group import ServoGroup
from hardware.doctor.duplicates import answers_twice
from hardware.doctor.finding import Finding
from hardware.doctor.servos import Seen, listed
from hardware.servos.table import BY_NUMBER
from hardware.spec import ServoSpec

LIKELY_IDS = range(0, 30)


def check_presence(group: ServoGroup, seen: list[Seen]) -> Iterator[Finding]:
    """Fills `seen` with the servos that are there as they should be."""
    bus, port = group.bus, group.bus.port
    missing: list[ServoSpec] = []
    twice: list[ServoSpec] = []
    for servo, model in zip(group.spec.servos, group.models, strict=True):
        number = bus.identify(servo.id, attempts=3)
        if number is None:
            missing.append(servo)
        elif answers_twice(bus, model, servo.id):
            twice.append(servo)
        elif number != model.number:
            there = BY_NUMBER.get((model.protocol, number))
            yield Finding(
                "wrong",
                "model",
                f"{servo.joint} (id {servo.id}) is a {there.name if there else f'model {number}'}, "
                f"a {model.name} is expected",
                "put the right servo there, or its model into the spec",
            )
        else:
            seen.append(Seen(servo, model, bus))
    new = missing[0].id if missing else "<its id>"
    for servo in twice:
        yield Finding(
            "wrong",
            "ids",
            f"two servos answer to id {servo.id} ({servo.joint}), or its answers are garbled",
            "leave only the one that is wrong plugged in, then python -m hardware set-id "
            f"--port {port.path} --old {servo.id} --new {new}",
        )
    known = {servo.id for servo in group.spec.servos}
    strangers = [i for i, _ in bus.scan(i for i in LIKELY_IDS if i not in known)]
    if strangers:
        ids = listed([str(i) for i in strangers])
        yield Finding(
            "warning",
            "ids",
            f"ids that answer and are no joint's: {ids}",
            f"python -m hardware set-id --port {port.path} --old {strangers[0]} --new {new}",
        )
    yield from _say_missing(group, missing, alone=not seen and not strangers)
    if seen:
        said = f"{len(seen)} of {len(group.ids)} answer as expected at {port.baud} baud"
        yield Finding("ok", "servos", f"bus {group.spec.name!r}: {said}")


def _say_missing(group: ServoGroup, missing: list[ServoSpec], alone: bool) -> Iterator[Finding]:
    """Where the missing ones are, as far as the other rates tell."""
    bus, port = group.bus, group.bus.port
    baud = port.baud
    elsewhere: dict[int, int] = {}  # id -> rate
    for rate in bus.codec.baud_rates if missing else ():
        if rate == baud:
            continue
        bus.set_baud(rate)
        for number in [s.id for s in missing if s.id not in elsewhere]:
            if bus.identify(number) is not None:
                elsewhere[number] = rate
    bus.set_baud(baud)
    if missing and alone and not elsewhere:
        yield Finding(
            "wrong",
            "servos",
            f"no servo answers on {port.path} at any rate",
            "switch the servos' supply on; check the cable between adapter and first servo",
        )
        return
    for servo in missing:
        name = f"{servo.joint} (id {servo.id})"
        if servo.id in elsewhere:
            yield Finding(
                "wrong",
                "baud",
                f"{name} answers at {elsewhere[servo.id]} baud, the spec says {baud}",
                f"python -m hardware set-id --port {port.path} --old {servo.id} --new {servo.id} "
                f"--model {servo.model} --baud {baud}",
            )
        else:
            yield Finding(
                "wrong",
                "ids",
                f"{name} does not answer",
                "check its cable and the one before it; if it was replaced: python -m hardware "
                f"replace-servo --port {port.path} --joint {servo.joint}",
            )
