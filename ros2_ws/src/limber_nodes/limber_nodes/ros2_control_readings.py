"""The last that was heard of every joint of somebody else's arm."""

from collections.abc import Sequence

import numpy as np
from sensor_msgs.msg import JointState

from hardware.control.clock import NS


class Readings:
    """Position, velocity and effort (n_joints,) in the order of `names`, and when each was heard.

    A message may tell of some of the joints only (an arm and its gripper have two broadcasters, say), in
    any order, and of others. Without velocities they are the differences of the positions; without
    efforts these are 0.
    """

    def __init__(self, names: Sequence[str]) -> None:
        n = len(names)
        self._places = {name: i for i, name in enumerate(names)}
        self.heard: set[str] = set()  # every joint that was told of
        self.position = np.full(n, np.nan)
        self.velocity = np.zeros(n)
        self.effort = np.zeros(n)
        self.stamps_ns = np.zeros(n, dtype=np.int64)

    @property
    def missing(self) -> np.ndarray:
        """Joints (n_joints,) that were never heard of."""
        return self.stamps_ns == 0

    def take(self, message: JointState, came_ns: int) -> None:
        """`came_ns`: robot time. A message whose arrays do not fit its names tells nothing."""
        if len(message.position) != len(message.name):
            return
        self.heard.update(message.name)
        told = [(i, self._places[name]) for i, name in enumerate(message.name) if name in self._places]
        if not told:
            return
        there, here = (list(column) for column in zip(*told, strict=True))
        position = np.array(message.position)[there]
        self.velocity[here] = self._velocity(message, there, here, position, came_ns)
        if len(message.effort) == len(message.name):
            self.effort[here] = np.nan_to_num(np.array(message.effort)[there])
        self.position[here] = position
        self.stamps_ns[here] = came_ns

    def _velocity(
        self, message: JointState, there: list[int], here: list[int], position: np.ndarray, came_ns: int
    ) -> np.ndarray:
        if len(message.velocity) == len(message.name):
            return np.nan_to_num(np.array(message.velocity)[there])
        seconds = (came_ns - self.stamps_ns[here]) / NS
        known = (self.stamps_ns[here] > 0) & (seconds > 0)
        return np.where(known, (position - self.position[here]) / np.where(known, seconds, 1.0), 0.0)
