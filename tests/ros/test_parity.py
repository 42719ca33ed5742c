"""The ROS run and the in-process run send the same actions when chunks come with the same delays.

A policy of the test's own answers robot_node over DDS with delays of one to six steps, some
answers lost and one stop in between. What was recorded then drives the same SimRobot and
ControlLoop in this process: every sent goal and every joint position must be the same, bit for bit.
"""

import json
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from limber_nodes import conversions, qos
from numpy.typing import NDArray
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from support.ros_process import Listener, listener, node_process
from trajectory_msgs.msg import JointTrajectory

from hardware.control.clock import PhysicsClock
from hardware.control.loop import ControlLoop, TickReport
from hardware.safety.filter import SafetyFilter
from hardware.spec import load_spec
from sim.robot import SimRobot

SPEC = load_spec("so101").with_cameras(())
NAMES = SPEC.joint_names
TICK_NS, STEP_NS = 10_000_000, 50_000_000
HORIZON = 12
SEED = 12345
DELAYS = (1, 2, 1, 3, 6, 2, 1, None, 4, 1, 2, 5)  # steps from request to answer; None: never answered
CHUNKS = 30

Chunk = tuple[int, NDArray[np.float64]]  # key, points (H, n)


class RosRun:
    """What the graph said, by stamp, and the chunks that were published to it."""

    def __init__(self, graph: Listener, chunks: Sequence[Chunk]) -> None:
        self.sent = by_stamp(graph.heard["executed_action"])
        self.state = by_stamp(graph.heard["joint_states"])
        self.modes = [json.loads(m.data) for m in graph.heard["control_source"]]
        self.plans = {
            conversions.stamp_ns(m.header.stamp): conversions.trajectory_array(m)
            for m in graph.heard["planned_action"]
        }
        self.chunks = list(chunks)

    def entries(self) -> dict[int, Chunk]:
        """Key of a step -> the chunk whose points began to be played in it, as the plans show."""
        entered: dict[int, Chunk] = {}
        running = None
        for key, plan in sorted(self.plans.items()):
            owner = next((c for c in self.chunks if len(plan) and plays(c, key, plan[0])), None)
            if owner is not None and owner is not running:
                entered[key] = owner
            running = owner
        return entered


def by_stamp(messages: Sequence[JointState]) -> dict[int, NDArray[np.float64]]:
    return {conversions.stamp_ns(m.header.stamp): np.array(m.position) for m in messages}


def plays(chunk: Chunk, key: int, point: NDArray[np.float64]) -> bool:
    """Whether `point` is the one that `chunk` has for the step of `key`."""
    i = (key - chunk[0]) // STEP_NS
    return 0 <= i < HORIZON and bool(np.array_equal(chunk[1][i], point))


def make_chunk(key: int, state: NDArray[np.float64], rng: np.random.Generator) -> Chunk:
    """A wave away from where the arm is; no two chunks share a point."""
    middle = (SPEC.joint_array("lower") + SPEC.joint_array("upper")) / 2
    steps = np.arange(1, HORIZON + 1)[:, None]
    wave = 0.03 * steps * np.sign(middle - state) * rng.uniform(0.5, 1.0, len(NAMES))
    return key, state + wave + 0.01 * np.sin(steps * rng.uniform(0.3, 1.0, len(NAMES)))


@pytest.fixture(scope="module")
def ros_run() -> Iterator[RosRun]:
    with (
        node_process("robot_node", cameras="none"),
        node_process("task_node"),
        listener() as graph,
    ):
        for topic in ("joint_states", "executed_action"):
            graph.listen(JointState, topic)
        graph.listen(JointTrajectory, "planned_action")
        graph.listen(String, "control_source", latched=True)
        publisher = graph.node.create_publisher(JointTrajectory, "action_chunk", qos.EVENTS)
        graph.wait(publisher.get_subscription_count, "robot_node to listen")
        graph.wait_for("planned_action", 2)
        graph.wait_for("joint_states", 5)
        begin(graph)
        yield RosRun(graph, drive(graph, publisher))


def mode(graph: Listener) -> str:
    return json.loads(graph.heard["control_source"][-1].data)["mode"]


def begin(graph: Listener) -> None:
    """Arm, reset, arm, each seen in `control_source` before the next."""
    value = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=SEED)
    seed = SetParameters.Request(parameters=[Parameter(name="seed", value=value)])
    assert graph.call(SetParameters, "task_node/set_parameters", seed).results[0].successful
    for service, after in (("arm", "armed"), ("task/reset", "stopped"), ("arm", "armed")):
        assert graph.call(Trigger, service).success
        graph.wait(lambda wanted=after: mode(graph) == wanted, f"mode {after}")


