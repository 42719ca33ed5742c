"""Torque that comes up slowly when an arm is armed."""

from hardware.control.clock import NS
from hardware.robot import Torque

ARMING_S = 1.0  # of a real arm; a simulated one has nothing to strip
LOWEST = 0.2  # of the torque: holds an SO-101 folded up, and strips no gear


class TorqueRamp:
    """The torque limit on its way from `LOWEST` to all there is."""

    def __init__(self, robot: Torque, now_ns: int, seconds: float) -> None:
        self._robot = robot
        self._begin_ns = now_ns
        self._for_ns = seconds * NS
        robot.set_torque_limit(LOWEST if seconds else 1.0)

    def step(self, now_ns: int) -> bool:
        """Raise the limit; returns True when it is at the top."""
        share = min(1.0, (now_ns - self._begin_ns) / self._for_ns) if self._for_ns else 1.0
        if self._for_ns:
            self._robot.set_torque_limit(LOWEST + (1.0 - LOWEST) * share)
        return share == 1.0
