"""`python -m hardware spec ROBOT`"""

from dataclasses import dataclass
from typing import Annotated

import tyro

from hardware.spec import load_spec


@dataclass(frozen=True)
class Spec:
    """Print a robot's spec as it is understood, and its hash."""

    robot: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ROBOT")]
    """A shipped robot's name, or a path to a YAML file."""

    def run(self) -> None:
        spec = load_spec(self.robot)
        print(f"{spec.name}: {spec.description}")
        print(f"control {spec.control_hz} Hz, actions {spec.action_hz} Hz, hash {spec.hash}\n")
        print(f"{'joint':16}{'position (rad or m)':>22}{'rest':>9}{'/s':>8}{'/s^2':>8}{'/s^3':>8}{'N m':>8}")
        for joint in spec.joints:
            interval = f"{joint.lower:.4f} .. {joint.upper:.4f}"
            print(
                f"{joint.name:16}{interval:>22}{joint.rest:>9.3f}{joint.velocity:>8g}{joint.acceleration:>8g}"
                f"{joint.jerk:>8g}{joint.effort:>8g}{'  gripper' if joint.gripper else ''}"
            )
        print()
        for camera in spec.cameras:
            print(
                f"camera {camera.name}: {camera.width}x{camera.height} at {camera.fps} Hz, "
                f"frame {camera.frame}, latency {camera.latency_ms:g} ms"
            )
