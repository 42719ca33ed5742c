"""policy_node as a process beside a real robot_node: keys, life cycle, and checkpoints that do not fit."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from limber_nodes import conversions
from limber_nodes.diagnostics import values_of
from support.checkpoints import untrained_checkpoint
from support.ros_process import Listener, NodeProcess, listener, node_process
from trajectory_msgs.msg import JointTrajectory

from hardware.spec import load_spec

SPEC = load_spec("so101")
START_S = 150.0  # importing torch takes 3 s of an idle machine


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_checkpoint(tmp_path_factory.mktemp("policy") / "checkpoint", SPEC)


@pytest.fixture
def ear() -> Iterator[Listener]:
    with listener() as node:
        node.listen(JointTrajectory, "action_chunk")
        node.listen(JointTrajectory, "planned_action")
        yield node


def stamps(messages: list[JointTrajectory]) -> list[int]:
    return [conversions.stamp_ns(m.header.stamp) for m in messages]


def counted_delays(ear: Listener) -> dict[int, int]:
    """Key -> delay in steps, from all of policy_node's diagnostics."""
    found = [values_of(array, "policy_node") for array in ear.heard["/diagnostics"]]
    return {k: d for values in found if values for k, d in json.loads(values["delays"])}


def test_chunks_are_keyed_by_steps_played_and_end_with_the_arm(ear: Listener, checkpoint: Path) -> None:
    chunks, plans = ear.heard["action_chunk"], ear.heard["planned_action"]
    with (
        node_process("robot_node"),
        node_process("policy_node", checkpoint=checkpoint, execution_horizon=4) as policy,
    ):
        ear.wait(
            lambda: ear.diagnostics("policy_node").get("chunk_size") and ear.diagnostics("robot_node"),
            "both nodes",
            START_S,
        )
        ear.wait_for("planned_action", 10)
        assert chunks == [], "a policy says nothing before the arm is armed"

        ear.trigger("arm")
        ear.wait(lambda: len(counted_delays(ear)) >= 4, "chunks that were played")
        assert set(stamps(chunks)) <= set(stamps(plans)), "a key is the stamp of a step, bit for bit"
        first = chunks[0]
        assert list(first.joint_names) == list(SPEC.joint_names)
        assert conversions.trajectory_array(first).shape == (16, 6)
        seconds = [p.time_from_start.sec + p.time_from_start.nanosec / 1e9 for p in first.points]
        assert seconds == pytest.approx([i * SPEC.action_dt for i in range(16)])
        steps = [round((b - a) / 50e6) for a, b in zip(stamps(chunks), stamps(chunks)[1:], strict=False)]
        assert min(steps) >= 4, "asked again before execution_horizon steps had passed"
        assert min(counted_delays(ear).values()) >= 1
        robot = ear.diagnostics("robot_node")
        assert int(robot["refused"]) == 0

        ear.trigger("stop")
        ear.wait_for("planned_action", 3)
        count = len(chunks)
        ear.wait_for("planned_action", 10)
        assert len(chunks) == count, "nothing is asked while the arm is stopped"

        ear.trigger("arm")
        ear.wait_for("action_chunk", 1)
        request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
        assert ear.call(ChangeState, "policy_node/change_state", request).success
        count = len(chunks)
        ear.wait_for("planned_action", 10)
        assert len(chunks) == count, "an inactive policy publishes nothing"
        assert policy.end()[0] == 0


def test_checkpoints_and_devices_that_do_not_fit_are_refused(tmp_path: Path, checkpoint: Path) -> None:
    other = untrained_checkpoint(tmp_path / "other", replace(SPEC, name="so999"))
    front = untrained_checkpoint(tmp_path / "large", SPEC.with_cameras(("front",), 128, 128))
    cases = {
        "expected a checkpoint folder, got nothing": NodeProcess("policy_node"),
        "does not exist": NodeProcess("policy_node", checkpoint=tmp_path / "nowhere"),
        "checkpoint is for robot 'so999', this robot is 'so101'": NodeProcess(
            "policy_node", checkpoint=other
        ),
        "checkpoint is for cameras [front:128x128], this robot has [front:96x96 wrist:96x96]": NodeProcess(
            "policy_node", checkpoint=front
        ),
        "unknown device 'cuda:99'; valid: cpu": NodeProcess(
            "policy_node", checkpoint=checkpoint, device="cuda:99"
        ),
        "execution_horizon: expected less than chunk_size 16, got 16": NodeProcess(
            "policy_node", checkpoint=checkpoint, execution_horizon=16
        ),
    }
    for expected, process in cases.items():
        code, output = process.wait(START_S)
        assert code == 2, output
        assert expected in output
        assert "Traceback" not in output


def test_a_live_robot_with_other_pictures_is_refused(ear: Listener, checkpoint: Path) -> None:
    """The spec can be right and the robot still send something else; no chunk may come of it."""
    with (
        node_process("robot_node", width=64, height=64),
        node_process("policy_node", checkpoint=checkpoint) as policy,
    ):
        code, output = policy.wait(START_S)
    assert code == 2, output
    assert "at 96x96, the robot sends 64x64" in output
    assert ear.heard["action_chunk"] == []
