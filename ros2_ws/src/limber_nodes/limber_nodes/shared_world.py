"""A simulated world that the control thread steps and others look at."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from hardware.robot import ObjectPose, Simulated


class SharedWorld:
    """A `Simulated` that is never looked at in the middle of a step.

    Looking needs no turn in the control loop, so that a teleoperator whom simulated time is
    waiting for can still see where the objects are.
    """

    def __init__(self, world: Simulated) -> None:
        self._world = world
        self._lock = threading.RLock()

    def still(self, look: Callable[[], Any]) -> Any:
        """What `look` gives while the world stands still; it should be quick."""
        with self._lock:
            return look()

    def reset(self, seed: int) -> str:
        with self._lock:
            return self._world.reset(seed)

    def objects(self) -> Mapping[str, ObjectPose]:
        with self._lock:
            return self._world.objects()

    def success(self) -> bool:
        with self._lock:
            return self._world.success()

    def now_ns(self) -> int:
        return self._world.now_ns()

    def advance_to(self, time_ns: int) -> None:
        with self._lock:
            self._world.advance_to(time_ns)
