"""teleop.launch.xml as a person starts it: leader and follower on emulated serial lines."""

import json
import re
from pathlib import Path

import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from support.launching import interrupt, run, runner, wait_gone
from support.ros_process import REPOSITORY, environment, listener

TELEOP = REPOSITORY / "launch/teleop.launch.xml"


def test_a_leader_drives_the_emulated_arm_once_it_is_armed(tmp_path: Path) -> None:
    arguments = ("robot:=so101_emulated", "task:=none", "cameras:=none", "leader_driver:=emulated")
    with (
        runner(TELEOP, *arguments, "namespace:=/left", **environment()) as process,
        listener("/left") as graph,
    ):
        for topic in ("joint_states", "teleop/joint_command"):
            graph.listen(JointState, topic)
        graph.listen(String, "control_source", latched=True)
        graph.wait_for("teleop/joint_command", 50)
        before = np.array(graph.heard["joint_states"][-1].position)
        assert json.loads(graph.heard["control_source"][-1].data)["mode"] == "disarmed"
        graph.trigger("arm")

        def follows() -> bool:
            led = np.array(graph.heard["teleop/joint_command"][-1].position)
            now = np.array(graph.heard["joint_states"][-1].position)
            return bool(np.abs(now - before).max() > 0.3 and np.abs(now - led).max() < 0.3)

        graph.wait(follows, "the follower where its leader is")
        text = interrupt(process)
    assert process.returncode == 0, text
    assert "Traceback" not in text
    for pid in re.findall(r"process started with pid \[(\d+)\]", text):
        assert wait_gone(int(pid))


def test_a_gamepad_that_is_not_there_ends_everything_with_one_line(tmp_path: Path) -> None:
    arguments = ("operator:=gamepad", f"device:={tmp_path / 'event7'}", "cameras:=none", "record:=true")
    code, text = run(TELEOP, *arguments, f"dataset:={tmp_path / 'raw'}", **environment())
    assert code == 2, text
    errors = [line for line in text.splitlines() if re.match(r"\[\w+-\d\] error: ", line)]
    assert len(errors) == 1, text
    assert "event7: expected a device that can be read: No such file or directory" in errors[0]
    assert "Traceback" not in text
