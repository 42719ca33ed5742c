"""task_node in front of the simulation and in front of a person."""

import json

import pytest
from limber_nodes import conversions
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import SetBool, Trigger
from support.ros_process import Listener, listener, node_process
from visualization_msgs.msg import MarkerArray

from hardware.robot import ObjectPose


def set_seed(graph: Listener, seed: int) -> None:
    value = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=seed)
    request = SetParameters.Request(parameters=[Parameter(name="seed", value=value)])
    assert graph.call(SetParameters, "task_node/set_parameters", request).results[0].successful


def objects_after(graph: Listener, stamp_ns: int) -> dict[str, ObjectPose]:
    def fresh() -> MarkerArray | None:
        newest = graph.heard["task/objects"][-1] if graph.heard["task/objects"] else None
        late = newest and conversions.stamp_ns(newest.markers[0].header.stamp) > stamp_ns
        return newest if late else None

    return conversions.object_poses(graph.wait(fresh, "objects of the new episode"))


@pytest.mark.parametrize("namespace", ["/", "/left/arm"])
def test_a_reset_places_the_objects_as_the_seed_says(namespace: str) -> None:
    where = ("-r", f"__ns:={namespace}")
    with (
        node_process("task_node", *where, seed=7) as task,
        listener(namespace) as graph,
    ):
        graph.listen(MarkerArray, "task/objects")
        graph.listen(Bool, "task/success")
        graph.listen(JointState, "joint_states")
        graph.listen(String, "task/instruction", latched=True)
        refused = graph.call(Trigger, "task/reset")
        assert not refused.success
        assert "expected a simulation listening at" in refused.message
        with node_process("robot_node", *where, cameras="none") as robot:
            graph.wait_for("joint_states")
            graph.trigger("arm")
            answers = [json.loads(graph.trigger("task/reset"))]
            first = objects_after(graph, answers[-1]["stamp_ns"])
            answers.append(json.loads(graph.trigger("task/reset")))
            second = objects_after(graph, answers[-1]["stamp_ns"])
            set_seed(graph, 7)
            answers.append(json.loads(graph.trigger("task/reset")))
            again = objects_after(graph, answers[-1]["stamp_ns"])
            assert [a["seed"] for a in answers] == [7, 8, 7]
            assert answers[0]["stamp_ns"] < answers[1]["stamp_ns"] < answers[2]["stamp_ns"]
            assert set(first) == set(second) == {"cube", "bin"}
            assert first["cube"].position == pytest.approx(again["cube"].position, abs=1e-3)
            assert first["cube"].position != pytest.approx(second["cube"].position, abs=1e-3)
            assert graph.wait(lambda: graph.heard["task/instruction"], "the instruction")
            assert graph.heard["task/instruction"][-1].data == answers[-1]["instruction"]
            assert not graph.wait_for("task/success")[-1].data
            label = graph.call(SetBool, "task/label", SetBool.Request(data=True))
            assert label.success
            assert graph.wait_for("task/success", 3)[-1].data
            graph.trigger("task/reset")  # a new episode has no label yet
            assert not graph.wait_for("task/success", 3)[-1].data
            assert robot.end()[0] == 0
        assert task.end()[0] == 0


def test_a_person_says_how_it_went() -> None:
    with node_process("task_node", backing="person", instruction="fold the towel"), listener() as graph:
        graph.listen(Bool, "task/success")
        graph.listen(String, "task/instruction", latched=True)
        graph.wait(lambda: graph.heard["task/instruction"], "the instruction")
        assert graph.heard["task/instruction"][-1].data == "fold the towel"
        assert json.loads(graph.trigger("task/reset"))["instruction"] == "fold the towel"
        graph.call(SetBool, "task/label", SetBool.Request(data=False))
        assert not graph.wait(lambda: graph.heard["task/success"], "the label")[-1].data
