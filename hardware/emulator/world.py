"""The emulated robot's control socket: resets its task, tells the truth, and lets faults happen."""

from collections import deque
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from hardware.control_socket import ControlSocketServer
from hardware.emulator.faults import FaultEvent
from hardware.emulator.robot import EmulatedRobot
from hardware.errors import HardwareError, unknown
from hardware.robot import ObjectPose, Simulated

HEARD = 200_000  # requests that are kept: a quarter of an hour at 100 Hz


class EmulatedWorld:
    """The plant's task where it has one, else an arm that a reset puts to rest. Implements `Simulated`."""

    def __init__(self, robot: EmulatedRobot) -> None:
        self._robot = robot
        self._world = robot.plant if isinstance(robot.plant, Simulated) else None

    def reset(self, seed: int) -> str:
        """Objects and arm as `seed` says; the servos stay as they are and find themselves there."""
        instruction = self._world.reset(seed) if self._world else ""
        if not self._world:
            self._robot.plant.place(self._robot.spec.joint_array("rest"))  # type: ignore[attr-defined]
        self._robot.advance()
        return instruction

    def objects(self) -> Mapping[str, ObjectPose]:
        return self._world.objects() if self._world else {}

    def success(self) -> bool:
        return self._world.success() if self._world else False

    def now_ns(self) -> int:
        return self._robot.now_ns()

    def advance_to(self, time_ns: int) -> None:
        """An emulated robot's time is the machine's: it goes on by itself."""


def serve(robot: EmulatedRobot, path: Path) -> ControlSocketServer:
    """The control socket at `path`: reset, state, fault (begins now), rates (of faults), counts, pose.

    heard: what clients asked of the servos since it was last asked (nothing the first time): a list of
    [time.monotonic(), bus, servo id, instruction, payload in hex].
    """
    world = EmulatedWorld(robot)

    def reset(seed: int) -> str:
        return robot.call(lambda: world.reset(seed))

    def fault(request: Mapping[str, Any]) -> dict[str, Any]:
        names = [field.name for field in fields(FaultEvent)]
        for name in request:
            if name not in names:
                raise HardwareError(unknown("part of a fault", name, names))
        event = FaultEvent(**request)
        robot.call(lambda: robot.befall(event))
        return {}

    def rates(request: Mapping[str, Any]) -> dict[str, Any]:
        robot.call(lambda: robot.faults.set_rates(**request))
        return {}

    def pose(request: Mapping[str, Any]) -> dict[str, list[float]]:
        plant = robot.plant
        return robot.call(lambda: {"position": plant.position.tolist(), "velocity": plant.velocity.tolist()})

    def counts(request: Mapping[str, Any]) -> dict[str, int]:
        return dict(robot.faults.injected)

    def heard(request: Mapping[str, Any]) -> list[list[Any]]:
        def take() -> list[list[Any]]:
            frames: list[list[Any]] = []
            for name, line in robot.lines.items():
                frames += [[s, name, f.servo, f.code, f.payload.hex()] for s, f in line.heard or ()]
                line.heard = deque(maxlen=HEARD)
            return frames

        return robot.call(take)

    extra = {"fault": fault, "rates": rates, "counts": counts, "heard": heard, "pose": pose}
    return ControlSocketServer(path, world, robot.call, reset, extra)
