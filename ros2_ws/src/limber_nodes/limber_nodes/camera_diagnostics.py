"""What a camera's process tells about it, once a second; a recording of /diagnostics keeps it."""

import time
from collections.abc import Callable

from rclpy.node import Node

from hardware.cameras.contract import Picture
from hardware.spec import CameraSpec
from limber_nodes import conversions, diagnostics

PERIOD_S = 1.0


class CameraDiagnostics:
    """Whose stamps the pictures have, how many came, how often the camera went away.

    Published by `tell` from the thread that reads the camera: its node is spun by nobody.
    """

    def __init__(self, node: Node, camera: CameraSpec, now_s: Callable[[], float] = time.monotonic) -> None:
        self._camera = camera
        self._now_s = now_s
        self._count = self._count_before = 0
        self._stamped_by = "nothing yet"
        self._lost = 0
        self._trouble = ""
        self._told_s = now_s()
        self._diagnostics = diagnostics.Diagnostics(
            node,
            self._collect,
            hardware_id=camera.source,
            stamp=lambda: conversions.time_msg(time.monotonic_ns()),
        )

    def came(self, picture: Picture) -> None:
        self._count += 1
        self._stamped_by = picture.stamped_by
        self._trouble = ""

    def went_away(self, why: str) -> None:
        self._lost += 1
        self._trouble = why

    def tell(self) -> None:
        """Publish if it is time."""
        if self._now_s() - self._told_s >= PERIOD_S:
            self._diagnostics.publish()

    def _collect(self) -> diagnostics.Status:
        now_s = self._now_s()
        passed_s, self._told_s = now_s - self._told_s, now_s
        rate = (self._count - self._count_before) / max(passed_s, 1e-3)
        self._count_before = self._count
        level = diagnostics.WARN if self._trouble else diagnostics.OK
        values = {
            "stamped_by": self._stamped_by,
            "latency_ms": self._camera.latency_ms,
            "calibrated": bool(self._camera.intrinsics),
            "pictures": self._count,
            "rate_hz": rate,
            "went_away": self._lost,
        }
        return level, self._trouble or "gives pictures", values
