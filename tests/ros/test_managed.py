"""The life of every node: autostart, transitions, signals, and errors before anything has started."""

import signal
from collections.abc import Iterator

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from sensor_msgs.msg import JointState
from support.ros_process import Listener, NodeProcess, listener, node_process


@pytest.fixture
def graph() -> Iterator[Listener]:
    with listener() as made:
        yield made


def state_of(graph: Listener, node: str) -> int:
    return graph.call(GetState, f"{node}/get_state").current_state.id


def change(graph: Listener, node: str, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return graph.call(ChangeState, f"{node}/change_state", request).success


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_node_takes_itself_to_active_and_a_signal_ends_it_cleanly(
    graph: Listener, number: signal.Signals
) -> None:
    with node_process("robot_node", cameras="none") as process:
        graph.listen(JointState, "joint_states")
        graph.wait_for("joint_states", 10)
        assert state_of(graph, "robot_node") == State.PRIMARY_STATE_ACTIVE
        code, output = process.end(number)
        assert code == 0, output
        assert "Traceback" not in output


def test_without_autostart_every_transition_is_asked_for(graph: Listener) -> None:
    with node_process("robot_node", cameras="none", autostart="false") as process:
        graph.listen(JointState, "joint_states")
        assert state_of(graph, "robot_node") == State.PRIMARY_STATE_UNCONFIGURED
        assert change(graph, "robot_node", Transition.TRANSITION_CONFIGURE)
        assert state_of(graph, "robot_node") == State.PRIMARY_STATE_INACTIVE
        assert not graph.heard["joint_states"]
        for _ in range(2):  # the second time round must be as good as the first
            assert change(graph, "robot_node", Transition.TRANSITION_ACTIVATE)
            graph.wait_for("joint_states", 10)
            assert graph.trigger("arm") == "armed"
            assert change(graph, "robot_node", Transition.TRANSITION_DEACTIVATE)
            assert state_of(graph, "robot_node") == State.PRIMARY_STATE_INACTIVE
        assert change(graph, "robot_node", Transition.TRANSITION_CLEANUP)
        assert change(graph, "robot_node", Transition.TRANSITION_CONFIGURE)
        assert change(graph, "robot_node", Transition.TRANSITION_ACTIVATE)
        graph.wait_for("joint_states", 10)
        assert process.end()[0] == 0


def test_parameters_describe_themselves_and_refuse_changes(graph: Listener) -> None:
    with node_process("task_node", backing="person"):
        request = DescribeParameters.Request(names=["seed", "hold_s", "backing"])
        seed, hold, backing = graph.call(
            DescribeParameters, "task_node/describe_parameters", request
        ).descriptors
        assert all(d.description for d in (seed, hold, backing))
        assert seed.integer_range[0].from_value == 0
        assert hold.read_only
        assert hold.floating_point_range[0].from_value == 0.0
        assert "person" in backing.additional_constraints

        def set_seed(value: ParameterValue) -> tuple[bool, str]:
            wanted = SetParameters.Request(parameters=[Parameter(name="seed", value=value)])
            result = graph.call(SetParameters, "task_node/set_parameters", wanted).results[0]
            return result.successful, result.reason

        assert set_seed(ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=7))[0]
        assert not set_seed(ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=-7))[0]
        done, reason = set_seed(ParameterValue(type=ParameterType.PARAMETER_STRING, string_value="seven"))
        assert not done
        assert "whole number" in reason


BAD_STARTS = {
    "robot": ("robot_node", {"robot": "so102"}, "unknown robot 'so102' (did you mean 'so101'?)"),
    "camera": ("robot_node", {"cameras": "front,back"}, "valid: front, wrist"),
    "task": ("robot_node", {"task": "PickPlane"}, "did you mean 'PickPlace'?"),
    "text for a number": ("robot_node", {"speed": "fast"}, "expected a number, got 'fast'"),
    "socket": ("robot_node", {"control_socket": "/proc/x/y.sock", "cameras": "none"}, "/proc/x/y.sock"),
    "expert": ("teleop_node", {"task": "PourTea"}, "unknown task"),
}


def test_what_cannot_start_says_why_in_one_line_and_exits_2() -> None:
    processes = {name: NodeProcess(node, **parameters) for name, (node, parameters, _) in BAD_STARTS.items()}
    try:
        ends = {name: process.wait() for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
    for name, (code, output) in ends.items():
        errors = [line for line in output.splitlines() if line.startswith("error: ")]
        assert code == 2, f"{name}: {output}"
        assert len(errors) == 1, f"{name}: {output}"
        assert BAD_STARTS[name][2] in errors[0], name
        assert "Traceback" not in output, f"{name}: {output}"
