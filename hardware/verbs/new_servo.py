"""Finding the one servo on a line that is new: of the right model, at whatever id and rate it came with."""

from collections.abc import Iterable
from dataclasses import dataclass

from hardware.buses.bus import Bus
from hardware.doctor.duplicates import answers_twice
from hardware.errors import HardwareError
from hardware.servos.model import ServoModel
from hardware.servos.table import BY_NUMBER, SERVOS
from hardware.spec import BusSpec, ServoSpec

LIKELY_IDS = range(0, 30)
FACTORY_ID = 1


@dataclass(frozen=True)
class Found:
    """A servo that answered: its id, the rate in bit/s, and the model number it gives."""

    id: int
    baud: int
    number: int


def find_new_servo(bus: Bus, spec: BusSpec, servo: ServoSpec) -> Found:
    """The servo that is to become `servo`; the bus is left at its rate. `HardwareError` where none is sure.

    Alone on the line it may have any id. Beside others it is the one that no other joint of `spec` has.
    """
    model, path = SERVOS[servo.model], bus.port.path
    there = _scan(bus, spec, servo.id)
    if not there:
        raise HardwareError(
            f"no servo answers on {path}; is the supply on? `python -m hardware scan --port {path}` "
            "looks for every id"
        )
    others = {(s.id, spec.baud) for s in spec.servos if s.id != servo.id}
    new = there if len(there) == 1 else [f for f in there if (f.id, f.baud) not in others]
    if len(new) != 1:
        what = "none of them is" if not new else f"any of ids {_ids(new)} may be"
        raise HardwareError(
            f"ids {_ids(there)} answer, and {what} the new servo; leave it alone on the line, "
            "all others unplugged"
        )
    (found,) = new
    bus.set_baud(found.baud)
    there_model = BY_NUMBER.get((bus.codec.name, found.number))
    if found.number != model.number:
        name = there_model.name if there_model else f"model {found.number}"
        raise HardwareError(f"joint {servo.joint!r}: expected a {model.name}, id {found.id} is a {name}")
    return found


def _scan(bus: Bus, spec: BusSpec, own: int) -> list[Found]:
    """Everything that answers to a likely id, at every rate; refuses where two answer to one."""
    ids = sorted({*LIKELY_IDS, *(s.id for s in spec.servos)})
    found: list[Found] = []
    for rate in (spec.baud, *(r for r in bus.codec.baud_rates if r != spec.baud)):
        bus.set_baud(rate)
        numbers = dict(bus.scan(ids))
        for servo in (FACTORY_ID, own):  # patiently: at a low rate an answer takes longer than a scan waits
            number = None if servo in numbers else bus.identify(servo)
            if number is not None:
                numbers[servo] = number
        for servo, number in sorted(numbers.items()):
            if answers_twice(bus, _model(bus, spec, number), servo):
                raise HardwareError(
                    f"two servos answer to id {servo} on {bus.port.path}: leave the new one alone on the "
                    "line, all others unplugged"
                )
            found.append(Found(servo, rate, number))
    return found


def _model(bus: Bus, spec: BusSpec, number: int) -> ServoModel:
    """Of a model that nobody knows, the registers of its bus's others are read."""
    return BY_NUMBER.get((bus.codec.name, number), SERVOS[spec.servos[0].model])


def _ids(found: Iterable[Found]) -> str:
    return ", ".join(f"{f.id} ({f.baud} baud)" for f in found)
