"""Writing what a servo keeps without power: torque off, lock open, read back, lock closed again."""

from hardware.buses.bus import Bus
from hardware.buses.errors import BusError
from hardware.servos.model import ServoModel


def read_register(bus: Bus, model: ServoModel, servo: int, name: str) -> int:
    """A register's number; `BusError` where the servo does not answer."""
    register = model.register(name)
    reply = bus.read(servo, register.address, register.size)
    if reply is None or len(reply.data) != register.size:
        raise BusError(f"servo id {servo}: no answer to a read of {name}; is it powered?")
    return register.decode(reply.data)


def write_register(bus: Bus, model: ServoModel, servo: int, name: str, value: int) -> None:
    """Set a register in RAM and read it back; `BusError` where it did not take the value."""
    register = model.register(name)
    bus.write(servo, register.address, register.encode(value))
    got = read_register(bus, model, servo, name)
    if got != value:
        raise BusError(f"servo id {servo}: {name} was set to {value} and reads {got}")


def write_eeprom(bus: Bus, model: ServoModel, servo: int, values: dict[str, int]) -> None:
    """Set registers that outlast the power, as far as they differ, and read them back.

    Refused under torque: a servo ignores such writes then, and to drop an arm is not ours to decide.
    A new id or baud rate is the servo's from the next packet on, so that it stands last.
    """
    if read_register(bus, model, servo, "torque_enable"):
        raise BusError(f"servo id {servo}: its torque is on; its EEPROM is written with the torque off only")
    locks = "lock" in model.registers
    if locks:
        write_register(bus, model, servo, "lock", 0)
    try:
        for name, value in values.items():
            if read_register(bus, model, servo, name) == value:
                continue
            register = model.register(name)
            bus.write(servo, register.address, register.encode(value), attempts=1)
            if name == "id":
                servo = value
            if name == "baud":
                bus.set_baud(next(rate for rate, code in model.baud_codes.items() if code == value))
            got = read_register(bus, model, servo, name)
            if got != value:
                raise BusError(f"servo id {servo}: {name} was set to {value} and reads {got}")
    finally:
        if locks:
            write_register(bus, model, servo, "lock", 1)
