"""What every `Robot` must do. Inherit `RobotConformance`, name the class Test..., give it a fixture `robot`.

    class TestMyRobot(RobotConformance):
        @pytest.fixture
        def robot(self):
            robot = MyRobot(...)
            yield robot
            robot.disconnect()

The fixture's robot is not connected yet. `wait` lets one control period of robot time pass.
"""

import inspect

import numpy as np
import pytest

from hardware.errors import LimberError
from hardware.robot import Observation, Robot, Simulated, Torque
from hardware.spec import RobotSpec

SETTLE_PERIODS = 100
TOLERANCE = 0.1  # rad or m; backlash and sag of a small arm stay below


class RobotConformance:
    """The tests; every one drives the robot by its contract alone."""

    @pytest.fixture
    def robot(self) -> Robot:
        pytest.fail("give the suite a fixture `robot`")

    def wait(self, robot: Robot) -> None:
        """Let a control period pass. A robot on the wall clock overrides this with a sleep."""
        if isinstance(robot, Simulated):
            robot.advance_to(robot.now_ns() + 1_000_000_000 // robot.spec.control_hz)

    @pytest.fixture
    def connected(self, robot: Robot) -> Robot:
        robot.connect()
        if isinstance(robot, Torque):
            robot.set_torque_limit(1.0)
            robot.torque_on()
        return robot

    def hold(self, robot: Robot, goal: np.ndarray, periods: int = SETTLE_PERIODS) -> Observation:
        for _ in range(periods):
            robot.send_action(goal)
            self.wait(robot)
        return robot.get_observation()

    def test_has_the_four_verbs_and_a_spec(self, robot: Robot) -> None:
        assert isinstance(robot.spec, RobotSpec)
        for verb, arguments in (
            ("connect", 0),
            ("get_observation", 0),
            ("send_action", 1),
            ("disconnect", 0),
        ):
            required = [
                p for p in inspect.signature(getattr(robot, verb)).parameters.values() if p.default is p.empty
            ]
            assert len(required) == arguments, verb

    def test_says_so_before_it_is_connected(self, robot: Robot) -> None:
        with pytest.raises(LimberError):
            robot.get_observation()
        with pytest.raises(LimberError):
            robot.send_action(robot.spec.joint_array("rest").astype(np.float32))

    def test_observation_has_the_shapes_and_types_of_the_contract(self, connected: Robot) -> None:
        spec, seen = connected.spec, connected.get_observation()
        for part in (seen.state, seen.velocity, seen.effort):
            assert part.shape == (spec.n_joints,)
            assert part.dtype == np.float32
            assert np.isfinite(part).all()
        assert type(seen.stamp_ns) is int
        assert tuple(seen.images) == spec.camera_names
        assert set(seen.image_stamps_ns) == set(spec.camera_names)
        for camera in spec.cameras:
            image = seen.images[camera.name]
            assert image.shape == (camera.height, camera.width, 3)
            assert image.dtype == np.uint8
            assert seen.image_stamps_ns[camera.name] <= seen.stamp_ns

    def test_time_goes_forward(self, connected: Robot) -> None:
        stamps = []
        for _ in range(5):
            stamps.append(connected.get_observation().stamp_ns)
            self.wait(connected)
        assert np.diff(stamps).min() > 0

    def test_an_observation_is_not_changed_by_the_next(self, connected: Robot) -> None:
        first = connected.get_observation()
        state = first.state.copy()
        self.hold(connected, self.inside(connected, 0.6), periods=20)
        assert (first.state == state).all()

    def test_goes_where_it_is_sent(self, connected: Robot) -> None:
        goal = self.inside(connected, 0.55)
        start = connected.get_observation().state.astype(np.float64)
        for share in np.linspace(0.0, 1.0, 150):  # no robot is promised to survive a jump
            connected.send_action((start + share * (goal - start)).astype(np.float32))
            self.wait(connected)
        seen = self.hold(connected, goal)
        np.testing.assert_allclose(seen.state, goal, atol=TOLERANCE)
        assert np.abs(seen.velocity).max() < 0.2

    def test_returns_what_was_sent(self, connected: Robot) -> None:
        goal = self.inside(connected, 0.5)
        sent = connected.send_action(goal)
        assert sent.shape == goal.shape
        assert sent.dtype == np.float32
        np.testing.assert_allclose(sent, goal, atol=2e-3)  # a servo's tick is 1.5 mrad

    def test_stays_inside_its_limits(self, connected: Robot) -> None:
        sent = connected.send_action((connected.spec.joint_array("upper") + 1.0).astype(np.float32))
        assert (sent <= connected.spec.joint_array("upper") + 2e-3).all()
        sent = connected.send_action((connected.spec.joint_array("lower") - 1.0).astype(np.float32))
        assert (sent >= connected.spec.joint_array("lower") - 2e-3).all()

    @pytest.mark.parametrize("kind", ["nan", "short", "matrix"])
    def test_refuses_what_is_no_goal(self, connected: Robot, kind: str) -> None:
        n = connected.spec.n_joints
        bad = {"nan": np.full(n, np.nan), "short": np.zeros(n - 1), "matrix": np.zeros((1, n))}[kind]
        before = connected.get_observation().state.copy()
        with pytest.raises(LimberError):
            connected.send_action(bad.astype(np.float32))
        np.testing.assert_allclose(connected.get_observation().state, before, atol=0.02)

    def test_may_be_disconnected_twice_and_connected_again(self, connected: Robot) -> None:
        connected.disconnect()
        connected.disconnect()
        with pytest.raises(LimberError):
            connected.get_observation()
        connected.connect()
        assert np.isfinite(connected.get_observation().state).all()

    def test_torque_off_lets_go(self, connected: Robot) -> None:
        if not isinstance(connected, Torque):
            pytest.skip("this robot's torque cannot be switched")
        connected.torque_off()
        before = connected.get_observation().state.astype(np.float64)
        goal = self.inside(connected, 0.5)
        far = np.abs(goal - before) > 0.5
        after = self.hold(connected, goal, periods=30).state
        assert (np.abs(after - goal)[far] > 0.2).any() or not far.any()

    def inside(self, robot: Robot, share: float) -> np.ndarray:
        """A goal (n_joints,) float32 at `share` of the way from each joint's rest pose to mid-range."""
        rest = robot.spec.joint_array("rest")
        middle = 0.5 * (robot.spec.joint_array("lower") + robot.spec.joint_array("upper"))
        return (rest + share * 0.5 * (middle - rest)).astype(np.float32)
