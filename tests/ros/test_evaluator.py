"""evaluator_node beside the whole graph: verdicts, and a report that says what happened."""

import json
from pathlib import Path

from limber_nodes import qos
from std_msgs.msg import String
from std_srvs.srv import SetBool
from support.checkpoints import untrained_checkpoint
from support.ros_process import NodeProcess, listener, node_process
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from hardware.spec import load_spec

START_S = 150.0  # importing torch takes 3 s of an idle machine, drawing the films as long


def no_chunks() -> list[JointTrajectory]:
    """Foreign joints, none, and points of unequal length: refused by robot_node, survived by all."""
    names = list(load_spec("so101").joint_names)
    uneven = [JointTrajectoryPoint(positions=[0.0] * n) for n in (6, 5)]
    return [
        JointTrajectory(),
        JointTrajectory(joint_names=["claw", *names[1:]], points=uneven[:1]),
        JointTrajectory(joint_names=names, points=uneven),
    ]


def test_success_timeout_and_fault_are_told_apart(tmp_path: Path) -> None:
    checkpoint = untrained_checkpoint(tmp_path / "checkpoint", load_spec("so101"))
    stages = tmp_path / "stages.json"
    stages.write_text(json.dumps({"collect": 12.5}))
    with (
        listener() as ear,
        node_process("robot_node"),
        node_process("task_node"),
        node_process("policy_node", checkpoint=checkpoint),
    ):
        ear.wait(lambda: ear.diagnostics("policy_node"), "the policy", START_S)
        ear.listen(String, "evaluation/verdict", latched=True)
        ear.listen(String, "control_source", latched=True)
        chunks = ear.node.create_publisher(JointTrajectory, "action_chunk", qos.EVENTS)
        verdicts = ear.heard["evaluation/verdict"]

        def episodes_begun() -> int:
            """Epochs in which the policy has moved the arm."""
            heard = [json.loads(message.data) for message in ear.heard["control_source"]]
            return len({control["epoch"] for control in heard if control["source"] == "policy"})

        evaluator = NodeProcess(
            "evaluator_node",
            episodes=3,
            first_seed=100_500,
            timeout_s=6.0,
            report=tmp_path / "out",
            checkpoint=checkpoint,
            stages=stages,
        )
        ear.wait(lambda: episodes_begun() == 1, "the first episode")
        assert ear.call(SetBool, "task/label", SetBool.Request(data=True)).success
        ear.wait(lambda: len(verdicts) == 1, "the first verdict, a success by label")
        ear.wait(lambda: episodes_begun() == 2, "the second episode")
        ear.trigger("stop")
        ear.wait(lambda: chunks.get_subscription_count() >= 2, "robot_node and evaluator_node")
        ear.wait(lambda: episodes_begun() == 3, "the third episode")
        for message in no_chunks():
            chunks.publish(message)
        code, output = evaluator.wait(START_S)
        ear.wait(lambda: int(ear.diagnostics("robot_node")["refused"]) >= 3, "three refusals")
    assert code == 0, output
    found = [json.loads(message.data) for message in verdicts]
    assert [v["verdict"] for v in found] == ["success", "fault", "timeout"]
    assert [v["seed"] for v in found] == [100_500, 100_501, 100_502]

    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["n_episodes"] == 3
    assert report["success_rate"] == 1 / 3
    assert report["interval_low"] < 1 / 3 < report["interval_high"]
    assert set(report["latency_ms"]) == set(report["delay_steps"]) == {"p50", "p99", "max"}
    assert report["delay_steps"]["p50"] >= 1
    assert report["latency_ms"]["p50"] > 0
    assert report["stage_seconds"]["collect"] == 12.5
    assert report["stage_seconds"]["evaluate"] > 4
    success, fault, timeout = report["episodes"]
    assert timeout["seconds"] == 6.0
    assert timeout["chunks"] >= 5
    assert success["seconds"] < 6.0
    assert fault["reason"] == "the robot is stopped"
    page = (tmp_path / "out/report.html").read_text()
    assert page.count("<video") == 3
    assert "put the cube into the bin" in page

    # A second evaluation into the same folder must not replace the first.
    code, output = NodeProcess("evaluator_node", report=tmp_path / "out").wait()
    assert code == 2, output
    assert "report.html exists" in output


def test_without_a_policy_nothing_starts(tmp_path: Path) -> None:
    code, output = NodeProcess("evaluator_node", report=tmp_path / "out", policy_wait_s=0.5).wait()
    assert code == 2, output
    assert "expected a policy_node that is ready within 0.5 s, nobody answers" in output
    assert not (tmp_path / "out").exists()


def test_a_report_that_cannot_be_written_is_found_before_the_episodes() -> None:
    code, output = NodeProcess("evaluator_node", report="/proc/nowhere/report").wait()
    assert code == 2, output
    assert "expected a folder to write into, /proc: " in output
