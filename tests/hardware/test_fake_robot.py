"""The tests' own robot keeps the contract, so that what is proved on it means something."""

from collections.abc import Iterator

import pytest
from conformance.robot_suite import RobotConformance
from support.fake_robot import FakeRobot

from hardware.robot import Robot
from hardware.spec import load_spec


class TestFakeRobot(RobotConformance):
    @pytest.fixture
    def robot(self) -> Iterator[FakeRobot]:
        robot = FakeRobot(load_spec("so101"))
        yield robot
        robot.disconnect()

    def wait(self, robot: Robot) -> None:
        assert isinstance(robot, FakeRobot)
        robot.clock.time_ns += 10_000_000
