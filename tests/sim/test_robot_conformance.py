import pytest
from conformance.robot_suite import RobotConformance

from hardware.spec import load_spec
from sim.robot import SimRobot


class TestSimRobot(RobotConformance):
    @pytest.fixture(params=[None, "PickPlace"])
    def robot(self, request):
        robot = SimRobot(load_spec("so101"), request.param)
        robot.reset(0)
        yield robot
        robot.disconnect()
