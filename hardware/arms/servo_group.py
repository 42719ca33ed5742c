"""The servos of one bus that belong to an arm: one read and one write a control period for all."""

import time
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from hardware.buses.bus import Bus
from hardware.buses.errors import BusError
from hardware.buses.frames import Reply
from hardware.servos.model import Feedback, Register
from hardware.servos.table import BY_NUMBER, SERVOS
from hardware.spec import BusSpec

REBOOT_S = 1.0  # an XL330 takes 0.3 s


class ServoGroup:
    """A bus and its servos, in the order of its spec. All models on it share feedback and goal registers."""

    def __init__(self, spec: BusSpec, bus: Bus) -> None:
        self.spec = spec
        self.bus = bus
        self.ids = tuple(servo.id for servo in spec.servos)
        self.models = tuple(SERVOS[servo.model] for servo in spec.servos)
        first = self.models[0]
        for servo, model in zip(spec.servos, self.models, strict=True):
            if (model.protocol, model.feedback) != (first.protocol, first.feedback):
                raise BusError(
                    f"bus {spec.name!r}: {servo.model} (joint {servo.joint!r}) and {first.name} "
                    "cannot share a bus"
                )
        self._address, self._length = first.feedback
        self._spare = first.spare
        self._goal = first.register("goal_position")

    def check(self) -> None:
        """Raise `BusError`, naming the joint, unless every servo answers and is of its model."""
        for servo, model in zip(self.spec.servos, self.models, strict=True):
            number = self.bus.identify(servo.id, attempts=3)
            if number is None:
                raise BusError(self._silent(servo.joint, servo.id))
            if number != model.number:
                there = BY_NUMBER.get((model.protocol, number))
                raise BusError(
                    f"joint {servo.joint!r}: expected a {model.name} with id {servo.id} on "
                    f"{self.bus.port.path}, got {there.name if there else f'model {number}'}"
                )

    def _silent(self, joint: str, servo: int) -> str:
        port = self.bus.port
        if self.bus.trouble:
            return self.bus.trouble
        others = [i for i in range(1, 20) if i not in self.ids and self.bus.identify(i) is not None]
        hint = f"; ids that answer and are nobody's: {', '.join(map(str, others))}" if others else ""
        return (
            f"joint {joint!r}: servo id {servo} does not answer on {port.path} at {port.baud} baud; "
            f"is it powered and its cable in{hint}?"
        )

    def read(self, until_s: float) -> dict[int, Reply]:
        """Feedback blocks of the servos that answered, by their place in the group."""
        found = self.bus.sync_read(
            self.ids, self._address, self._length, spare=self._spare, until_s=until_s, fast=True
        )
        return {place: found[servo] for place, servo in enumerate(self.ids) if servo in found}

    def positions(self) -> dict[int, int]:
        """Ticks of the servos that answered, by their place in the group; without hurry."""
        register = self.models[0].register("position")
        found = self.bus.sync_read(self.ids, register.address, register.size, spare=self._spare)
        return {
            place: register.decode(found[servo].data)
            for place, servo in enumerate(self.ids)
            if servo in found and len(found[servo].data) == register.size
        }

    def decoded(
        self, found: dict[int, Reply]
    ) -> Iterator[tuple[NDArray[np.intp], Feedback, NDArray[np.int64]]]:
        """(places, feedback, error bytes) of what answered, model by model."""
        for model in dict.fromkeys(self.models):
            places = [p for p in found if self.models[p] is model and len(found[p].data) == self._length]
            if places:
                errors = np.array([found[p].error for p in places], dtype=np.int64)
                yield np.array(places), model.decode([found[p].data for p in places]), errors

    def write_goals(self, ticks: NDArray[np.int64]) -> bool:
        """Goal positions (n_servos,). False: the port is gone."""
        goal = self._goal
        return self.bus.sync_write(
            goal.address, {i: goal.encode(int(t)) for i, t in zip(self.ids, ticks, strict=True)}
        )

    def hold(self, present: Mapping[int, int]) -> bool:
        """Goals of some servos, by their place in the group. False: the port is gone."""
        goal = self._goal
        return self.bus.sync_write(goal.address, {self.ids[p]: goal.encode(t) for p, t in present.items()})

    def write_all(self, name: str, values: NDArray[np.int64] | int) -> bool:
        """A register of every servo. False: the port is gone."""
        register = self.models[0].register(name)
        each = np.broadcast_to(np.asarray(values), len(self.ids))
        return self.bus.sync_write(
            register.address, {i: register.encode(int(v)) for i, v in zip(self.ids, each, strict=True)}
        )

    def write_torque_limit(self, share: float) -> bool:
        """Of every servo to `share` (0..1) of what it can at most. False: the port is gone."""
        name, full = self.models[0].torque_limit
        return self.write_all(name, round(share * full))

    def recover(self, place: int, torque: bool) -> None:
        """Clear what the servo has latched; with `torque` it then holds where it is."""
        servo, model = self.ids[place], self.models[place]
        torque_enable = model.register("torque_enable").address
        if model.clears_by == "reboot":
            self.bus.send(self.bus.codec.reboot(servo))
            self._await(place)
        self.bus.write(servo, torque_enable, b"\0")
        present = self._read(place, model.register("position"))
        self.bus.write(servo, self._goal.address, self._goal.encode(present))
        if torque:
            self.bus.write(servo, torque_enable, b"\1")

    def _await(self, place: int) -> None:
        """Until a servo that starts answers; `BusError` where it does not."""
        until_s = time.monotonic() + REBOOT_S
        while self.bus.identify(self.ids[place]) is None:
            if time.monotonic() > until_s:
                raise BusError(self._silent(self.spec.servos[place].joint, self.ids[place]))

    def read_all(self, name: str) -> list[int]:
        """A register of every servo; `BusError` names a joint that does not answer."""
        register = self.models[0].register(name)
        return [self._read(place, register) for place in range(len(self.ids))]

    def _read(self, place: int, register: Register) -> int:
        servo = self.spec.servos[place]
        reply = self.bus.read(servo.id, register.address, register.size)
        if reply is None or len(reply.data) != register.size:
            raise BusError(self._silent(servo.joint, servo.id))
        return register.decode(reply.data)
