"""The processes that give a robot's pictures: rendered ones of a simulation, or one a real camera."""

import sys

from hardware.control.clock import Clock, PhysicsClock
from hardware.robot import Robot
from hardware.spec import RobotSpec
from limber_nodes.camera_feed import CameraFeed
from limber_nodes.camera_processes import CameraProcesses
from limber_nodes.robots import RobotSettings

Cameras = CameraFeed | CameraProcesses


def make_cameras(
    robot: Robot, spec: RobotSpec, settings: RobotSettings, clock: Clock, simulated: bool
) -> Cameras:
    """Not started yet. A simulation's time waits for its pictures; nothing else does."""
    if simulated and isinstance(clock, PhysicsClock):
        feed = CameraFeed(spec, settings, sys.argv)
        robot.add_frame_listener(feed.push)  # type: ignore[attr-defined]
        clock.add_gate(feed.gate)
        return feed
    cameras = getattr(robot, "cameras", spec.cameras)  # an emulated robot says where they are
    return CameraProcesses(cameras, settings.jpeg_quality, sys.argv)
