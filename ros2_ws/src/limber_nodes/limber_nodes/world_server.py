"""The control socket of a robot whose world can be reset: the loop is told before the world changes."""

from pathlib import Path

from hardware.control.loop import ControlLoop
from hardware.control_socket import ControlSocketServer
from hardware.errors import HardwareError
from limber_nodes.robot_inputs import ANSWER_S
from limber_nodes.shared_world import SharedWorld
from limber_nodes.teleop_gate import TeleopGate


def serve_world(path: Path, world: SharedWorld, loop: ControlLoop, gate: TeleopGate) -> ControlSocketServer:
    """Serve at `path`; a reset runs in the loop's thread, which then holds the new pose."""

    def reset(seed: int) -> str:
        instructions: list[str] = []
        gate.release()

        def place() -> None:
            instructions.append(world.reset(seed))

        if not loop.call(lambda: loop.reset_world(place)).wait(ANSWER_S):
            raise HardwareError("the control loop does not run")
        if not instructions:
            raise HardwareError(loop.fault)
        return instructions[0]

    return ControlSocketServer(path, world, world.still, reset)
