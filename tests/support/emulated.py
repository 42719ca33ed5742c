"""An emulated robot served by a thread of this process, so that tests can lay hands on it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hardware.arms.calibration import Calibration, middle_calibration
from hardware.arms.make import make_serial_arm
from hardware.arms.make_bus import CODECS
from hardware.arms.serial_arm import SerialArm
from hardware.buses.bus import Bus
from hardware.buses.port import SerialPort
from hardware.emulator.faults import FaultRates, Faults
from hardware.emulator.robot import EmulatedRobot
from hardware.spec import BusSpec, RobotSpec, ServoSpec, load_spec


def feetech_spec() -> RobotSpec:
    return load_spec("so101").with_cameras(())


def dynamixel_spec() -> RobotSpec:
    """The SO-101's joints on XL330 and XL430 servos."""
    spec = feetech_spec()
    models = ("xl430_w250", "xl430_w250", "xl430_w250", "xl330_m288", "xl330_m288", "xl330_m077")
    servos = tuple(
        ServoSpec(j, m, i + 1) for i, (j, m) in enumerate(zip(spec.joint_names, models, strict=True))
    )
    buses = (BusSpec("arm", 1_000_000, servos),)
    return replace(spec, name="koch", buses=buses, workspace=None, self_collision_margin=None)


@contextmanager
def emulated(
    spec: RobotSpec, folder: Path, rates: FaultRates | None = None, seed: int = 0, **options
) -> Iterator[EmulatedRobot]:
    """The robot on `folder`/<bus>, served until the end of the block."""
    robot = EmulatedRobot(spec, folder, faults=Faults(rates or FaultRates(), seed), **options)
    ended = threading.Event()
    robot.open()

    def serve() -> None:
        while not ended.is_set():
            robot.serve()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield robot
    finally:
        ended.set()
        thread.join()
        robot.close()


@contextmanager
def opened_bus(robot: EmulatedRobot, name: str = "arm", baud: int = 1_000_000, **options) -> Iterator[Bus]:
    """A bus on one of its lines."""
    line = robot.lines[name]
    bus = Bus(SerialPort(str(line.port.link), baud), CODECS[line.codec.name](), **options)
    bus.open()
    try:
        yield bus
    finally:
        bus.close()


@contextmanager
def opened_arm(
    robot: EmulatedRobot, calibration: Calibration | None = None, guarded: bool = True
) -> Iterator[SerialArm]:
    """The arm on its lines, not connected yet."""
    ports = {name: str(line.port.link) for name, line in robot.lines.items()}
    calibration = calibration or middle_calibration(robot.spec)
    arm = make_serial_arm(robot.spec, ports, calibration, guarded=guarded)
    try:
        yield arm
    finally:
        arm.disconnect()
