"""The processes that give a robot's pictures: rendered ones of a simulation, or one a real camera."""

import sys

from hardware.control.clock import PhysicsClock
from hardware.robot import Robot
from hardware.spec import RobotSpec
from limber_nodes.camera_feed import CameraFeed
from limber_nodes.camera_processes import CameraProcesses
from limber_nodes.robots import RobotSettings

Cameras = CameraFeed | CameraProcesses


def make_cameras(
    robot: Robot, spec: RobotSpec, settings: RobotSettings, physics: PhysicsClock | None
) -> Cameras:
    """Not started yet. `physics`: a simulation's clock, which waits for its pictures; nothing else does."""
    if physics:
        feed = CameraFeed(spec, settings, sys.argv)
        robot.add_frame_listener(feed.push)  # type: ignore[attr-defined]
        physics.add_gate(feed.gate)
        return feed
    cameras = getattr(robot, "cameras", spec.cameras)  # an emulated robot says where they are
    return CameraProcesses(cameras, settings.jpeg_quality, sys.argv)
