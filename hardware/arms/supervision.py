"""Reads back what a control period has no time for: is the torque on as it was set, what was latched.

One servo an action step, in turn; one that was silent, or that shows an alert, before its turn.
"""

import time
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hardware.arms.servo_group import ServoGroup

SPARE = 2  # bytes after the block that may be read too


class Supervision:
    """Over the servos of all groups, numbered by joint: `places[g][i]` is the joint of servo i of group g."""

    def __init__(self, groups: Sequence[ServoGroup], places: Sequence[NDArray[np.intp]]) -> None:
        self._servos = {
            int(joint): (group, i)
            for group, joints in zip(groups, places, strict=True)
            for i, joint in enumerate(joints)
        }
        n = len(self._servos)
        self.powered = np.zeros(n, dtype=np.bool_)  # whose torque is on, as far as is known
        self.latched = np.zeros(n, dtype=np.int64)  # error bits that only this block shows
        self._turns = deque(sorted(self._servos))
        self._suspects: deque[int] = deque()

    def suspect(self, joints: NDArray[np.intp]) -> None:
        """Look at these first."""
        self._suspects.extend(int(j) for j in joints if int(j) not in self._suspects)

    def look(self, until_s: float) -> None:
        """At the next servo, if there is time until `until_s` (time.monotonic())."""
        if time.monotonic() >= until_s:
            return
        joint = self._suspects.popleft() if self._suspects else self._turns[0]
        self._turns.rotate(-1)
        if not self.look_at(joint, until_s):
            self.suspect(np.array([joint]))

    def look_at(self, joint: int, until_s: float | None = None) -> bool:
        """Whether its servo answered."""
        group, i = self._servos[joint]
        model, servo = group.models[i], group.ids[i]
        address, length = model.supervised
        found = group.bus.sync_read((servo,), address, length, spare=SPARE, until_s=until_s)
        if servo not in found or len(found[servo].data) != length:
            return False
        data = found[servo].data

        def value(name: str) -> int:
            register = model.register(name)
            start = register.address - address
            return register.decode(data[start : start + register.size])

        self.powered[joint] = value("torque_enable") != 0
        if "hardware_error" in model.registers:
            self.latched[joint] = value("hardware_error")
        return True