def drive(graph: Listener, publisher: object) -> list[Chunk]:
    """Answer every other step with the delay that is its turn; stop and arm again in the middle."""
    rng = np.random.default_rng(0)
    published: list[Chunk] = []
    pending: list[tuple[int, Chunk]] = []
    done = len(graph.heard["planned_action"])
    requests, turn = 0, False
    while requests < CHUNKS or pending:
        graph.wait(lambda n=done: len(graph.heard["planned_action"]) > n, "the next step")
        done, turn = len(graph.heard["planned_action"]), not turn
        key = conversions.stamp_ns(graph.heard["planned_action"][done - 1].header.stamp)
        for due, chunk in [p for p in pending if p[0] <= key]:
            pending.remove((due, chunk))
            publisher.publish(conversions.trajectory(NAMES, *chunk, SPEC.action_dt))
            published.append(chunk)
        if requests < CHUNKS and turn:
            graph.wait(
                lambda k=key: conversions.stamp_ns(graph.heard["joint_states"][-1].header.stamp) >= k,
                "its state",
            )
            states = by_stamp(graph.heard["joint_states"][-100:])
            delay = DELAYS[requests % len(DELAYS)]
            if delay is not None and key in states:
                # Sent on the step before: it enters on the next step, so the delay is one more.
                pending.append((key + (delay - 1) * STEP_NS, make_chunk(key, states[key], rng)))
            requests += 1
            if requests == CHUNKS // 2:
                for service, after in (("stop", "stopped"), ("arm", "armed")):
                    graph.trigger(service)
                    graph.wait(lambda wanted=after: mode(graph) == wanted, f"mode {after}")
    graph.wait_for("planned_action", HORIZON + 5)  # the last chunk to its end, dry, and the hold after it
    return published


class InProcessRun:
    """The same robot and loop, without ROS, up to `until_ns`."""

    def __init__(self, ros: RosRun, until_ns: int) -> None:
        robot = SimRobot(SPEC, "PickPlace")
        robot.connect()
        self.sent: dict[int, NDArray[np.float64]] = {}
        self.state: dict[int, NDArray[np.float64]] = {}
        loop = ControlLoop(robot, PhysicsClock(robot), SafetyFilter(SPEC), observers=[self._observe])
        changes = {
            (m["stamp_ns"], after)
            for before, after, m in zip(
                [m["mode"] for m in ros.modes],
                [m["mode"] for m in ros.modes[1:]],
                ros.modes[1:],
                strict=False,
            )
            if before != after
        }
        resets = [stamp for stamp, after in sorted(changes) if after == "stopped"][:1]
        entries = ros.entries()
        while (now := robot.now_ns()) <= until_ns:
            if now in resets:
                loop.call(lambda: loop.reset_world(lambda: robot.reset(SEED)))
            elif (now, "stopped") in changes:
                loop.stop()
            if (now, "armed") in changes:
                loop.arm()
            if now in entries:
                key, points = entries[now]
                loop.offer_chunk(NAMES, points, key)
            loop.tick()
            loop.clock.sleep_until(now + TICK_NS)
        self.delays = list(loop.scheduler.counters.delays)
        robot.disconnect()

    def _observe(self, report: TickReport) -> None:
        self.sent[report.stamp_ns] = report.sent
        self.state[report.stamp_ns] = report.observation.state.astype(np.float64)


@pytest.fixture(scope="module")
def both(ros_run: RosRun) -> tuple[RosRun, InProcessRun]:
    return ros_run, InProcessRun(ros_run, until_ns=max(ros_run.sent))


def test_the_ros_run_was_worth_comparing(both: tuple[RosRun, InProcessRun]) -> None:
    ros, local = both
    assert len(set(local.delays)) >= 3, "the chunks came with several delays"
    assert len(ros.entries()) >= CHUNKS // 3
    sent = np.array([ros.sent[s] for s in sorted(ros.sent)])
    assert np.ptp(sent, axis=0).min() > 0.05, "every joint moved"
    assert np.isin(np.diff(sorted(ros.sent)), TICK_NS).all(), "no tick was lost on the way"


def test_the_same_goals_are_sent_and_the_arm_goes_the_same_way(both: tuple[RosRun, InProcessRun]) -> None:
    ros, local = both
    armed = min(m["stamp_ns"] for m in ros.modes if m["mode"] == "armed")
    for name, over_ros, in_process in (("sent", ros.sent, local.sent), ("state", ros.state, local.state)):
        common = sorted(set(over_ros) & set(in_process))
        assert len(common) > 300
        differ = [s for s in common if s >= armed and not np.array_equal(over_ros[s], in_process[s])]
        assert not differ, f"{name}: {len(differ)} of {len(common)} ticks differ, first at {differ[0]} ns"
