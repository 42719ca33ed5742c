"""`python -m hardware latency`"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hardware.arms.calibration import calibration_path, load_calibration
from hardware.arms.make import make_serial_arm, port_table
from hardware.cameras.contract import CameraError
from hardware.cameras.table import make_camera
from hardware.cameras.topic_source import is_topic
from hardware.emulator.arm import EmulatedArm
from hardware.errors import HardwareError, unknown
from hardware.latency.camera import REACH, measure_camera
from hardware.latency.correlate import MeasurementError
from hardware.latency.drive import Drive, Powered
from hardware.latency.joint import STEP, measure_joint
from hardware.spec import CameraSpec, RobotSpec, load_spec
from hardware.verbs.on_port import OnPort


@dataclass(frozen=True)
class Latency(OnPort):
    """Measure how late a joint moves after its goal is written, and how late the cameras' stamps are.

    The arm moves one joint, slowly and not far. For a camera, the differences between its pictures are
    compared with the joint's motion, moved back by every supposed latency; the best fit is printed as the
    spec's line. It is told from the stamp as the driver gives it to the middle of the exposure.
    """

    joint: str = ""
    """The joint to move; default: the first. A camera must see something move."""
    camera: tuple[str, ...] = ()
    """Cameras to measure; default: all that the spec has a source for."""
    steps: int = 40
    """Steps of the joint from goal to motion."""
    seconds: float = 12.0
    """How long the joint moves before each camera."""
    calibration: Path | None = None
    """Calibration file; default: the robot's own in the user's data folder."""
    yes: bool = False
    """Do not ask before the arm moves."""

    def run(self) -> None:
        spec = load_spec(self.robot)
        joint = self.joint or spec.joint_names[0]
        if joint not in spec.joint_names:
            raise HardwareError(unknown("joint", joint, spec.joint_names))
        for name in self.camera:
            if name not in spec.camera_names:
                raise HardwareError(unknown("camera", name, spec.camera_names))
        if self.steps < 2 or not 2.0 <= self.seconds <= 600.0:
            raise HardwareError(
                f"expected 2 steps at least and 2 to 600 seconds, got {self.steps} and {self.seconds:g}"
            )
        number = spec.joint_names.index(joint)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it parks
        with self._robot(spec) as (robot, cameras):
            self._ask(joint)
            with Drive(robot) as drive:
                print(f"{joint}: {self.steps} steps of {STEP:g} rad ...", flush=True)
                found = measure_joint(drive, number, self.steps)
                print(
                    f"{joint}: from goal to motion p50 {found.percentile(50):.1f} ms, p99 "
                    f"{found.percentile(99):.1f} ms, n {len(found.delays_ms)}, missed {found.missed}"
                )
                troubles = [self._measure(drive, camera, number) for camera in cameras]
        for trouble in filter(None, troubles):
            raise HardwareError(trouble)

    def _measure(self, drive: Drive, camera: CameraSpec, joint: int) -> str:
        """Print one camera's latency; why it cannot be told, empty where it can."""
        print(f"camera {camera.name}: {self.seconds:g} s of motion ...", flush=True)
        source = make_camera(replace(camera, latency_ms=0.0))
        try:
            source.open()
            got = measure_camera(drive, camera.name, source, joint, self.seconds)
        except (CameraError, MeasurementError) as error:
            print(f"camera {camera.name}: not measured", flush=True)
            return str(error)
        finally:
            source.close()
        print(
            f"camera {camera.name}: {got.latency_ms:.1f} ms from exposure to stamp (+- {got.spread_ms:.1f} "
            f"ms, correlation {got.correlation:.2f}, {got.pictures} pictures); in the spec:\n"
            f"    latency_ms: {max(0.0, got.latency_ms):.0f}"
        )
        return ""

    def _ask(self, joint: str) -> None:
        if self.yes:
            return
        print(f"The arm will be armed, move {joint} by up to {REACH:g} rad, and park. Keep clear of it.")
        print("Type yes to go on: ", end="", flush=True)
        if sys.stdin.readline().strip().lower() != "yes":
            raise HardwareError("not armed: yes was not typed (--yes says it beforehand)")

    @contextmanager
    def _robot(self, spec: RobotSpec) -> Iterator[tuple[Powered, list[CameraSpec]]]:
        """The arm, connected, and the cameras to look at; an emulated one is started with the simulation."""
        robot: Powered
        if spec.driver == "emulated" and not self.port:
            robot = EmulatedArm(spec.with_cameras(self.camera or None), self.robot, f"sim:{spec.model}")
        else:
            calibration = load_calibration(self.calibration or calibration_path(spec.name))
            robot = make_serial_arm(spec, port_table(spec, self.port), calibration)
        try:
            robot.connect()
            cameras = getattr(robot, "cameras", spec.cameras)
            yield robot, [c for c in cameras if self._is_wanted(c)]
        finally:
            robot.disconnect()

    def _is_wanted(self, camera: CameraSpec) -> bool:
        """Named, or one of all that can be opened here."""
        if not self.camera:
            return bool(camera.source) and not is_topic(camera.source)
        return camera.name in self.camera
